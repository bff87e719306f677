"""`govprune waive`: one person answers for one finding, up to one value, until one day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import output, trusting
from .approve import named, refuse_signer, say_lacking

if TYPE_CHECKING:
    from ..evidence.consents import SignedWaiver
    from ..evidence.verify import Verified
    from ..policy import Finding

LONGEST_DAYS = 365


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--rule", required=True, help="Which rule; `govprune explain BUNDLE` lists them.")
@click.option("--slice", "slice_name", default="all", show_default=True, help="Which slice of it.")
@click.option("--label", help="Which class, where the rule asks per class.")
@click.option("--worst", type=float, required=True,
              help="The worst value you accept, in the unit of the policy: -0.03 is 3 points. Even "
                   "the pessimistic end of what was measured must be no worse.")  # fmt: skip
@click.option("--until", required=True, help="Day on which it ends, e.g. 2027-03-31.")
@click.option("--later", is_flag=True,
              help="Let it also hold for later evidence of the same candidate and policy, as long "
                   "as that is no worse.")  # fmt: skip
@click.option("--by", "by", required=True, type=click.Path(path_type=Path),
              help="Your signing key (NAME.key).")  # fmt: skip
@click.option("--because", required=True, help="Why, in a sentence: it is signed and archived.")
@trusting.options
def command(
    bundle: Path,
    rule: str,
    slice_name: str,
    label: str | None,
    worst: float,
    until: str,
    later: bool,
    by: Path,
    because: str,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
) -> int:
    """Verify BUNDLE, then sign that you accept one finding of it.

    The verdict then reads PASSED WITH WAIVER, if nothing else keeps it shut. What was not measured
    cannot be waived, and nobody waives for a candidate of their own.
    """
    from ..evidence import dsse
    from ..evidence.bundle_folder import add_file
    from ..evidence.consents import SignedWaiver, file_of, make_consent, to_consent
    from ..evidence.key_files import load_signing_keys
    from ..evidence.standing import what_is_waived
    from ..evidence.verify import verify_bundle
    from ..evidence.vsa import written

    now = datetime.now(UTC)
    expires = _until(until, now)
    keys = load_signing_keys(by)
    gates, under = trusting.whom(key, trust, root_key, now)
    found = verify_bundle(bundle, trusted=gates, root=None, now=now, under=under)
    refuse_signer(found, keys, under, "waiver-owner")
    candidate, baseline, data, policy = what_is_waived(found.evidence)
    waiver = make_consent(
        SignedWaiver,
        **named(found),
        candidate=candidate,
        baseline=baseline,
        evaluation=data,
        policy_sha256=policy,
        waiver={"rule": rule, "slice": slice_name, "label": label, "worst": worst},
        later=later,
        because=because,
        time=written(now),
        expires=written(expires),
    )
    finding = _finding(found, waiver)
    envelope = dsse.sign(to_consent(waiver), keys)
    place = add_file(bundle, file_of(envelope, "waiver"), envelope)
    click.echo(f"{place}")
    click.echo(
        f"WAIVED by {keys.owner} until {written(expires)}: {rule}, "
        f"{output.where(finding.question)}: {worst:g} at worst; measured {_range(finding)}"
    )
    say_lacking(bundle, under, now)
    return 0


def _until(text: str, now: datetime) -> datetime:
    """Read the day on which a waiver ends; it ends at its first moment."""
    from ..errors import EvidenceError, InputError
    from ..evidence.vsa import moment

    try:
        at = moment(f"{text}T00:00:00Z", field="--until")
    except EvidenceError as error:
        raise InputError(f"--until {text}: give a day, like 2027-03-31") from error
    if not now < at <= now + timedelta(days=LONGEST_DAYS):
        raise InputError(
            f"--until {text}: a waiver ends within {LONGEST_DAYS} days from now; then somebody "
            "looks again"
        )
    return at


def _range(finding: "Finding") -> str:
    value, low, high = (
        "?" if x is None else f"{x:.4g}" for x in (finding.value, finding.low, finding.high)
    )
    return f"{value} [{low}, {high}]"


def _shut(finding: "Finding") -> str:
    """Name a finding as the options of this command do, with the least that --worst must accept."""
    from ..policy import exposed

    asked, ends = finding.question, exposed(finding)
    label = "" if asked.label is None else f" --label {asked.label}"
    worst = " (cannot be waived)"
    if ends is not None and len(ends) == 1:
        worst = f" (as bad as {ends[0].end:.6g})"
    return f"--rule {asked.rule} --slice {asked.slice}{label}{worst}"


def _finding(found: "Verified", signed: "SignedWaiver") -> "Finding":
    """Return the finding that a waiver is about; refuse one that would change nothing."""
    from ..errors import InputError
    from ..policy import waive

    judged = waive(found.evidence.verdict, [signed.waiver])
    for finding, waiver in judged.waived:
        unit = output.unit_of(finding.question)
        if unit in ("points", "share") and abs(waiver.worst) > 1:
            raise InputError(
                f"--worst {waiver.worst:g}: is {abs(waiver.worst) * 100:g} points; the unit is the "
                f"policy's, in which -0.03 is 3 points. Measured: {_range(finding)}; nothing was "
                "signed"
            )
    for _, reason in judged.idle:
        shut = [f for f in found.evidence.verdict.findings if f.blocks]
        names = "; ".join(_shut(f) for f in shut[:8])
        raise InputError(
            f"{signed.waiver.rule} of {signed.waiver.slice}: {reason}; nothing was signed. What "
            f"keeps the gate shut: {names or 'nothing'}"
        )
    return judged.waived[0][0]
