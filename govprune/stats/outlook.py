"""What a test can decide on so many rows, under a stated truth; before anything is measured.

The companions of `govprune.stats.paired.power`: the chance to pass, and the smallest loss that is
accused. Exact enumeration of both counts up to `EXACT_UP_TO` rows, the normal approximation beyond.
"""

from collections.abc import Callable
from functools import lru_cache
from math import log, log1p, sqrt
from statistics import NormalDist

import numpy as np

from ..measurements import Share
from .accusation import p_harm
from .limits import lower, upper
from .paired import EXACT_UP_TO, power

WANTED = 0.8
"""Power that counts as "can be told": the convention of trials (ICH E9, section 3.5)."""
_NORMAL = NormalDist()


# --- the same rows, both models


@lru_cache(maxsize=4096)
def chance_to_pass(n: int, margin: float, alpha: float, churn: float) -> float:
    """Chance that a harmless candidate clears the margin.

    By exact enumeration up to `EXACT_UP_TO` rows; beyond, by the normal approximation of the score
    test with the churn as variance, which is then within about a point.
    """
    if n <= 0:
        return 0.0
    if n <= EXACT_UP_TO:
        return min(power(n, margin, alpha, churn), 1.0)
    z = _NORMAL.inv_cdf(1.0 - alpha)
    # Where the difference is -margin, as many answers changed and those of the margin besides.
    at_bound = sqrt(max(churn, margin) - margin**2)
    return _NORMAL.cdf((margin * sqrt(n) - z * at_bound) / sqrt(churn))


@lru_cache(maxsize=4096)
def accused_from(n: int, margin: float, level: float, churn: float) -> float | None:
    """Smallest true loss that is accused with 80 %; None where losing everything is not.

    Exact up to `EXACT_UP_TO` rows; by the normal approximation beyond, which errs towards a larger
    loss.

    Args:
        n: Independent rows.
        margin: The loss beyond which harm counts.
        level: One-sided level of the accusation.
        churn: Share of answers that change besides, half of them for the worse.
    """
    if n <= 0:
        return None
    enough = _losses_accused(n, margin, level, churn) if n <= EXACT_UP_TO else []

    def accused(loss: float) -> bool:
        if not enough:
            return _approximate(n, margin, level, churn, loss) >= WANTED
        return _exact(n, enough, churn, loss) >= WANTED

    return smallest(accused, margin, 1.0 - churn)


def _losses_accused(n: int, margin: float, level: float, churn: float) -> list[tuple[int, int]]:
    """Gains that are likely at all, and the fewest losses that are accused beside each."""
    mean = n * churn / 2.0
    reach = 4.5 * sqrt(mean) + 2.0
    found, losses = [], int(n * margin)
    for gains in range(max(0, int(mean - reach)), min(n, int(mean + reach)) + 1):
        # The more gains, the more losses it takes.
        while losses <= n - gains and p_harm(losses, gains, n, -margin) > level:
            losses += 1
        found.append((gains, losses))
    return found


def _exact(n: int, enough: list[tuple[int, int]], churn: float, loss: float) -> float:
    from scipy.special import bdtrc, gammaln

    gain, harm = churn / 2.0, min(loss + churn / 2.0, 1.0 - churn / 2.0)
    gains, losses = np.array([pair for pair in enough if pair[1] <= n - pair[0]]).reshape(-1, 2).T
    chance = np.exp(
        gammaln(n + 1) - gammaln(gains + 1) - gammaln(n - gains + 1)
        + gains * log(gain) + (n - gains) * log1p(-gain)
    )  # fmt: skip
    # Losses, given the gains: binomial over the other rows.
    return float((chance * bdtrc(losses - 1, n - gains, harm / (1.0 - gain))).sum())


def _approximate(n: int, margin: float, level: float, churn: float, loss: float) -> float:
    z = _NORMAL.inv_cdf(1.0 - level)
    true, at_bound = churn + loss - loss**2, churn + loss - margin**2
    return _NORMAL.cdf(((loss - margin) * sqrt(n) - z * sqrt(at_bound)) / sqrt(true))


@lru_cache(maxsize=1024)
def most_hits(n: int, bound: float, alpha: float) -> int:
    """Most hits of n that clear the bound; -1 where not even none do."""
    low, high = -1, n
    while low < high:
        middle = (low + high + 1) // 2
        if n and upper(Share(hits=middle, trials=n), alpha) <= bound:
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=1024)
def fewest_hits(n: int, bound: float, level: float) -> int:
    """Fewest hits of n that are accused; n + 1 where not even all are."""
    low, high = 0, n + 1
    while low < high:
        middle = (low + high) // 2
        if n and lower(Share(hits=middle, trials=n), level) > bound:
            high = middle
        else:
            low = middle + 1
    return low


# --- searching


def largest(holds: Callable[[float], bool], low: float, high: float) -> float | None:
    """Largest value at which it holds, to two digits, rounded so that it does."""
    if not holds(low):
        return None
    if holds(high):
        return high
    while high / low > 1.01:
        middle = sqrt(low * high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def smallest(holds: Callable[[float], bool], low: float, high: float) -> float | None:
    """Smallest value at which it holds, to a tenth of a point."""
    if low >= high or not holds(high):
        return None
    while high - low > 0.0005:
        middle = (low + high) / 2.0
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
