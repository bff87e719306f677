"""Value, confidence limits and p-values of any measurement basis.

`lower` and `upper` are one-sided limits, each at level `alpha` (0.05 is the 90 % two-sided
interval). A basis that says nothing gives the widest limits it can, so silence never passes.
"""

from functools import lru_cache, singledispatch
from math import exp, inf, isfinite, nan
from statistics import NormalDist, median
from typing import Any

import numpy as np

from ..measurements import Basis, Exact, Grouped, LogRatios, Normal, Paired, Share, Undefined
from . import groups
from .paired import tango_lower, tango_upper, tango_z

_NORMAL = NormalDist()
REPLICATES = 2000


def n_of(basis: Basis) -> int:
    """Rows, trials or pairs behind the measurement."""
    return basis.n


@singledispatch
def estimate(basis: Any) -> float:
    """Return the point value; NaN where it does not exist."""
    raise TypeError(type(basis))


@singledispatch
def lower(basis: Any, alpha: float) -> float:
    """Return the lower one-sided confidence limit at level `alpha`; -inf if there is none."""
    raise TypeError(type(basis), alpha)


@singledispatch
def upper(basis: Any, alpha: float) -> float:
    """Return the upper one-sided confidence limit at level `alpha`; inf if there is none."""
    raise TypeError(type(basis), alpha)


def p_below(basis: Basis, bound: float) -> float:
    """P-value of "the true value is below `bound`": small means it is demonstrated."""
    if isinstance(basis, Paired):
        if basis.n == 0 or not -1.0 < bound < 1.0:
            return 1.0
        return _NORMAL.cdf(tango_z(basis.baseline_only, basis.candidate_only, basis.n, bound))
    return _smallest_alpha(lambda alpha: upper(basis, alpha) < bound)


def p_above(basis: Basis, bound: float) -> float:
    """P-value of "the true value is above `bound`": small means it is demonstrated."""
    if isinstance(basis, Paired):
        if basis.n == 0 or not -1.0 < bound < 1.0:
            return 1.0
        return _NORMAL.cdf(-tango_z(basis.baseline_only, basis.candidate_only, basis.n, bound))
    return _smallest_alpha(lambda alpha: lower(basis, alpha) > bound)


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
def _(basis: Paired, alpha: float) -> float:
    return tango_lower(basis.baseline_only, basis.candidate_only, basis.n, alpha)


@upper.register
def _(basis: Paired, alpha: float) -> float:
    return tango_upper(basis.baseline_only, basis.candidate_only, basis.n, alpha)


# --- one proportion: Clopper and Pearson (1934)


@estimate.register
def _(basis: Share) -> float:
    return basis.hits / basis.trials if basis.trials else nan


@lower.register
def _(basis: Share, alpha: float) -> float:
    from scipy.special import betaincinv

    if basis.hits == 0:
        return 0.0
    return float(betaincinv(basis.hits, basis.trials - basis.hits + 1, alpha))


@upper.register
def _(basis: Share, alpha: float) -> float:
    from scipy.special import betaincinv

    if basis.hits == basis.trials:
        return 1.0
    return float(betaincinv(basis.hits + 1, basis.trials - basis.hits, 1.0 - alpha))


# --- asymptotically normal


@estimate.register
def _(basis: Normal) -> float:
    return basis.candidate - basis.baseline


@lower.register
def _(basis: Normal, alpha: float) -> float:
    if basis.n == 0:
        return -inf
    return estimate(basis) - _NORMAL.inv_cdf(1.0 - alpha) * basis.standard_error


@upper.register
def _(basis: Normal, alpha: float) -> float:
    if basis.n == 0:
        return inf
    return estimate(basis) + _NORMAL.inv_cdf(1.0 - alpha) * basis.standard_error


# --- median ratio of interleaved pairs, percentile bootstrap


@lru_cache(maxsize=64)
def _medians(basis: LogRatios) -> Any:
    values = np.asarray(basis.values)
    picks = np.random.RandomState(basis.seed).randint(0, len(values), (REPLICATES, len(values)))
    return np.sort(np.median(values[picks], axis=1))


@estimate.register
def _(basis: LogRatios) -> float:
    return exp(median(basis.values)) if basis.values else nan


@lower.register
def _(basis: LogRatios, alpha: float) -> float:
    return exp(_quantile(_medians(basis), alpha)) if len(basis.values) >= 10 else 0.0


@upper.register
def _(basis: LogRatios, alpha: float) -> float:
    return exp(_quantile(_medians(basis), 1.0 - alpha)) if len(basis.values) >= 10 else inf


# --- statistics over groups, multinomial bootstrap


def _cells(basis: Grouped) -> Any:
    return np.array([table.counts for table in basis.groups], dtype=np.float64)


@lru_cache(maxsize=256)
def _replicates(basis: Grouped) -> Any:
    return groups.bootstrap(
        _cells(basis), basis.statistic, seed=basis.seed, replicates=basis.replicates
    )


def group_values(basis: Grouped) -> tuple[float, float]:
    """Return the statistic of the baseline and of the candidate."""
    cells = _cells(basis)
    return (
        float(groups.statistic_of(cells, basis.statistic, groups.BASELINE)),
        float(groups.statistic_of(cells, basis.statistic, groups.CANDIDATE)),
    )


@estimate.register
def _(basis: Grouped) -> float:
    baseline, candidate = group_values(basis)
    return candidate - baseline


@lower.register
def _(basis: Grouped, alpha: float) -> float:
    return _grouped(basis, alpha, -inf)


@upper.register
def _(basis: Grouped, alpha: float) -> float:
    return _grouped(basis, 1.0 - alpha, inf)


def _grouped(basis: Grouped, probability: float, unknown: float) -> float:
    if basis.n == 0 or not isfinite(estimate(basis)):
        return unknown
    values = _replicates(basis)
    # A replicate is lost where a group's denominator came out empty: too thin to say anything.
    if len(values) < 0.95 * basis.replicates:
        return unknown
    return _quantile(values, probability)


def _quantile(ordered: Any, probability: float) -> float:
    """Order statistic on the conservative side; no interpolation, so it recomputes exactly."""
    if probability < 0.5:
        return float(ordered[max(int(probability * len(ordered)) - 1, 0)])
    return float(ordered[min(int(np.ceil(probability * len(ordered))), len(ordered) - 1)])


# --- no uncertainty, or no number


@estimate.register
def _(basis: Exact) -> float:
    return basis.value


@lower.register(Exact)
@upper.register(Exact)
def _(basis: Exact, alpha: float) -> float:  # noqa: ARG001 the same at every level
    return basis.value


@estimate.register
def _(basis: Undefined) -> float:  # noqa: ARG001 undefined at every value
    return nan


@lower.register
def _(basis: Undefined, alpha: float) -> float:  # noqa: ARG001 nothing is known
    return -inf


@upper.register
def _(basis: Undefined, alpha: float) -> float:  # noqa: ARG001 nothing is known
    return inf
