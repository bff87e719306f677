"""Waivers: what a person accepts of a verdict, for one finding, up to one value. Pure.

A waiver never changes a finding. It may stand beside one that keeps the gate shut, if even the
pessimistic end of what was measured is no worse than the value it names. Nothing measured,
nothing waived: a question without an answer has no worst value that anybody could accept.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, StrictStr

from ..records import Record
from .judge import Finding
from .verdict import Result, Verdict

Outcome = Literal["PASSED", "FAILED", "UNDECIDED", "PASSED WITH WAIVER"]


class Waiver(Record):
    """Which finding is accepted, and up to where."""

    rule: Annotated[StrictStr, Field(min_length=1, max_length=100)]
    slice: Annotated[StrictStr, Field(min_length=1, max_length=400)]
    """`all` for the whole data."""
    label: Annotated[StrictStr, Field(max_length=400)] | None = None
    """The class, where the rule asks per class."""
    worst: FiniteFloat
    """The worst value that is accepted, in the unit of the rule's bound: -0.03 is three points."""

    def is_about(self, finding: Finding) -> bool:
        """Whether this is the finding meant."""
        asked = finding.question
        return (self.rule, self.slice, self.label) == (asked.rule, asked.slice, asked.label)


@dataclass(frozen=True)
class Judged:
    """A verdict with the waivers that count."""

    result: Outcome
    waived: tuple[tuple[Finding, Waiver], ...]
    """Findings that would keep the gate shut, each with the waiver that accepts it."""
    idle: tuple[tuple[Waiver, str], ...]
    """Waivers that change nothing, and why."""


@dataclass(frozen=True)
class Exposed:
    """The end of what was measured that lies outside its bound: how bad it may be."""

    end: float
    downward: bool
    """Whether less is worse on this side."""


def exposed(finding: Finding) -> tuple[Exposed, ...] | None:
    """Return the ends that lie outside their bound; None where nothing bounds how bad it may be."""
    asked, low, high = finding.question, finding.low, finding.high
    if finding.status == "not_measured":
        return None
    found = []
    # Written so that an unknown lies outside every bound.
    if asked.at_least is not None and not (low is not None and low >= asked.at_least):
        found.append((low, True))
    if asked.at_most is not None and not (high is not None and high <= asked.at_most):
        found.append((high, False))
    if any(end is None for end, _ in found):
        return None
    return tuple(Exposed(end, downward) for end, downward in found if end is not None)


def refusal_of(waiver: Waiver, finding: Finding) -> str | None:
    """Say why a waiver does not accept a finding; None where it does."""
    if finding.status == "not_measured":
        return "nothing was measured; only a policy can drop the rule, with a reason"
    ends = exposed(finding)
    if ends is None:
        return "nothing bounds how bad it may be"
    if len(ends) != 1:
        return (
            "it may lie outside on both sides, and a waiver accepts one"
            if ends
            else "it lies within its bounds; another reason keeps the gate shut"
        )
    (end,) = ends
    accepted = end.end >= waiver.worst if end.downward else end.end <= waiver.worst
    if not accepted:
        return (
            f"it may be as bad as {end.end:.6g}, and the waiver accepts {waiver.worst:.6g} at worst"
        )
    return None


def waive(verdict: Verdict, waivers: Iterable[Waiver]) -> Judged:
    """Say what a verdict comes to with these waivers.

    All that keeps the gate shut must be accepted; otherwise the verdict stays what it is.
    """
    waived: list[tuple[Finding, Waiver]] = []
    idle: list[tuple[Waiver, str]] = []
    for waiver in waivers:
        finding = next((f for f in verdict.findings if waiver.is_about(f)), None)
        if finding is None:
            reason: str | None = "the verdict has no such finding"
        elif not finding.blocks:
            reason = "the finding keeps nothing shut"
        elif broken := _rests_on(finding, verdict):
            reason = f"it rests on '{broken}', which did not pass"
        else:
            reason = refusal_of(waiver, finding)
        if reason is not None or finding is None:
            idle.append((waiver, reason or ""))
        elif all(finding is not known for known, _ in waived):
            waived.append((finding, waiver))
    accepted = [finding for finding, _ in waived]
    shut = [f for f in verdict.findings if f.blocks and all(f is not a for a in accepted)]
    # A verdict without one blocking answer decides nothing, with or without waivers.
    decides = any(f.question.severity == "block" for f in verdict.findings)
    result: Outcome | Result = verdict.result
    if waived and not shut and decides and verdict.result != "PASSED":
        result = "PASSED WITH WAIVER"
    return Judged(result=result, waived=tuple(waived), idle=tuple(idle))


def _rests_on(finding: Finding, verdict: Verdict) -> str | None:
    """Name a rule without which the finding's number means nothing, and which did not pass."""
    needed = finding.question.needs
    broken = (f for f in verdict.findings if f.question.rule in needed and f.status != "pass")
    return next((f.question.rule for f in broken), None)
