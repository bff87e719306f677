"""`govprune verify`: what holds, who says so, and what could not be looked at."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..errors import EvidenceError, InputError
from ..evidence.consents import LATER_FILE, Approval, Producer, SignedWaiver, in_force
from ..evidence.keys import TrustedKeys
from ..evidence.standing import Said
from ..evidence.trust import TrustPolicy
from ..evidence.verify import Verified, verify_bundle
from ..evidence.vsa import PRODUCER_FILE, written
from ..subjects import Subject
from . import trusting

REGISTRY = Path(".govprune/registry")


@click.command()
@click.argument("target")
@trusting.options
@click.option("--files", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Folder of the job, to hash models and data again.")  # fmt: skip
@click.option("--registry", type=click.Path(path_type=Path, file_okay=False), default=REGISTRY,
              show_default=True, help="For NAME@ALIAS.")  # fmt: skip
@click.option("--log", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="The gate's log, to check as a whole against this bundle.")  # fmt: skip
@click.option("--recompute", is_flag=True,
              help="Render the card again from the counts, and compare.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True)  # fmt: skip
def command(
    target: str,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
    files: Path | None,
    registry: Path,
    log: Path | None,
    recompute: bool,
    form: str,
) -> int:
    """Verify TARGET, offline: the folder of a bundle, or NAME@ALIAS of a registry.

    Plan, findings and verdict are always computed again. The card is a view of them, signed by the
    gate: --recompute makes it again and demands the same page.

    Exit code 0: it is genuine, whatever the verdict says. 4: do not rely on it.
    """
    now = datetime.now(UTC)
    keys, under = trusting.whom(key, trust, root_key, now)
    restored = False
    if os.path.lexists(target):
        found = verify_bundle(Path(target), trusted=keys, root=files, now=now, under=under)
    else:
        found, restored = _served(target, registry, keys, under, now)
    length = _check_log(found, log, keys)
    if recompute:
        _same_card(found, target)
    if form == "json":
        values = _values(found, now, length) | {"serves_baseline": restored}
        click.echo(json.dumps(values, indent=2, ensure_ascii=True))
    else:
        for line in (
            *_lines(found, length, now),
            _baseline(found) if restored else _last(found, now),
        ):
            click.echo("".join(c if c.isprintable() else "?" for c in line))
    return 0


def _served(
    target: str,
    registry: Path,
    keys: tuple[TrustedKeys, ...],
    under: TrustPolicy | None,
    now: datetime,
) -> tuple[Verified, bool]:
    from ..promotion import verify_served
    from ..registries.local import parse_target

    if "@" not in target:
        raise InputError(f"{target}: no such bundle; give its folder, or NAME@ALIAS")
    name, alias = parse_target(target)
    served = verify_served(registry, name=name, alias=alias, trusted=keys, now=now, under=under)
    return served.verified, served.baseline


def _same_card(found: Verified, source: str) -> None:
    """Render the card from the evidence, and demand that it is the one of the bundle.

    Raises:
        InputError: Another version wrote it, which may word or place things otherwise.
        EvidenceError: It says something that the evidence does not.
    """
    from ..gate import render_card

    wrote = found.evidence.environment.govprune
    signer = f"{found.signer.owner}, key {found.signer.key_id[:16]}"
    made = render_card(found.evidence, found.envelope, None, [], signer=signer, pdf=False)
    if made.html == found.files["card.html"]:
        return
    if wrote != __version__:
        raise InputError(
            f"{source}: govprune {wrote} rendered the card, this is {__version__}; install that "
            "version to compare every number. Everything else is verified"
        )
    raise EvidenceError(
        f"{source}/card.html: not what the archived counts give; whoever signed it wrote something "
        "else. Do not rely on the card"
    )


def _check_log(found: Verified, log: Path | None, keys: tuple[TrustedKeys, ...]) -> int | None:
    """Check the whole log; return how many entries it has."""
    if log is None:
        return None
    from ..evidence.log import Log

    return len(Log(log).check(keys, remembered=[found.note]).entries)


def _lines(found: Verified, length: int | None, now: datetime) -> Iterator[str]:
    said, by = found.summary, found.signer
    policy, findings = found.evidence.policy, len(found.evidence.verdict.findings)
    yield f"signature  by {by.owner}, key {by.key_id[:16]}…, trusted through {by.source}"
    yield f"bundle     {len(said.files)} files, each the one that was signed, and no other"
    yield f"verdict    plan and {findings} findings computed again from the archived counts"
    yield f"policy     {policy.name} {policy.version}, sha256 {said.policy_sha256}"
    if "card.pdf" in found.files:
        yield "card       card.pdf: one signature over the whole file; holds this very evidence"
    else:
        yield "card       card.html only; this bundle has no PDF"
    at = found.checkpoint
    yield f"log        entry {found.index + 1} of {at.size} in {at.origin}, signed"
    if length is not None:
        yield f"log        all {length} entries checked: nothing cut off, nothing edited"
    yield from _standing(found, now)
    for subject in found.checked:
        yield f"hashed     {_named(subject)}: unchanged"
    for subject in found.absent:
        pack = subject.name.startswith("pack:")
        yield f"{'shipped   ' if pack else 'not here  '} {_named(subject)}"


def _standing(found: Verified, now: datetime) -> Iterator[str]:
    """Say what people signed beside the verdict, and what of it counts."""
    if found.planned is not None:
        yield f"plan       signed {found.planned.time}, and in the log before the verdict"
    if found.timestamp is not None:
        yield f"time       an authority saw the verdict on {written(found.timestamp)}"
    if found.standing is None:
        for name in sorted(n for n in found.files if LATER_FILE.fullmatch(n) or n == PRODUCER_FILE):
            yield f"not judged {name}: whether it counts, a trust policy says (--trust)"
        return
    for said in found.standing.said:
        what = {Approval: "approved", SignedWaiver: "waived", Producer: "produced"}[
            type(said.consent)
        ]
        end = f": {said.idle}" if said.idle is not None else ""
        yield f"{what:<10} by {said.by.owner}" + (
            f" DOES NOT COUNT{end}" if end else _what(said, now)
        )
    for what in found.standing.lacks:
        yield f"lacks      {what}"


def _what(said: Said, now: datetime) -> str:
    if isinstance(said.consent, SignedWaiver):
        waiver = said.consent.waiver
        label = f", class {waiver.label}" if waiver.label is not None else ""
        until = "until" if in_force(said.consent, now) else "EXPIRED on"
        return (
            f": {waiver.rule} ({waiver.slice}{label}), {waiver.worst:g} at worst, "
            f"{until} {said.consent.expires}: {said.consent.because}"
        )
    return f": {said.consent.because}" if isinstance(said.consent, Approval) else ""


def _baseline(found: Verified) -> str:
    first, *rest = found.checked
    served = f"{first.name} sha256 {first.sha256[:16]}…" + f" and its {len(rest)} files" * bool(
        rest
    )
    return f"VERIFIED BASELINE  {served}: the model from before the promotion, bit for bit"


def _last(found: Verified, now: datetime) -> str:
    said = found.summary
    first, *rest = said.candidate
    candidate = f"{first[0]} sha256 {first[1][:16]}…" + f" and its {len(rest)} files" * bool(rest)
    expired = now > said.expires_at
    until = f"EXPIRED on {said.expires}" if expired else f"until {said.expires}"
    meanings = {
        "PASSED": f"may be promoted {until}" if not expired else f"{until}: run the gate again",
        "FAILED": "the evidence is genuine, and it says no",
        "UNDECIDED": "the evidence is genuine, and it does not suffice to say yes",
    }
    meanings["PASSED WITH WAIVER"] = meanings["PASSED"]
    meaning = meanings[found.result]
    if found.result.startswith("PASSED") and found.standing and found.standing.lacks:
        meaning = "genuine, but may not be promoted yet: it lacks what is named above"
    return f"VERIFIED {found.result}  {candidate}, attempt {said.attempt}: {meaning}"


def _named(subject: Subject) -> str:
    return f"{subject.role} {subject.name}"


def _values(found: Verified, now: datetime, length: int | None) -> dict[str, Any]:
    said = found.summary
    return {
        "verified": True,
        "result": found.result,
        "verdict": said.result,
        "job": said.job,
        "attempt": said.attempt,
        "candidate": [{"name": name, "sha256": sha256} for name, sha256 in said.candidate],
        "policy": {"name": said.policy, "sha256": said.policy_sha256},
        "issued": said.issued,
        "expires": said.expires,
        "expired": now > said.expires_at,
        "signer": {
            "owner": found.signer.owner,
            "key": found.signer.key_id,
            "trusted_through": found.signer.source,
        },
        "log": {
            "origin": found.checkpoint.origin,
            "entry": found.index + 1,
            "size": found.checkpoint.size,
            "entries_checked": length,
        },
        "planned": None if found.planned is None else found.planned.time,
        "timestamp": None if found.timestamp is None else written(found.timestamp),
        "said": [
            {
                "file": s.file,
                "by": s.by.owner,
                "key": s.by.key_id,
                "counts": s.idle is None,
                "why_not": s.idle,
                "statement": s.consent.model_dump(mode="json"),
            }
            for s in (found.standing.said if found.standing else ())
        ],
        "lacks": list(found.standing.lacks) if found.standing else [],
        "hashed": [subject.model_dump() for subject in found.checked],
        "not_here": [subject.model_dump() for subject in found.absent],
    }
