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


def pessimistic_end(finding: Finding) -> float | None:
    """Return the worse end of what was measured: how bad it may be. None where nothing bounds it.

    For a rule with two bounds, the end that is further outside.
    """
    asked, low, high = finding.question, finding.low, finding.high
    if finding.status == "not_measured":
        return None
    below = None if asked.at_least is None or low is None else asked.at_least - low
    above = None if asked.at_most is None or high is None else high - asked.at_most
    wanted = (asked.at_least is not None) + (asked.at_most is not None)
    if (below is not None) + (above is not None) != wanted:
        return None
    if above is None or (below is not None and below >= above):
        return low
    return high


def refusal_of(waiver: Waiver, finding: Finding) -> str | None:
    """Say why a waiver does not accept a finding; None where it does."""
    end = pessimistic_end(finding)
    if finding.status == "not_measured":
        return "nothing was measured; only a policy can drop the rule, with a reason"
    if end is None:
        return "nothing bounds how bad it may be"
    asked = finding.question
    downward = asked.at_least is not None and (asked.at_most is None or end == finding.low)
    accepted = end >= waiver.worst if downward else end <= waiver.worst
    if not accepted:
        return f"it may be as bad as {end:.6g}, and the waiver accepts {waiver.worst:.6g} at worst"
    return None


def _rests_on(finding: Finding, verdict: Verdict) -> str | None:
    """Name a rule without which the finding's number means nothing, and which did not pass."""
    needed = finding.question.needs
    broken = (f for f in verdict.findings if f.question.rule in needed and f.status != "pass")
    return next((f.question.rule for f in broken), None)


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
