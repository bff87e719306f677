"""Limits from a bootstrap that draws the same replicates on every machine and in every year."""

from functools import lru_cache
from math import exp, inf, isfinite, nan
from statistics import median
from typing import Any

import numpy as np

from ..measurements import Grouped, GroupTable, LogRatios
from . import groups
from .limits import estimate, lower, upper

REPLICATES = 2000


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
def _(basis: LogRatios, alpha: float, design_effect: float = 1.0) -> float:  # noqa: ARG001 pairs of timings are no rows
    return exp(_quantile(_medians(basis), alpha)) if len(basis.values) >= 10 else 0.0


@upper.register
def _(basis: LogRatios, alpha: float, design_effect: float = 1.0) -> float:  # noqa: ARG001 pairs of timings are no rows
    return exp(_quantile(_medians(basis), 1.0 - alpha)) if len(basis.values) >= 10 else inf


# --- statistics over groups, multinomial bootstrap


def _cells(basis: Grouped) -> Any:
    return np.array([table.counts for table in basis.groups], dtype=np.float64)


@lru_cache(maxsize=4)
def _draws(tables: tuple[GroupTable, ...], seed: int, replicates: int, rows: int) -> Any:
    """Draw once for all statistics of the same groups."""
    cells = np.array([table.counts for table in tables], dtype=np.float64)
    return groups.draw(cells, seed=seed, replicates=replicates, rows=rows)


@lru_cache(maxsize=256)
def _replicates(basis: Grouped, design_effect: float) -> Any:
    rows = int(basis.n / design_effect)
    draws = _draws(basis.groups, basis.seed, basis.replicates, rows)
    return groups.ordered(draws, basis.statistic, basis.of)


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
    return {"change": candidate - baseline, "baseline": baseline, "candidate": candidate}[basis.of]


@lower.register
def _(basis: Grouped, alpha: float, design_effect: float = 1.0) -> float:
    return _grouped(basis, alpha, design_effect, -inf)


@upper.register
def _(basis: Grouped, alpha: float, design_effect: float = 1.0) -> float:
    return _grouped(basis, 1.0 - alpha, design_effect, inf)


def _grouped(basis: Grouped, probability: float, design_effect: float, unknown: float) -> float:
    if basis.n == 0 or not isfinite(estimate(basis)):
        return unknown
    values = _replicates(basis, design_effect)
    # A replicate is lost where a group's denominator came out empty: too thin to say anything.
    if len(values) < 0.95 * basis.replicates:
        return unknown
    return _quantile(values, probability)


def _quantile(ordered: Any, probability: float) -> float:
    """Order statistic on the conservative side; no interpolation, so it recomputes exactly."""
    if probability < 0.5:
        return float(ordered[max(int(probability * len(ordered)) - 1, 0)])
    return float(ordered[min(int(np.ceil(probability * len(ordered))), len(ordered) - 1)])
