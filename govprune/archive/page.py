"""One page about one bundle: what an auditor asks first, in the order of asking."""

from collections.abc import Iterator
from pathlib import Path

from ..evidence.consents import LATER_FILE
from ..evidence.verify import Verified
from ..evidence.vsa import PRODUCER_FILE, written
from ..subjects import Subject
from .listing import Listed

MOST = 6
"""Files of one role that are named; the others are counted."""
_ROLES = (
    "candidate", "candidate-answers", "baseline", "baseline-answers", "evaluation", "predictions",
    "fine-tuning", "step-command", "code", "policy",
)  # fmt: skip


def page(found: Verified, line: Listed) -> Iterator[tuple[str, str]]:
    """Yield a word and what is to be said of it, a line each; empty words continue the last.

    Args:
        found: The bundle, verified.
        line: The same, summed up.
    """
    evidence = found.evidence
    yield "what", " ".join(evidence.title.split())
    yield "verdict", f"{line.result}, of {line.date}"
    yield "", f"{'EXPIRED on' if line.expired else 'holds until'} {line.expires}"
    yield from _subjects(evidence.subjects)
    yield from _how(found)
    yield from _signatures(found)
    for assumption in evidence.assumptions:
        yield "assumed", assumption
    for unsafe in evidence.unsafe:
        yield "UNSAFE", unsafe
    for silent in evidence.unmeasured:
        yield "unmeasured", f"{silent.check}: {silent.reason}"
    for rule in evidence.plan.not_asked:
        yield "not asked", f"{rule.rule}: {rule.reason}"
    for dropped in evidence.policy.dropped:
        yield "left out", f"{dropped.rule}: {dropped.because}"


def _subjects(subjects: tuple[Subject, ...]) -> Iterator[tuple[str, str]]:
    roles = sorted(
        {s.role for s in subjects},
        key=lambda role: (_ROLES.index(role) if role in _ROLES else len(_ROLES), role),
    )
    for role in roles:
        members = [s for s in subjects if s.role == role]
        for i, subject in enumerate(members[:MOST]):
            size = f", {subject.size:,} bytes" if subject.kind == "file" else f" ({subject.kind})"
            said = f"{subject.name}{size}, sha256 {subject.sha256}"
            yield "" if i else role, said
        if len(members) > MOST:
            yield "", f"and {len(members) - MOST} more"


def _how(found: Verified) -> Iterator[tuple[str, str]]:
    evidence = found.evidence
    steps = [link.step for link in evidence.chain] or [evidence.step]
    yield "made by", ", then ".join(step.name for step in steps)
    plan = evidence.plan
    charged = "" if evidence.policy.attempts == "charged" else ", not charged"
    yield "rules", f"{evidence.policy.name} {evidence.policy.version}, sha256 {plan.policy_sha256}"
    yield (
        "attempt",
        (f"{plan.attempt} on this baseline and data{charged}: tested at level {plan.alpha:.3g}"),
    )
    if found.planned is not None:
        yield "planned", f"signed {found.planned.time}, and in the log before the verdict"
    environment = evidence.environment
    yield (
        "measured",
        (
            f"{evidence.started} to {evidence.finished}, by govprune {environment.govprune}, "
            f"Python {environment.python}, seed {environment.seed}"
        ),
    )


def _signatures(found: Verified) -> Iterator[tuple[str, str]]:
    by = found.signer
    yield "signed by", f"{by.owner}, key {by.key_id}, trusted through {by.source}"
    at = found.checkpoint
    yield "log", f"entry {found.index + 1} of {at.size} in {at.origin}"
    if found.timestamp is not None:
        yield "seen", f"by a timestamp authority on {written(found.timestamp)}"
    if found.standing is None:
        for name in sorted(n for n in found.files if LATER_FILE.fullmatch(n) or n == PRODUCER_FILE):
            yield "not judged", f"{name}: whether it counts, a trust policy says (--trust)"
        return
    for said in found.standing.said:
        counts = "" if said.idle is None else f": DOES NOT COUNT: {said.idle}"
        yield said.file.split("-")[0].split(".")[0], f"{said.by.owner}{counts}"
    for finding, waiver in found.standing.waived:
        label = "" if waiver.label is None else f", class {waiver.label}"
        where = f"{finding.question.slice}{label}"
        yield "waived", f"{waiver.rule} ({where}), {waiver.worst:g} at worst"
    for what in found.standing.lacks:
        yield "lacks", what


def links(bundle: Path) -> tuple[str, ...]:
    """Return the commands that say more."""
    return (
        f"govprune explain {bundle}",
        f"govprune verify {bundle} --files JOB_FOLDER",
        f"govprune archive export {bundle} -o evidence.zip",
    )
