"""`govprune approve`: one person signs that this candidate may serve."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import trusting

if TYPE_CHECKING:
    from ..evidence.keys import SigningKeys
    from ..evidence.trust import Role, TrustPolicy
    from ..evidence.verify import Verified


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--by", "by", required=True, type=click.Path(path_type=Path),
              help="Your signing key (NAME.key).")  # fmt: skip
@click.option("--because", required=True, help="Why, in a sentence: it is signed and archived.")
@trusting.options
def command(
    bundle: Path,
    by: Path,
    because: str,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
) -> int:
    """Verify BUNDLE, then sign an approval of it with your own key.

    The approval is a file in the bundle. It is of this evidence and no other: whatever changes,
    voids it. Nobody approves a candidate of their own.
    """
    from ..errors import InputError
    from ..evidence import dsse
    from ..evidence.bundle_folder import add_file
    from ..evidence.consents import Approval, file_of, make_consent, to_consent
    from ..evidence.key_files import load_signing_keys
    from ..evidence.verify import verify_bundle
    from ..evidence.vsa import written

    now = datetime.now(UTC)
    keys = load_signing_keys(by)
    gates, under = trusting.whom(key, trust, root_key, now)
    found = verify_bundle(bundle, trusted=gates, root=None, now=now, under=under)
    if not found.result.startswith("PASSED"):
        raise InputError(
            f"{bundle}: is {found.result}; an approval cannot change that. What keeps it shut: "
            f"govprune explain {bundle}"
        )
    refuse_signer(found, keys, under, "approver")
    waivers = [data for name, data in found.files.items() if name.startswith("waiver-")]
    approval = make_consent(
        Approval,
        **named(found),
        waivers=tuple(sorted(hashlib.sha256(data).hexdigest() for data in waivers)),
        because=because,
        time=written(now),
    )
    envelope = dsse.sign(to_consent(approval), keys)
    place = add_file(bundle, file_of(envelope, "approval"), envelope)
    click.echo(f"{place}")
    click.echo(f"APPROVED by {keys.owner}, key {keys.key_id[:16]}…, of {found.summary.job} "
               f"attempt {found.summary.attempt}")  # fmt: skip
    say_lacking(bundle, under, now)
    return 0


def named(found: "Verified") -> dict[str, str]:
    """Return the digests by which a statement names a bundle."""
    from ..evidence.vsa import EVIDENCE_FILE, VERDICT_FILE

    return {
        "evidence_sha256": hashlib.sha256(found.files[EVIDENCE_FILE]).hexdigest(),
        "verdict_sha256": hashlib.sha256(found.files[VERDICT_FILE]).hexdigest(),
    }


def refuse_signer(
    found: "Verified", keys: "SigningKeys", under: "TrustPolicy | None", role: "Role"
) -> None:
    """Refuse early what would not count: a key without the role, one's own candidate."""
    from ..errors import EvidenceError, InputError
    from ..evidence.consents import Approval, Producer

    if under is None:
        click.echo("note: no trust policy says here whether this counts (--trust)", err=True)
        return
    holders = {key.key_id: key for key in under.holders(role)}
    if keys.key_id not in holders:
        who = ", ".join(sorted(key.owner for key in holders.values())) or "nobody"
        raise InputError(
            f"{keys.owner} is no {role} under trust policy '{under.name}' {under.version} ({who}); "
            "nothing was signed"
        )
    try:
        under.refuse_revoked(holders[keys.key_id], said=datetime.now(UTC), shown=None)
    except EvidenceError as error:
        raise InputError(f"{error}; nothing was signed") from error
    said = found.standing.said if found.standing else ()
    makers = {s.by.owner for s in said if isinstance(s.consent, Producer)}
    if holders[keys.key_id].owner in makers:
        raise InputError(f"{keys.owner} made this candidate; somebody else must sign")
    again = [s for s in said if s.by.key_id == keys.key_id and s.idle is None]
    if role == "approver" and any(isinstance(s.consent, Approval) for s in again):
        raise InputError(f"{keys.owner} has approved this already; nothing was signed")


def say_lacking(bundle: Path, under: "TrustPolicy | None", now: datetime) -> None:
    """Say what the bundle comes to with what was just signed, and what it still lacks."""
    from ..evidence.verify import verify_bundle

    if under is None:
        return
    found = verify_bundle(bundle, trusted=(), root=None, now=now, under=under)
    lacks = found.standing.lacks if found.standing else ()
    click.echo(f"now {found.result}" + "".join(f"\nstill lacks {what}" for what in lacks))
