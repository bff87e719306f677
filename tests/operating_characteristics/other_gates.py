"""The same counts judged as gates elsewhere judge them. For comparison only."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from simulated_gates import Counts, Simulated, accusing_bounds_of, bounds_of, rows_of

from govprune.measurements import Paired
from govprune.stats import p_below

Said = NDArray[np.bool_]
"""One answer per gate."""


def _net(counts: Counts) -> Counts:
    return np.asarray(counts[..., 2] - counts[..., 1])


def _net_at(run: Simulated, bounds: list[float]) -> NDArray[np.float64]:
    """Return the net change that lies exactly on each slice's bound, in rows."""
    return np.multiply(rows_of(run.plan), bounds)


def drop_promotes(run: Simulated) -> Said:
    """Promote when the drop seen in every slice is below its margin."""
    # 1e-9: a drop of exactly the margin is not below it, whatever its decimals round to.
    within = _net(run.counts) > _net_at(run, bounds_of(run.plan)) + 1e-9
    return np.asarray(within.all(axis=1))


def drop_accuses(run: Simulated) -> Said:
    """Refuse when the drop seen in any slice exceeds its margin."""
    beyond = _net(run.counts) < _net_at(run, accusing_bounds_of(run.plan)) - 1e-9
    return np.asarray(beyond.any(axis=1))


def _wald_z(run: Simulated, bounds: list[float]) -> NDArray[np.float64]:
    """Standard errors between the change seen and its bound; infinite where nothing varies."""
    net = _net(run.counts)
    changed = run.counts[..., 1] + run.counts[..., 2]
    error = np.sqrt(changed - net**2 / np.array(rows_of(run.plan)))
    gap = net - _net_at(run, bounds)
    varies = error > 0
    return np.where(varies, gap / np.where(varies, error, 1.0), np.where(gap >= 0, np.inf, -np.inf))


def wald_promotes(run: Simulated) -> Said:
    """Promote when the lower end of every slice's Wald interval clears its bound."""
    critical = NormalDist().inv_cdf(1 - run.plan.alpha)
    return np.asarray((_wald_z(run, bounds_of(run.plan)) >= critical).all(axis=1))


def wald_accuses(run: Simulated) -> Said:
    """Accuse when Wald's test shows harm beyond the bound, divided over the slices."""
    p = ndtr(_wald_z(run, accusing_bounds_of(run.plan))).min(axis=1)
    return np.asarray(p * run.counts.shape[1] <= run.plan.accuse_alpha)


def one_family_accuses(run: Simulated) -> Said:
    """Accuse with one Holm family over all slices of the rule, each at the bound it is asked at.

    Holm's step-down accuses somebody exactly when the smallest p, times their number, is small.
    """
    bounds = bounds_of(run.plan)
    smallest = [
        min(
            p_below(Paired(both=a, baseline_only=b, candidate_only=c, neither=d), bound)
            for (a, b, c, d), bound in zip(gate, bounds, strict=True)
        )
        for gate in run.counts.tolist()
    ]
    return np.asarray(np.array(smallest) * len(bounds) <= run.plan.accuse_alpha)


# --- the number every dashboard shows


def spread(counts: Counts) -> NDArray[np.float64]:
    """Return the largest minus the smallest change seen over the slices, over the last two axes."""
    change = _net(counts) / counts.sum(axis=-1)
    return np.asarray(change.max(axis=-1) - change.min(axis=-1))


def spread_lower_ends(
    counts: Counts, *, level: float = 0.05, replicates: int = 200, seed: int = 7
) -> NDArray[np.float64]:
    """Return the lower end of each gate's percentile bootstrap interval of that spread."""
    rng = np.random.default_rng(seed)
    ends = []
    for gate in counts:
        n = gate.sum(axis=-1)
        again = rng.multinomial(n, gate / n[:, None], size=(replicates, len(n)))
        ends.append(np.quantile(spread(again), level))
    return np.array(ends)
