"""Value, limits and p-values of every basis agree with each other, and silence clears nothing."""

from math import exp, inf, isnan, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from govprune.measurements import (
    Exact,
    Grouped,
    GroupTable,
    LogRatios,
    Normal,
    Paired,
    Share,
    Undefined,
)
from govprune.stats import estimate, lower, n_of, p_above, p_below, upper

counts = st.integers(0, 60)
paired = st.builds(
    Paired, both=counts, baseline_only=counts, candidate_only=counts, neither=counts
).filter(lambda basis: basis.n > 0)
shares = st.tuples(counts, st.integers(1, 60)).map(
    lambda pair: Share(hits=min(pair), trials=max(pair))
)
normals = st.builds(
    Normal,
    baseline=st.floats(0, 1),
    candidate=st.floats(0, 1),
    standard_error=st.floats(1e-4, 0.5),
    n=st.just(100),
)
ratios = st.lists(st.floats(-1, 1), min_size=10, max_size=40).map(
    lambda values: LogRatios(values=tuple(values), seed=1)
)
tables = st.lists(
    st.lists(st.integers(5, 40), min_size=8, max_size=8), min_size=2, max_size=3
).map(
    lambda rows: Grouped(
        statistic="equalized-odds-difference",
        groups=tuple(GroupTable(group=str(i), counts=tuple(r)) for i, r in enumerate(rows)),
        seed=0,
        replicates=200,
    )
)  # fmt: skip
bases = st.one_of(paired, shares, normals, ratios, tables)
NOTHING = [
    Paired(both=0, baseline_only=0, candidate_only=0, neither=0),
    Share(hits=0, trials=0),
    Normal(baseline=0.5, candidate=0.5, standard_error=0.0, n=0, fewer=0),
    LogRatios(values=(), seed=0),
    LogRatios(values=(0.0,) * 9, seed=0),
    Grouped(
        statistic="precision", groups=(GroupTable(group="a", counts=(0,) * 8),), seed=0,
        replicates=100,
    ),
    Undefined(reason="no positive row"),
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(basis=bases, alpha=st.floats(0.005, 0.3))
def test_limits_widen_with_confidence(basis, alpha):
    assert lower(basis, alpha / 2) <= lower(basis, alpha) <= upper(basis, alpha)
    assert upper(basis, alpha) <= upper(basis, alpha / 2)


@settings(max_examples=150, deadline=None)
@given(basis=st.one_of(paired, shares, normals), alpha=st.floats(0.005, 0.3))
def test_the_value_lies_within_its_limits(basis, alpha):
    # Bisection and the beta function leave the last bits open.
    assert lower(basis, alpha) - 1e-12 <= estimate(basis) <= upper(basis, alpha) + 1e-12


@settings(max_examples=150, deadline=None)
@given(basis=bases, bound=st.floats(-0.9, 1.5), alpha=st.sampled_from([0.01, 0.05, 0.2]))
def test_a_p_value_is_small_exactly_where_the_limit_clears_the_bound(basis, bound, alpha):
    for p, cleared in (
        (p_below(basis, bound), upper(basis, alpha) < bound),
        (p_above(basis, bound), lower(basis, alpha) > bound),
    ):
        assert 0.0 <= p <= 1.0
        if abs(p - alpha) > 1e-5 and -1 < bound < 1:
            assert (p < alpha) == cleared


@pytest.mark.parametrize("basis", NOTHING, ids=lambda basis: f"{basis.kind}-{basis.n}")
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
def test_silence_clears_no_bound_and_accuses_nobody(basis, alpha):
    assert lower(basis, alpha) in (-inf, -1.0, 0.0)
    assert upper(basis, alpha) in (inf, 1.0)
    if basis.n == 0:
        assert isnan(estimate(basis)) or isinstance(basis, Normal)
    for bound in (-0.02, 0.02, 0.5):
        assert p_below(basis, bound) > 0.5
        assert p_above(basis, bound) > 0.5 or bound < 0  # a share is at least 0 in any case


@settings(max_examples=60, deadline=None)
@given(basis=shares, alpha=st.floats(0.005, 0.3))
def test_a_share_has_the_limits_of_clopper_and_pearson(basis, alpha):
    exact = binomtest(basis.hits, basis.trials).proportion_ci(1 - 2 * alpha, "exact")
    assert lower(basis, alpha) == pytest.approx(exact.low, abs=1e-9)
    assert upper(basis, alpha) == pytest.approx(exact.high, abs=1e-9)


def test_no_hit_in_n_trials_still_allows_about_3_in_n():
    assert upper(Share(hits=0, trials=1000), 0.05) == pytest.approx(3 / 1000, rel=0.01)


def test_a_normal_basis_has_normal_limits_and_p_values():
    basis = Normal(baseline=0.55, candidate=0.60, standard_error=0.02, n=10**6, fewer=500_000)
    assert lower(basis, 0.05) == pytest.approx(0.05 - 1.644854 * 0.02)
    assert upper(basis, 0.05) == pytest.approx(0.05 + 1.644854 * 0.02)
    assert p_above(basis, 0.02) == pytest.approx(norm.sf(1.5), rel=1e-4)


def test_an_exact_number_is_its_own_limit_at_every_level():
    basis = Exact(value=0.37, n=10)
    assert {lower(basis, a) for a in (0.01, 0.3)} == {upper(basis, a) for a in (0.01, 0.3)} == {
        0.37
    }  # fmt: skip
    assert (estimate(basis), n_of(basis)) == (0.37, 10)


def test_the_limits_of_a_ratio_are_order_statistics_of_the_bootstrapped_median():
    random = np.random.default_rng(2)
    basis = LogRatios(values=tuple(random.normal(log(1.3), 0.2, 101).tolist()), seed=5)
    low, high = lower(basis, 0.05), upper(basis, 0.05)
    assert estimate(basis) == pytest.approx(exp(float(np.median(basis.values))))
    assert low < estimate(basis) < high
    # The median of 101 normal values has a standard error of about 1.253 * .2 / sqrt(101).
    assert (log(high) - log(low)) / (2 * 1.645) == pytest.approx(0.0249, rel=0.35)
    assert lower(basis.model_copy(), 0.05) == low


def test_ratios_that_are_all_alike_are_known_without_doubt():
    basis = LogRatios(values=(log(2.0),) * 50, seed=0)
    assert lower(basis, 0.01) == upper(basis, 0.01) == pytest.approx(2.0)


def test_a_table_too_thin_to_resample_says_nothing():
    """In many replicates the group without a second positive has none at all."""
    thin = Grouped(
        statistic="equalized-odds-difference",
        groups=(
            GroupTable(group="a", counts=(50, 0, 0, 50, 40, 0, 0, 60)),
            GroupTable(group="b", counts=(50, 0, 0, 50, 1, 0, 0, 1)),
        ),
        seed=0,
        replicates=500,
    )
    assert np.isfinite(estimate(thin))
    assert (lower(thin, 0.05), upper(thin, 0.05)) == (-inf, inf)


def test_an_unknown_basis_is_an_error_and_no_number():
    for function in (estimate, lambda b: lower(b, 0.05), lambda b: upper(b, 0.05)):
        with pytest.raises(TypeError):
            function("0.5")
