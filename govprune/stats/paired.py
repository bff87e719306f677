"""Difference of two proportions measured on the same rows.

Tango (1998), "Equivalence test and confidence interval for the difference in proportions for
the paired-sample design", Statistics in Medicine 17, 891-908. McNemar's mid-p: Fagerland,
Lydersen & Laake (2013). Everything is written candidate minus baseline.
"""

from functools import lru_cache
from math import comb, exp, inf, lgamma, log, log1p, sqrt
from statistics import NormalDist

_NORMAL = NormalDist()
EXACT_UP_TO = 4000
"""Rows up to which power is enumerated exactly."""


def tango_z(baseline_only: float, candidate_only: float, n: float, delta: float) -> float:
    """Score statistic of the hypothesis that the true difference is `delta`.

    Args:
        baseline_only: Rows only the baseline got (n10).
        candidate_only: Rows only the candidate got (n01).
        n: All rows.
        delta: Hypothesised difference, candidate minus baseline, in [-1, 1].

    Returns:
        Asymptotically standard normal; large means the difference is above `delta`.
    """
    gap = candidate_only - baseline_only - n * delta
    q = tango_nuisance(baseline_only, candidate_only, n, delta)
    variance = n * (2.0 * q + delta * (1.0 - delta))
    if variance <= 0.0:  # also where delta is so near 0 that its variance underflows
        return 0.0 if abs(gap) <= 1e-9 * n else inf if gap > 0 else -inf
    return gap / sqrt(variance)


def tango_nuisance(baseline_only: float, candidate_only: float, n: float, delta: float) -> float:
    """Likeliest probability that only the baseline gets a row, were the difference `delta`."""
    # The larger root, with the roles of the models so that it is candidate minus baseline.
    a = 2.0 * n
    b = -candidate_only - baseline_only + (2.0 * n - candidate_only + baseline_only) * delta
    c = -baseline_only * delta * (1.0 - delta)
    return (sqrt(max(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)


def tango_lower(baseline_only: float, candidate_only: float, n: float, alpha: float) -> float:
    """Lower confidence limit of the difference at one-sided level `alpha`; -1 without rows."""
    if n == 0:
        return -1.0
    critical = _NORMAL.inv_cdf(1.0 - alpha)
    low, high = -1.0, (candidate_only - baseline_only) / n
    if tango_z(baseline_only, candidate_only, n, low) <= critical:
        return -1.0
    # z falls as delta grows; keep the conservative end, so a limit is never too optimistic.
    for _ in range(60):
        middle = (low + high) / 2.0
        if tango_z(baseline_only, candidate_only, n, middle) > critical:
            low = middle
        else:
            high = middle
    return low


def tango_upper(baseline_only: float, candidate_only: float, n: float, alpha: float) -> float:
    """Upper confidence limit of the difference at one-sided level `alpha`; 1 without rows."""
    return -tango_lower(candidate_only, baseline_only, n, alpha)


def mcnemar_mid_p(baseline_only: int, candidate_only: int) -> float:
    """Two-sided mid-p of McNemar's test. Shown beside the interval, never the gate."""
    m, k = baseline_only + candidate_only, min(baseline_only, candidate_only)
    if m == 0:
        return 1.0
    tail = sum(comb(m, i) for i in range(k + 1))
    # 2 * P(X <= k) - P(X = k), X ~ Binomial(m, 1/2), in exact integers until the last step.
    return float(min(1.0, (2 * tail - comb(m, k)) / 2**m))


def mcnemar_exact_p(baseline_only: int, candidate_only: int) -> float:
    """Two-sided exact p of McNemar's test."""
    m, k = baseline_only + candidate_only, min(baseline_only, candidate_only)
    if m == 0:
        return 1.0
    return float(min(1.0, 2 * sum(comb(m, i) for i in range(k + 1)) / 2**m))


def newcombe_paired(
    both: int, baseline_only: int, candidate_only: int, neither: int, alpha: float
) -> tuple[float, float]:
    """Newcombe's square-and-add interval (1998, method 10) for the paired difference.

    The second opinion printed beside Tango's. `alpha` is one-sided, per end.
    """
    n = both + baseline_only + candidate_only + neither
    p1, p0 = (both + candidate_only) / n, (both + baseline_only) / n
    l1, u1 = wilson(both + candidate_only, n, alpha)
    l0, u0 = wilson(both + baseline_only, n, alpha)
    r1, r0 = both + candidate_only, both + baseline_only
    product = r1 * (n - r1) * r0 * (n - r0)
    phi = 0.0
    if product > 0:
        ad_bc = both * neither - baseline_only * candidate_only
        adjusted = max(ad_bc - n / 2, 0.0) if ad_bc > 0 else float(ad_bc)
        phi = adjusted / sqrt(product)
    d = p1 - p0
    low = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u0 - p0) + (u0 - p0) ** 2
    high = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p0 - l0) + (p0 - l0) ** 2
    return d - sqrt(max(low, 0.0)), d + sqrt(max(high, 0.0))


