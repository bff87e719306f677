"""Limits of estimates whose error is known from moments: areas, means, and what rests on pairs."""

from math import hypot, inf, nan, sqrt
from statistics import NormalDist

from ..measurements import Discoveries, Excess, Moments, Normal
from .limits import estimate, lower, upper
from .means import Central, mean_lower, mean_upper, mover, unseen

_NORMAL = NormalDist()


# --- asymptotically normal


@estimate.register
def _(basis: Normal) -> float:
    return basis.candidate - basis.baseline


@lower.register
def _(basis: Normal, alpha: float, design_effect: float = 1.0) -> float:
    return estimate(basis) - _normal_width(basis, alpha, design_effect)


@upper.register
def _(basis: Normal, alpha: float, design_effect: float = 1.0) -> float:
    return estimate(basis) + _normal_width(basis, alpha, design_effect)


def _normal_width(basis: Normal, alpha: float, design_effect: float) -> float:
    if basis.fewer == 0:
        return inf
    # Two equal rankings have no standard error; one unseen row of the rarer class moves them. And
    # with few such rows the error alone is too small: areas near 1 are skewed.
    seen = _NORMAL.inv_cdf(1.0 - alpha) * basis.standard_error * sqrt(design_effect)
    return hypot(seen, unseen(basis.fewer / design_effect, alpha))


# --- mean of a per-row difference


def _central(basis: Moments) -> Central:
    gap = basis.candidate - basis.baseline
    return Central(basis.n, gap, basis.variance * (basis.n - 1), basis.third * basis.n)


@estimate.register
def _(basis: Moments) -> float:
    return basis.candidate - basis.baseline if basis.n else nan


@lower.register
def _(basis: Moments, alpha: float, design_effect: float = 1.0) -> float:
    return mean_lower(_central(basis), span=basis.span, alpha=alpha, design_effect=design_effect)


@upper.register
def _(basis: Moments, alpha: float, design_effect: float = 1.0) -> float:
    return mean_upper(_central(basis), span=basis.span, alpha=alpha, design_effect=design_effect)


# --- one part of the rows against the rest


@estimate.register
def _(basis: Excess) -> float:
    return estimate(basis.inside) - estimate(basis.outside)


@lower.register
def _(basis: Excess, alpha: float, design_effect: float = 1.0) -> float:
    return _excess(basis, alpha, design_effect)[0] if basis.n else -inf


@upper.register
def _(basis: Excess, alpha: float, design_effect: float = 1.0) -> float:
    return _excess(basis, alpha, design_effect)[1] if basis.n else inf


def _excess(basis: Excess, alpha: float, design_effect: float) -> tuple[float, float]:
    inside, outside = (
        (
            estimate(part),
            lower(part, alpha, design_effect),
            upper(part, alpha, design_effect),
        )
        for part in (basis.inside, basis.outside)
    )
    return mover(inside, outside)


# --- slices that were found on one half and tested on the other


@estimate.register
def _(basis: Discoveries) -> float:
    return min(estimate(t.basis) for t in basis.tested)


@lower.register
def _(basis: Discoveries, alpha: float, design_effect: float = 1.0) -> float:
    return min(lower(t.basis, alpha, max(design_effect, t.design_effect)) for t in basis.tested)


@upper.register
def _(basis: Discoveries, alpha: float, design_effect: float = 1.0) -> float:
    # The worst of several is at most as good as any of them, and each gets its part of the level:
    # the smallest of twenty limits at alpha would lie below the truth far more often than that.
    share = alpha / len(basis.tested)
    return min(upper(t.basis, share, max(design_effect, t.design_effect)) for t in basis.tested)
