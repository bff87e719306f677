"""Ranks that bound a quantile, against tables and the binomial distribution itself."""

import numpy as np
import pytest
from scipy.stats import binom

from govprune.stats.quantiles import quantile_ranks


@pytest.mark.parametrize(
    ("n", "ranks"), [(6, (1, 6)), (10, (2, 9)), (15, (4, 12)), (20, (6, 15)), (50, (18, 33))]
)
def test_the_published_ranks_for_a_median_are_found(n, ranks):
    """Sign-test intervals at 95 %: Dixon and Mood (1946), as in any table of the sign test."""
    assert quantile_ranks(n, 0.5) == ranks


def test_values_too_few_for_a_bound_have_none():
    assert quantile_ranks(5, 0.5) == (None, None)
    assert quantile_ranks(100, 0.99)[1] is None
    assert quantile_ranks(400, 0.99)[1] is not None


@pytest.mark.parametrize("quantile", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("n", [40, 400, 4000])
def test_each_bound_errs_in_at_most_one_of_forty_and_the_next_rank_would_not(n, quantile):
    low, high = quantile_ranks(n, quantile)
    if low is not None:
        assert binom.cdf(low - 1, n, quantile) <= 0.025 < binom.cdf(low, n, quantile)
    if high is not None:
        assert binom.sf(high - 1, n, quantile) <= 0.025 < binom.sf(high - 2, n, quantile)


def test_the_bounds_hold_for_a_distribution_with_a_heavy_tail():
    random = np.random.default_rng(0)
    low, high = quantile_ranks(400, 0.95)
    truth = 0.05**-1.0  # 95th percentile of a Pareto distribution with shape 1
    held = 0
    for _ in range(1000):
        values = np.sort(1 + random.pareto(1.0, 400))
        held += values[low - 1] <= truth <= values[high - 1]
    assert held >= 935