def wilson(hits: int, n: int, alpha: float) -> tuple[float, float]:
    """Wilson's score interval of one proportion; `alpha` is one-sided, per end."""
    z = _NORMAL.inv_cdf(1.0 - alpha)
    centre = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * sqrt(hits * (n - hits) / n + z * z / 4)
    return centre - half, centre + half


def rows_floor(margin: float, alpha: float) -> int:
    """Fewest rows with which a slice without one changed answer can pass at this margin."""
    if not 0.0 < margin < 1.0:
        return 1
    z = _NORMAL.inv_cdf(1.0 - alpha)
    # z(0, 0, n, -margin) = sqrt(n * margin / (1 - margin)); 1e-9 keeps an exact hit inside.
    return int(z * z * (1.0 - margin) / margin - 1e-9) + 1


def rows_to_decide(
    baseline_only: float, candidate_only: float, n: float, bound: float, alpha: float
) -> int | None:
    """Rows that would settle a finding if the effect and churn seen were the true ones.

    The counts are scaled up until the limit on the side of the effect clears the bound. None
    where ten thousand times the rows would not do, i.e. where the effect lies on the bound.
    """
    if n == 0:
        return None
    above = (candidate_only - baseline_only) / n > bound

    def settled(factor: float) -> bool:
        z = tango_z(factor * baseline_only, factor * candidate_only, factor * n, bound)
        critical = _NORMAL.inv_cdf(1.0 - alpha)
        return z >= critical if above else -z >= critical

    low, high = 1.0, 1e4
    if settled(low) or not settled(high):
        return None
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if settled(middle) else (middle, high)
    return int(n * high) + 1


def power(n: int, margin: float, alpha: float, churn: float) -> float:
    """Chance that a harmless candidate passes, by exact enumeration.

    Args:
        n: Rows.
        margin: Tolerated loss, e.g. 0.02.
        alpha: One-sided level.
        churn: Share of answers that change, half of them for the worse: the true effect is 0.
    """
    from scipy.special import bdtr

    critical = _NORMAL.inv_cdf(1.0 - alpha)
    each = churn / 2.0
    most = min(n, int(n * each + 8.0 * sqrt(n * each) + 10.0))
    total, allowed = 0.0, -1
    for gains in range(most + 1):
        # The more gains, the more losses can be afforded.
        while allowed < min(most, n - gains) and (
            tango_z(allowed + 1, gains, n, -margin) >= critical
        ):
            allowed += 1
        if allowed < 0:
            continue
        chance = exp(
            lgamma(n + 1) - lgamma(gains + 1) - lgamma(n - gains + 1)
            + gains * log(each) + (n - gains) * log1p(-each)
        )  # fmt: skip
        # Losses, given the gains: binomial over the other rows.
        total += chance * float(bdtr(min(allowed, n - gains), n - gains, each / (1.0 - each)))
    return total


@lru_cache(maxsize=256)
def rows_for_power(margin: float, alpha: float, churn: float, wanted: float = 0.8) -> int:
    """Fewest rows at which a harmless candidate with this churn passes with the wanted power.

    By exact enumeration up to some thousand rows; beyond, by the normal approximation, which is
    then within a few per cent.
    """
    n = rows_floor(margin, alpha)
    z = _NORMAL.inv_cdf(1.0 - alpha) + _NORMAL.inv_cdf(wanted)
    approximate = int(z * z * churn / margin**2) + 1
    if max(n, approximate) > EXACT_UP_TO:
        return max(n, approximate)
    while power(n, margin, alpha, churn) < wanted:
        n += max(1, n // 400)
    return n
