"""What a plan can decide, before anything is measured: pure functions of the plan.

A gate that cannot pass a harmless candidate on the rows it has, or would not notice a harmful one,
is better known before the work than after it. Everything here is the chance of an outcome under a
stated truth, never a statement about a candidate.

Questions on the same rows (Tango) and shares of rows (Clopper-Pearson) can be foreseen. How means,
areas and disparities spread is not known before they are measured: nothing is foreseen for them.
"""

from math import ceil, prod

from pydantic import Field, FiniteFloat, NonNegativeInt

from ..catalogue import metric
from ..records import Record
from ..stats.outlook import (
    WANTED,
    accused_from,
    chance_to_pass,
    fewest_hits,
    largest,
    most_hits,
    smallest,
)
from ..stats.paired import rows_for_power
from .plan import Plan, Question

MOST_CHURN = 0.5


class Prospect(Record):
    """What one question can decide on the rows it has."""

    question: Question
    passes: FiniteFloat = Field(ge=0, le=1)
    """Chance that a harmless candidate with the stated churn is cleared; else "cannot tell"."""

    most_churn: FiniteFloat | None = None
    """Largest share of changed answers at which a harmless candidate is still cleared with 80 %;
    None where one without a single change might not be."""

    accused_from: FiniteFloat | None = None
    """Smallest true loss (of a share: the smallest share) that would be accused with 80 %, the
    stated churn on top; None where no loss would be."""

    rows_for_power: NonNegativeInt | None = None
    """Rows at which a harmless candidate is cleared with 80 %; None for shares."""

    @property
    def keeps_shut(self) -> bool:
        """Whether "cannot tell" here keeps the verdict from being PASSED."""
        q = self.question
        return q.severity == "block" and q.on_inconclusive == "block"


class Foresight(Record):
    """What the whole plan can decide."""

    churn: FiniteFloat
    """Share of changed answers that a harmless candidate is granted, half of them for the worse."""

    alpha: FiniteFloat
    prospects: tuple[Prospect, ...]
    unforeseen: tuple[Question, ...]
    """Questions whose answer has no known spread before it is measured, or none at all."""

    @property
    def at_least(self) -> float:
        """Chance that a harmless candidate is PASSED, were all questions independent.

        A lower bound as far as questions rise and fall together, as those on overlapping rows do;
        and only of what can be foreseen.
        """
        return prod(p.passes for p in self.prospects if p.keeps_shut)

    @property
    def at_most(self) -> float:
        """Upper bound of the same chance: that of the hardest question alone."""
        return min((p.passes for p in self.prospects if p.keeps_shut), default=1.0)


def foresee(plan: Plan, *, churn: float = 0.01) -> Foresight:
    """Say what each question of the plan can decide.

    Args:
        churn: Share of answers that a harmless candidate changes, half of them for the worse, in
            every slice alike; in (0, 0.5].
    """
    families = _families(plan)
    prospects, unforeseen = [], []
    for question in plan.questions:
        level = plan.accuse_alpha / families[question.rule, question.tier == "too-small"]
        known = metric(question.check, question.metric)
        kinds = known.kinds if known else ()
        if question.n is None or not _margins(question):
            unforeseen.append(question)
        elif kinds == ("paired",):
            prospects.append(_paired(question, plan.alpha, level, churn))
        elif question.check == "flips":
            prospects.append(_share(question, plan.alpha, level, churn))
        else:
            unforeseen.append(question)
    return Foresight(
        churn=churn, alpha=plan.alpha, prospects=tuple(prospects), unforeseen=tuple(unforeseen)
    )


def _families(plan: Plan) -> dict[tuple[str, bool], int]:
    """Divide the accusing level as Holm does for the first to be accused in each family."""
    sizes: dict[tuple[str, bool], int] = {}
    for q in plan.questions:
        key = (q.rule, q.tier == "too-small")
        sizes[key] = sizes.get(key, 0) + 1
    both = {rule: sum(1 for r, _ in sizes if r == rule) for rule, _ in sizes}
    return {key: size * both[key[0]] for key, size in sizes.items()}


def _margins(q: Question) -> list[float]:
    """Tolerated losses, on either side."""
    return _between(q.at_least, q.at_most)


def _accused(q: Question) -> list[float]:
    """Losses beyond which harm is accused."""
    return _between(
        q.at_least if q.accused_below is None else q.accused_below,
        q.at_most if q.accused_above is None else q.accused_above,
    )


def _between(at_least: float | None, at_most: float | None) -> list[float]:
    found = [] if at_least is None else [-at_least]
    found += [] if at_most is None else [at_most]
    return [m for m in found if 0.0 < m < 1.0]


def _independent(q: Question) -> int:
    return int((q.n or 0) / q.design_effect)


# --- the same rows, both models


def _paired(q: Question, alpha: float, level: float, churn: float) -> Prospect:
    n, margins, accused = _independent(q), _margins(q), _accused(q)

    def passes(changed: float) -> float:
        # Two bounds must both be cleared.
        return max(0.0, 1.0 - sum(1.0 - chance_to_pass(n, m, alpha, changed) for m in margins))

    # Two bounds are two ways to be accused.
    found = [accused_from(n, m, level / len(accused), churn) for m in accused]
    needed = max(rows_for_power(m, alpha, churn) for m in margins)
    return Prospect(
        question=q,
        passes=passes(churn),
        most_churn=largest(lambda c: passes(c) >= WANTED, min(1e-4, 0.1 / max(n, 1)), MOST_CHURN),
        accused_from=min((loss for loss in found if loss is not None), default=None),
        rows_for_power=ceil(needed * q.design_effect),
    )


# --- shares of rows


def _share(q: Question, alpha: float, level: float, churn: float) -> Prospect:
    if q.at_most is None or not 0.0 < q.at_most < 1.0:
        raise ValueError(q.rule)
    n, bound = _independent(q), q.at_most
    cleared = most_hits(n, bound, alpha)
    accusing = bound if q.accused_above is None else q.accused_above
    hits = fewest_hits(n, accusing, level)

    def passes(rate: float) -> float:
        from scipy.special import bdtr

        return float(bdtr(cleared, n, rate)) if cleared >= 0 else 0.0

    def accused(rate: float) -> bool:
        from scipy.special import bdtrc

        return hits <= n and float(bdtrc(hits - 1, n, rate)) >= WANTED

    half = largest(lambda rate: passes(rate) >= WANTED, 1e-7, MOST_CHURN / 2)
    return Prospect(
        question=q,
        passes=passes(churn / 2.0),
        most_churn=None if half is None else 2.0 * half,
        accused_from=smallest(accused, bound, 1.0) if n else None,
    )
