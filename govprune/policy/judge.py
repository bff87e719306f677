"""What it means: each question of the plan judged against the measurements. Pure.

Non-inferiority on paired counts. A slice passes when its confidence limit clears the bound:
all slices must pass, so each at level alpha bounds the risk of promoting a harmed model by
alpha (intersection-union, Berger 1982). A slice is accused when harm beyond the bound is
demonstrated, Holm-adjusted within its rule. Everything else is "cannot tell".
"""

from collections.abc import Iterable
from math import ceil, isfinite
from typing import Literal

from pydantic import FiniteFloat, NonNegativeInt

from .. import stats
from ..errors import EvidenceError
from ..measurements import Exact, Measurement, Paired, Undefined, Unmeasured
from ..records import Record
from ..stats.paired import rows_to_decide
from .plan import Plan, Question

NOBODY_COLLECTS = 1_000_000
"""Rows beyond which advice to collect more is no advice."""

Status = Literal["pass", "fail", "inconclusive", "not_measured"]


class Finding(Record):
    """One question's outcome, with the numbers that decided it."""

    question: Question
    status: Status
    reason: str
    """A sentence: why this status."""

    value: FiniteFloat | None = None
    low: FiniteFloat | None = None
    """Lower confidence limit at the plan's level; None where nothing bounds it."""
    high: FiniteFloat | None = None
    n: NonNegativeInt = 0
    """Rows, trials or pairs the numbers rest on."""
    p_adjusted: FiniteFloat | None = None
    """Holm-adjusted p of "harm beyond the bound is real"; None where it is no test."""
    rows_to_decide: NonNegativeInt | None = None
    """Rows that would settle an inconclusive finding if what was seen is the truth."""

    @property
    def blocks(self) -> bool:
        """Whether this finding keeps the verdict from being PASSED."""
        if self.question.severity != "block":
            return False
        if self.status == "inconclusive":
            return self.question.on_inconclusive == "block"
        return self.status != "pass"

    def decimals(self, number: float, *, scale: float = 1.0, fewest: int = 1) -> int:
        """Return how many decimals `number` times `scale` takes to stay on its side of the bounds.

        At a bound of -2.0, -2.04 rounded to -2.0 would read as if it met the bound. Where four
        more than `fewest` do not tell them apart, nothing does, and it is `fewest`.
        """
        low, high = self.question.at_least, self.question.at_most

        def side(value: float, unit: float) -> tuple[bool, bool]:
            return (
                low is None or value >= round(low * unit, 9),
                high is None or value <= round(high * unit, 9),
            )

        for digits in range(fewest, fewest + 5):
            if side(round(number * scale, digits), scale) == side(number, 1.0):
                return digits
        return fewest


def judge(
    plan: Plan, measurements: Iterable[Measurement], unmeasured: Iterable[Unmeasured] = ()
) -> tuple[Finding, ...]:
    """Judge every question of the plan, in its order.

    Raises:
        EvidenceError: Two measurements answer the same question.
    """
    answers: dict[tuple[str, str, str, str | None], Measurement] = {}
    for m in measurements:
        if m.key in answers:
            raise EvidenceError(f"{m.check} measured {m.metric} of {m.slice} twice")
        answers[m.key] = m
    silent = {u.check: u.reason for u in unmeasured}
    adjusted = _holm(plan, answers)
    findings = [
        _finding(question, answers.get(question.key), plan, adjusted.get(i), silent)
        for i, question in enumerate(plan.questions)
    ]
    return _needs(findings)


def _holm(plan: Plan, answers: dict[tuple[str, str, str, str | None], Measurement]
          ) -> dict[int, float]:  # fmt: skip
    """Holm's step-down adjustment (1979) of each rule's accusations, by question number.

    Slices too small to be cleared are a family of their own: only an accusation makes them block,
    so slices that block anyway must not dilute it. Two families share the level equally.
    """
    rules: dict[str, dict[bool, list[tuple[float, int]]]] = {}
    for i, question in enumerate(plan.questions):
        m = answers.get(question.key)
        if m is None or isinstance(m.basis, Exact | Undefined):
            continue
        family = rules.setdefault(question.rule, {}).setdefault(question.tier == "too-small", [])
        family.append((_p_harm(question, m), i))
    adjusted: dict[int, float] = {}
    for families in rules.values():
        for members in families.values():
            running = 0.0
            for rank, (p, i) in enumerate(sorted(members)):
                running = max(running, min(1.0, p * (len(members) - rank) * len(families)))
                adjusted[i] = running
    return adjusted


