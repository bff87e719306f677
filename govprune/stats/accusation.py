"""How surprising the harm that was seen is, were it no worse than the bound.

Tango's statistic is normal only in the limit, and an accusation that is adjusted for many slices
is made far out in its tail, where few rows make it up to twice as likely as the normal tail says.
So the tail is enumerated exactly, at the most likely parameters under the hypothesis: the
estimated p-value of Lloyd (2008), "Exact p-values for discrete models obtained by estimation and
maximization", Australian & New Zealand Journal of Statistics 50, 329-345.
"""

from functools import lru_cache
from math import ceil, floor, sqrt
from statistics import NormalDist

import numpy as np

from .paired import tango_nuisance, tango_z

_NORMAL = NormalDist()
UNSURPRISING = 0.2
"""Normal tail above which nobody is accused and nothing is enumerated."""
CHANGED = 3000
"""Expected changed answers beyond which the normal tail is the exact one to two digits."""


@lru_cache(maxsize=65536)
def p_harm(baseline_only: float, candidate_only: float, n: float, delta: float) -> float:
    """P-value of "the true difference, candidate minus baseline, is below `delta`".

    Args:
        baseline_only: Rows only the baseline got.
        candidate_only: Rows only the candidate got.
        n: All rows. Fractions (rows that count for less than one) are rounded in favour of the
            accused.
        delta: Hypothesised difference, in (-1, 1).
    """
    losses, gains = floor(baseline_only), ceil(candidate_only)
    # More rows dilute a loss, and fall further short of a gain that was required.
    rows = ceil(n) if delta <= 0.0 else max(floor(n), losses + gains)
    if rows == 0:
        return 1.0
    z = tango_z(losses, gains, rows, delta)
    normal = _NORMAL.cdf(z)
    if normal > UNSURPRISING:
        return normal
    lost = tango_nuisance(losses, gains, rows, delta)
    gained = max(lost + delta, 0.0)
    if rows * (lost + gained) > CHANGED:
        return normal
    return min(1.0, _tail(z, rows, delta, lost, gained))


def _tail(z: float, n: int, delta: float, lost: float, gained: float) -> float:
    """Probability of a statistic of at most `z`: over the gains, and losses given the gains."""
    from scipy.special import bdtrc, gammaln, xlogy

    most = min(n, int(n * gained + 8.0 * sqrt(n * gained) + 10.0))
    gains = np.arange(most + 1)
    chance = np.exp(
        gammaln(n + 1) - gammaln(gains + 1) - gammaln(n - gains + 1)
        + xlogy(gains, gained) + xlogy(n - gains, 1.0 - gained)
    )  # fmt: skip
    needed, fewest = np.empty(most + 1), 0
    for i in range(most + 1):
        # The more gains, the more losses it takes to be as surprising.
        while fewest <= n - i and tango_z(fewest, i, n, delta) > z + 1e-12:
            fewest += 1
        needed[i] = fewest
    share = min(lost / (1.0 - gained), 1.0) if gained < 1.0 else 1.0
    within = needed <= n - gains
    tail = np.where(needed <= 0, 1.0, bdtrc(np.maximum(needed - 1, 0), n - gains, share))
    return float((chance * np.where(within, tail, 0.0)).sum())
