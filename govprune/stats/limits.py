"""Value, confidence limits and p-values of any measurement basis.

`lower` and `upper` are one-sided limits, each at level `alpha` (0.05 is the 90 % two-sided
interval). A basis that says nothing gives the widest limits it can, so silence never passes.
"""

from functools import singledispatch
from math import inf, nan
from typing import Any

from ..measurements import Basis, Discoveries, Exact, Excess, Moments, Paired, Share, Undefined
from .accusation import p_harm
from .means import benjamini_hochberg
from .paired import tango_lower, tango_upper

ENOUGH_TO_ACCUSE = 200
"""Rows from which the mean of what was seen accuses without room for rows that were not."""


def n_of(basis: Basis) -> int:
    """Rows, trials or pairs behind the measurement."""
    return basis.n


@singledispatch
def estimate(basis: Any) -> float:
    """Return the point value; NaN where it does not exist."""
    raise TypeError(type(basis))


@singledispatch
def lower(basis: Any, alpha: float, design_effect: float = 1.0) -> float:
    """Return the lower one-sided confidence limit at level `alpha`; -inf if there is none.

    Args:
        design_effect: Rows that count as one independent row (Kish), where rows come in clusters.
    """
    raise TypeError(type(basis), alpha, design_effect)


@singledispatch
def upper(basis: Any, alpha: float, design_effect: float = 1.0) -> float:
    """Return the upper one-sided confidence limit at level `alpha`; inf if there is none."""
    raise TypeError(type(basis), alpha, design_effect)


def p_below(basis: Basis, bound: float, design_effect: float = 1.0) -> float:
    """P-value of "the true value is below `bound`": small means it is demonstrated."""
    if isinstance(basis, Paired):
        return _paired_p(basis, bound, design_effect, sign=1.0)
    if isinstance(basis, Discoveries):
        # At least one of the slices that were found is truly this bad.
        ps = [p_below(t.basis, bound, max(design_effect, t.design_effect)) for t in basis.tested]
        return min(benjamini_hochberg(ps))
    seen, times = _accusing(basis)
    return min(1.0, times * _smallest_alpha(lambda a: upper(seen, a, design_effect) < bound))


def p_above(basis: Basis, bound: float, design_effect: float = 1.0) -> float:
    """P-value of "the true value is above `bound`": small means it is demonstrated."""
    if isinstance(basis, Paired):
        return _paired_p(basis, bound, design_effect, sign=-1.0)
    if isinstance(basis, Discoveries):
        # The worst of them is above only if each of them is.
        return max(
            p_above(t.basis, bound, max(design_effect, t.design_effect)) for t in basis.tested
        )
    seen, times = _accusing(basis)
    return min(1.0, times * _smallest_alpha(lambda a: lower(seen, a, design_effect) > bound))


def _accusing(basis: Basis) -> tuple[Basis, float]:
    """What harm is demonstrated from, and by what its p-value is multiplied.

    Rows that nobody saw may keep a slice from being cleared; where there are enough others they
    excuse nobody. With fewer, a mean that misses the one row in fifty that is otherwise would
    accuse a harmless model (62 % of the time with 28 rows, 3 % with 176). The limits of an excess
    join two normal tails, which are too thin far out, where Holm asks.
    """
    if isinstance(basis, Moments) and basis.n >= ENOUGH_TO_ACCUSE:
        return basis.model_copy(update={"span": 0.0}), 1.0
    return basis, 2.0 if isinstance(basis, Excess) else 1.0


def _paired_p(basis: Paired, bound: float, design_effect: float, *, sign: float) -> float:
    if basis.n == 0 or not -1.0 < bound < 1.0:
        return 1.0
    losses, gains, n = _independent(basis, design_effect)
    return p_harm(losses, gains, n, bound) if sign > 0 else p_harm(gains, losses, n, -bound)


def _independent(basis: Paired, design_effect: float) -> tuple[float, float, float]:
    """Counts as so many independent rows would give them (Rao & Scott 1992)."""
    counts = basis.baseline_only, basis.candidate_only, basis.n
    return counts[0] / design_effect, counts[1] / design_effect, counts[2] / design_effect


def _smallest_alpha(shown: Any) -> float:
    """Invert the interval: the smallest level at which the limit clears the bound."""
    low, high = 1e-7, 0.5
    if shown(low):
        return low
    if not shown(high):
        return 1.0
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


# --- both models on the same rows


@estimate.register
def _(basis: Paired) -> float:
    return (basis.candidate_only - basis.baseline_only) / basis.n if basis.n else nan


@lower.register
def _(basis: Paired, alpha: float, design_effect: float = 1.0) -> float:
    return tango_lower(*_independent(basis, design_effect), alpha)


@upper.register
def _(basis: Paired, alpha: float, design_effect: float = 1.0) -> float:
    return tango_upper(*_independent(basis, design_effect), alpha)


# --- one proportion: Clopper and Pearson (1934)


@estimate.register
def _(basis: Share) -> float:
    return basis.hits / basis.trials if basis.trials else nan


@lower.register
def _(basis: Share, alpha: float, design_effect: float = 1.0) -> float:
    from scipy.special import betaincinv

    if basis.hits == 0:
        return 0.0
    hits, trials = basis.hits / design_effect, basis.trials / design_effect
    return float(betaincinv(hits, trials - hits + 1, alpha))


@upper.register
def _(basis: Share, alpha: float, design_effect: float = 1.0) -> float:
    from scipy.special import betaincinv

    if basis.hits == basis.trials:
        return 1.0
    hits, trials = basis.hits / design_effect, basis.trials / design_effect
    return float(betaincinv(hits + 1, trials - hits, 1.0 - alpha))


# --- no uncertainty, or no number


@estimate.register
def _(basis: Exact) -> float:
    return basis.value


@lower.register(Exact)
@upper.register(Exact)
def _(basis: Exact, alpha: float, design_effect: float = 1.0) -> float:  # noqa: ARG001 the same at every level
    return basis.value


@estimate.register
def _(basis: Undefined) -> float:  # noqa: ARG001 undefined at every value
    return nan


@lower.register
def _(basis: Undefined, alpha: float, design_effect: float = 1.0) -> float:  # noqa: ARG001 nothing is known
    return -inf


@upper.register
def _(basis: Undefined, alpha: float, design_effect: float = 1.0) -> float:  # noqa: ARG001 nothing is known
    return inf