def _p_harm(question: Question, m: Measurement) -> float:
    below = question.at_least if question.accused_below is None else question.accused_below
    above = question.at_most if question.accused_above is None else question.accused_above
    ps = []
    if below is not None:
        ps.append(stats.p_below(m.basis, below, question.design_effect))
    if above is not None:
        ps.append(stats.p_above(m.basis, above, question.design_effect))
    # Two bounds are two ways to be accused.
    return min(1.0, min(ps) * len(ps))


def _finding(
    question: Question,
    m: Measurement | None,
    plan: Plan,
    p: float | None,
    silent: dict[str, str],
) -> Finding:
    if m is None:
        reason = silent.get(question.check, "no measurement arrived for this question")
        return Finding(question=question, status="not_measured", reason=reason)
    value, n = stats.estimate(m.basis), stats.n_of(m.basis)
    effect = question.design_effect
    low, high = (end(m.basis, plan.alpha, effect) for end in (stats.lower, stats.upper))
    status, reason = _compare(question, m, low, high, p, plan)
    needed = None
    if status == "inconclusive" and isinstance(m.basis, Paired):
        bound = question.at_least if question.at_least is not None else question.at_most
        counts = (m.basis.baseline_only / effect, m.basis.candidate_only / effect)
        needed = rows_to_decide(*counts, m.basis.n / effect, bound or 0.0, plan.alpha)
        needed = ceil(needed * effect) if needed else None
        needed = max(needed, question.floor or 0) if needed else None
        needed = None if needed and needed > NOBODY_COLLECTS else needed
    return Finding(
        question=question,
        status=status,
        reason=reason,
        value=value if isfinite(value) else None,
        low=low if isfinite(low) else None,
        high=high if isfinite(high) else None,
        n=n,
        p_adjusted=p,
        rows_to_decide=needed,
    )


def _compare(
    question: Question, m: Measurement, low: float, high: float, p: float | None, plan: Plan
) -> tuple[Status, str]:
    if isinstance(m.basis, Undefined):
        return "inconclusive", m.basis.reason
    # Written so that an unknown (NaN, -inf) meets no bound.
    clears = (question.at_least is None or low >= question.at_least) and (
        question.at_most is None or high <= question.at_most
    )
    if isinstance(m.basis, Exact):
        if clears:
            return "pass", "within the bound"
        return "fail", "the bound is broken; this number has no sampling uncertainty"
    if p is not None and p <= plan.accuse_alpha:
        small = f"= {p:.2g}" if p >= 1e-9 else "< 1e-9"
        bound = "the rule's own bound" if question.tier == "too-small" else "the bound"
        return "fail", f"harm beyond {bound} is demonstrated (Holm-adjusted p {small})"
    if clears:
        return "pass", "within the bound at the stated confidence"
    if question.n is not None and question.floor is not None and question.n < question.floor:
        return "inconclusive", (
            f"{question.n} rows cannot rule the harm out at this margin; "
            f"{question.floor} is the fewest that could"
        )
    return "inconclusive", "the data rule the harm neither in nor out"


def _needs(findings: list[Finding]) -> tuple[Finding, ...]:
    """A finding that rests on a rule that did not pass decides nothing, either way."""
    passed: dict[str, bool] = {}
    for f in findings:
        passed[f.question.rule] = passed.get(f.question.rule, True) and f.status == "pass"
    result = []
    for f in findings:
        broken = [rule for rule in f.question.needs if not passed.get(rule, False)]
        if broken and f.status in ("pass", "fail"):
            reason = f"rests on '{broken[0]}', which did not pass"
            f = f.model_copy(update={"status": "inconclusive", "reason": reason})  # noqa: PLW2901
        result.append(f)
    return tuple(result)
