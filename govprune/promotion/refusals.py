"""What keeps a genuine bundle from being promoted: verdict, clock, log, and who is missing."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ..errors import PromotionRefused
from ..evidence.entry import Entry, PlanEntry, identity, tried
from ..evidence.keys import TrustedKeys
from ..evidence.log import Log, LogState
from ..evidence.verify import Verified
from ..evidence.vsa import PLAN_FILE
from ..policy import Finding, Outcome, Verdict

_WORST = 3


def refuse_unpassed(verdict: Verdict, result: Outcome, source: str) -> None:
    """Refuse what is neither passed nor passed with waivers; names the worst findings."""
    if result in ("PASSED", "PASSED WITH WAIVER"):
        return
    blocking = [f for f in verdict.findings if f.blocks]
    worst = sorted(blocking, key=lambda f: f.status != "fail")[:_WORST]
    more = f" (and {len(blocking) - len(worst)} more)" if len(blocking) > len(worst) else ""
    said = "; ".join(_sentence(f) for f in worst) or "no finding blocks or clears it"
    raise PromotionRefused(
        f"{source}: the verdict is {verdict.result}: {said}{more}",
        undecided=verdict.result == "UNDECIDED",
    )


def _refuse_late_plan(found: Verified, state: LogState, log: Path) -> None:
    """Refuse a plan that was signed once other bounds had been tried, or written down, on the data.

    A plan is older than results only if nobody saw results of this data under another policy
    before, and nobody kept a choice of plans.
    """
    if found.planned is None:
        return
    plan = found.planned
    sha256 = hashlib.sha256(found.files[PLAN_FILE]).hexdigest()
    places = [
        i for i, e in enumerate(state.entries)
        if isinstance(e, PlanEntry) and e.plan_sha256 == sha256
    ]  # fmt: skip
    if not places:
        raise PromotionRefused(f"{log}: does not hold the plan of this bundle", undecided=True)
    for i, entry in enumerate(state.entries):
        same = (entry.baseline, entry.evaluation) == (plan.baseline, plan.evaluation)
        if not same or entry.policy == plan.policy_sha256:
            continue
        if isinstance(entry, PlanEntry) or i < places[0]:
            what = "another plan was signed" if isinstance(entry, PlanEntry) else "it was judged"
            raise PromotionRefused(
                f"{log}: {what} on {entry.time} for the same baseline and data under policy "
                f"{entry.policy[:12]}, not {plan.policy_sha256[:12]}: the bounds of this plan are "
                "not older than every result. Plan on data that nobody has judged on",
                undecided=True,
            )


def _sentence(finding: Finding) -> str:
    asked = finding.question
    label = f", class {asked.label}" if asked.label is not None else ""
    status = finding.status.replace("_", " ")
    return f"{asked.rule} ({asked.slice}{label}): {status}, {finding.reason}"


def refuse_lacking(found: Verified, source: str) -> None:
    """Refuse what has not all that the trust policy demands."""
    standing = found.standing
    if standing is None:
        return
    if standing.lacks:
        idle = [f"{s.by.owner}: {s.idle}" for s in standing.said if s.idle is not None]
        more = f" (does not count: {'; '.join(idle)})" if idle else ""
        raise PromotionRefused(f"{source}: lacks {'; '.join(standing.lacks)}{more}", undecided=True)


def refuse_expired(found: Verified, now: datetime, source: str) -> None:
    """Refuse a verdict that is too old to promote with."""
    if now > found.summary.expires_at:
        raise PromotionRefused(
            f"{source}: the verdict expired on {found.summary.expires}; run the gate again"
        )


def refuse_judged_worse_since(
    found: Verified, log: Path, trusted: Sequence[TrustedKeys], *, in_use: str | None
) -> None:
    """Find a newer verdict against the same candidate; the log must hold this one as well.

    Args:
        found: What shall be promoted.
        log: The gate's.
        trusted: Whose log it must be.
        in_use: The model that is served now, which was let in knowing its verdict.
    """
    notes = [found.note, *([found.plan_note] if found.plan_note else [])]
    state = Log(log).check(trusted, remembered=notes)
    _refuse_late_plan(found, state, log)
    candidate = tried(found.evidence.subjects, "candidate")
    artefact = identity(found.evidence.subjects, "candidate")
    policy = found.summary.policy_sha256
    verdicts = [(i, e) for i, e in enumerate(state.entries) if isinstance(e, Entry)]
    if any(e.artefact == artefact and e.candidate != candidate for _, e in verdicts):
        raise PromotionRefused(
            f"{log}: other answers were gated as those of the same file; nothing here shows which "
            "are its own. Gate the model itself, or name another file"
        )
    for index, entry in verdicts:
        if index <= found.index or entry.candidate != candidate or entry.result == "PASSED":
            continue
        # Another policy may ask for what this data cannot answer; harm is harm under any.
        if entry.result == "FAILED" or entry.policy == policy:
            same = "the same policy" if entry.policy == policy else f"policy {entry.policy[:12]}"
            raise PromotionRefused(
                f"{log}: the same candidate was judged again on {entry.time} under {same} and "
                f"{entry.result}; a pass from before does not count. Gate it again, or another",
                undecided=entry.result == "UNDECIDED",
            )
    # A step on top of a refused model is measured against that model: its harm would not show.
    baseline = tried(found.evidence.subjects, "baseline")
    before = [entry for _, entry in verdicts if entry.candidate == baseline]
    if before and before[-1].result != "PASSED" and baseline != in_use:
        raise PromotionRefused(
            f"{log}: the baseline of this candidate was itself judged on {before[-1].time} and "
            f"{before[-1].result}; gate the candidate against the model that is in use",
            undecided=before[-1].result == "UNDECIDED",
        )
