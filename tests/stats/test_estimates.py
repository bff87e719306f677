"""Limits of areas, means, gaps against the rest and slices that were found; and of clusters."""

from functools import cache
from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, xlogy
from scipy.stats import false_discovery_control, norm

from govprune.checks.base import moments
from govprune.measurements import (
    Discoveries,
    Excess,
    Grouped,
    GroupTable,
    Moments,
    Normal,
    Paired,
    Share,
)
from govprune.measurements import (
    Tested as Found,  # by its own name pytest would take it for a test
)
from govprune.stats import estimate, lower, n_of, p_above, p_below, upper
from govprune.stats.auc import paired_auc
from govprune.stats.limits import ENOUGH_TO_ACCUSE
from govprune.stats.means import unseen

few = st.integers(0, 40)
paired = st.builds(
    Paired, both=few, baseline_only=few, candidate_only=few, neither=few
).filter(lambda basis: basis.n > 0)  # fmt: skip
excesses = st.builds(Excess, inside=paired, outside=paired)
means = st.builds(
    Moments,
    n=st.integers(10, 500),
    baseline=st.floats(0, 1),
    candidate=st.floats(0, 1),
    variance=st.floats(0, 0.5),
    third=st.floats(-0.05, 0.05),
    span=st.floats(0, 2),
)
areas = st.builds(
    Normal,
    baseline=st.floats(0.5, 1),
    candidate=st.floats(0.5, 1),
    standard_error=st.floats(0, 0.2),
    n=st.just(400),
    fewer=st.integers(1, 200),
)


def change(lost: int, won: int, n: int) -> Paired:
    return Paired(both=n - lost - won, baseline_only=lost, candidate_only=won, neither=0)


def found(*bases: Paired) -> Discoveries:
    tested = tuple(Found(slice=f"found {i}", basis=basis) for i, basis in enumerate(bases))
    return Discoveries(searched=1000, tested=tested)


# --- all of them


@settings(max_examples=200, deadline=None)
@given(st.one_of(excesses, means, areas), st.floats(0.005, 0.3))
def test_limits_hold_the_value_between_them_and_widen_with_confidence(basis, alpha):
    low, high = lower(basis, alpha), upper(basis, alpha)
    assert low - 1e-9 <= estimate(basis) <= high + 1e-9
    assert lower(basis, alpha / 2) <= low + 1e-12
    assert upper(basis, alpha / 2) >= high - 1e-12


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(excesses, means, areas),
    st.floats(-0.5, 0.5),
    st.sampled_from([0.01, 0.05, 0.2]),
    st.sampled_from([1.0, 2.5]),
)
def test_a_p_value_is_small_exactly_where_the_limit_clears_the_bound(basis, bound, alpha, effect):
    """Of many rows, those nobody saw accuse nobody; the tails of an excess are counted twice."""
    times = 2.0 if isinstance(basis, Excess) else 1.0
    many = isinstance(basis, Moments) and basis.n >= ENOUGH_TO_ACCUSE
    seen = basis.model_copy(update={"span": 0.0}) if many else basis
    for p, cleared in (
        (p_below(basis, bound, effect), upper(seen, alpha, effect) < bound),
        (p_above(basis, bound, effect), lower(seen, alpha, effect) > bound),
    ):
        assert 0.0 <= p <= 1.0
        if p < 1.0 and abs(p / times - alpha) > 1e-5:
            assert (p / times < alpha) == cleared


# --- areas


def test_equal_rankings_pass_no_margin_with_few_rows_of_the_rarer_class():
    """No standard error at all; 298 of the rarer class leave one in a hundred unseen."""

    def same(fewer):
        return Normal(baseline=0.9, candidate=0.9, standard_error=0.0, n=10_000, fewer=fewer)

    assert lower(same(298), 0.05) < -0.01 < lower(same(300), 0.05)
    assert upper(same(300), 0.05) == -lower(same(300), 0.05)
    assert (lower(same(0), 0.05), upper(same(0), 0.05)) == (-inf, inf)


def test_the_limit_of_an_area_adds_both_errors_as_squares():
    basis = Normal(baseline=0.9, candidate=0.88, standard_error=0.01, n=1000, fewer=200)
    width = np.hypot(norm.ppf(0.97) * 0.01, unseen(200, 0.03))
    assert lower(basis, 0.03) == pytest.approx(-0.02 - width)


@pytest.mark.parametrize(("positives", "negatives"), [(10, 300), (40, 300), (300, 300)])
@pytest.mark.parametrize("shift", [(2.5, 2.3), (1.0, 1.0), (3.0, 2.0)])
def test_the_limits_of_an_area_hold_where_delongs_alone_do_not(positives, negatives, shift):
    draws, alpha = 500, 0.05
    random = np.random.default_rng(positives)
    first, second = norm.cdf(np.array(shift) / np.sqrt(2.0))
    plain, high, low = 0, 0, 0
    for _ in range(draws):
        common, other = random.normal(size=positives), random.normal(size=negatives)
        p, q = (
            tuple(
                s + np.sqrt(0.9) * shared + np.sqrt(0.1) * random.normal(size=len(shared))
                for s in shifts
            )
            for shared, shifts in ((common, shift), (other, (0.0, 0.0)))
        )
        area = paired_auc(p, q)
        basis = Normal(
            baseline=area.first, candidate=area.second, standard_error=area.standard_error,
            n=area.n, fewer=area.fewer,
        )  # fmt: skip
        plain += estimate(basis) - 1.645 * area.standard_error > second - first
        low += lower(basis, alpha) > second - first
        high += upper(basis, alpha) < second - first
    assert max(low, high) / draws <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / draws)
    if positives == 10 and shift != (1.0, 1.0):
        assert plain / draws > 0.12


# --- means


def test_a_mean_is_candidate_minus_baseline():
    random = np.random.default_rng(0)
    before = random.random(400)
    basis = moments(before, before + 0.1, span=1.0)
    assert estimate(basis) == pytest.approx(0.1)
    assert basis.baseline == pytest.approx(before.mean())
    assert p_above(basis, 0.05) < 0.01
    assert p_below(basis, 0.15) < 0.01
    assert p_above(basis, 0.15) > 0.5


@pytest.mark.parametrize("scale", [1e-320, 1e-150, 1.0, 1e150, 1e300])
def test_moments_of_any_size_in_an_archive_are_judged_and_pass_nothing_they_do_not_show(scale):
    for third in (-1e300, -1.0, 0.0, 1.0, 1e300):
        basis = Moments(
            n=50, baseline=0.0, candidate=0.0, variance=scale, third=third, span=1.0
        )  # fmt: skip
        assert not lower(basis, 0.05) > -unseen(50, 0.05) / 2
        assert not upper(basis, 0.05) < unseen(50, 0.05) / 2


def test_no_rows_have_no_mean():
    none = moments(np.empty(0), np.empty(0), span=1.0)
    assert isnan(estimate(none))
    assert (lower(none, 0.05), upper(none, 0.05)) == (-inf, inf)
    assert (p_below(none, 0.0), p_above(none, 0.0)) == (1.0, 1.0)


# --- one part against the rest


@cache
def _outcomes(n: int, lost: float, won: float, alpha: float):
    """Estimate, limits and chance of every outcome that is likelier than one in a billion."""
    wins, losses = np.meshgrid(np.arange(n + 1), np.arange(n + 1))
    inside = wins + losses <= n
    counts = np.stack([losses[inside], wins[inside], n - losses[inside] - wins[inside]])
    ways = gammaln(n + 1) - gammaln(counts + 1).sum(0)
    chance = np.exp(ways + xlogy(counts.T, [lost, won, 1 - lost - won]).sum(1))
    counts, chance = counts[:, chance > 1e-9], chance[chance > 1e-9]
    bases = [change(int(x), int(y), n) for x, y in zip(counts[0], counts[1], strict=True)]
    limits = [(estimate(b), lower(b, alpha), upper(b, alpha)) for b in bases]
    return (*np.array(limits).T, chance)


@pytest.mark.parametrize("alpha", [0.05, 0.03])
@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ((20, 0.05, 0.02), (300, 0.02, 0.02)),
        ((20, 0.10, 0.0), (60, 0.0, 0.0)),
        ((30, 0.20, 0.1), (30, 0.1, 0.2)),
        ((40, 0.06, 0.01), (300, 0.01, 0.01)),
        ((100, 0.05, 0.05), (300, 0.01, 0.03)),
    ],
)
def test_a_gap_against_the_rest_is_missed_at_most_as_often_as_stated(inside, outside, alpha):
    """By exact enumeration of both parts. The formula is written out; the next test ties it."""
    a, a_low, a_high, p = _outcomes(*inside, alpha)
    b, b_low, b_high, q = _outcomes(*outside, alpha)
    truth = (inside[2] - inside[1]) - (outside[2] - outside[1])
    gap = a[:, None] - b
    low = gap - np.hypot((a - a_low)[:, None], b_high - b)
    high = gap + np.hypot((a_high - a)[:, None], b - b_low)
    chance = p[:, None] * q
    assert chance[low > truth].sum() <= 1.05 * alpha
    assert chance[high < truth].sum() <= 1.05 * alpha


@settings(max_examples=60, deadline=None)
@given(paired, paired, st.sampled_from([0.03, 0.05]))
def test_the_limits_of_a_gap_are_those_of_its_parts_added_as_squares(inside, outside, alpha):
    basis = Excess(inside=inside, outside=outside)
    a, b = estimate(inside), estimate(outside)
    below = np.hypot(a - lower(inside, alpha), upper(outside, alpha) - b)
    assert estimate(basis) == pytest.approx(a - b)
    assert lower(basis, alpha) == pytest.approx(a - b - below)
    assert n_of(basis) == min(inside.n, outside.n)


@settings(max_examples=60, deadline=None)
@given(excesses, st.sampled_from([0.03, 0.05]))
def test_a_gap_seen_from_the_other_side_is_its_mirror(basis, alpha):
    mirrored = Excess(inside=basis.outside, outside=basis.inside)
    assert lower(mirrored, alpha) == pytest.approx(-upper(basis, alpha), abs=1e-9)


def test_a_slice_that_loses_while_the_rest_gains_is_below_it():
    basis = Excess(inside=change(30, 0, 300), outside=change(0, 30, 3000))
    assert estimate(basis) == pytest.approx(-0.11)
    assert p_below(basis, -0.05) < 0.01
    assert p_above(basis, -0.05) > 0.5


def test_a_slice_that_loses_as_the_rest_does_shows_no_gap():
    basis = Excess(inside=change(30, 0, 300), outside=change(300, 0, 3000))
    assert p_below(basis, -0.02) > 0.3
    assert lower(basis, 0.05) > -0.05


# --- slices that were found


def test_the_worst_slice_found_decides_whether_all_are_cleared():
    harmless, harmed = change(0, 0, 2000), change(40, 0, 2000)
    basis = found(harmless, harmed)
    assert estimate(basis) == estimate(harmed)
    assert lower(basis, 0.05) == lower(harmed, 0.05)
    assert n_of(basis) == 2000


def test_one_slice_among_twenty_is_accused_at_an_adjusted_p():
    suspect, harmless = change(55, 5, 1500), change(0, 0, 1500)
    p = p_below(suspect, -0.02)
    alone, among = found(suspect), found(suspect, *[harmless] * 19)
    assert p < 0.05
    assert p_below(alone, -0.02) == p
    assert p_below(among, -0.02) == pytest.approx(20 * p)


@settings(max_examples=60, deadline=None)
@given(st.lists(paired, min_size=1, max_size=6))
def test_slices_found_are_accused_together_by_the_smallest_adjusted_p(bases):
    ps = [p_below(basis, -0.05) for basis in bases]
    assert p_below(found(*bases), -0.05) == pytest.approx(min(false_discovery_control(ps)))


@settings(max_examples=60, deadline=None)
@given(st.lists(paired, min_size=1, max_size=6))
def test_the_worst_of_several_is_above_a_bound_only_if_each_of_them_is(bases):
    assert p_above(found(*bases), -0.1) == max(p_above(basis, -0.1) for basis in bases)


def test_the_upper_limit_of_the_worst_of_twenty_alike_slices_holds():
    """Each loses one row in ten: the smallest of twenty limits at .05 each lies below that."""
    random, missed, naive = np.random.default_rng(1), 0, 0
    for _ in range(150):
        bases = [change(int(lost), 0, 300) for lost in random.binomial(300, 0.1, 20)]
        missed += upper(found(*bases), 0.05) < -0.1
        naive += min(upper(basis, 0.05) for basis in bases) < -0.1
    assert missed / 150 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)
    assert naive / 150 > 0.4


# --- rows in clusters


@settings(max_examples=60, deadline=None)
@given(paired, st.integers(2, 6), st.sampled_from([0.03, 0.05]))
def test_alike_rows_count_as_one_in_paired_answers_and_gaps(basis, m, alpha):
    counts = {k: m * v for k, v in basis.model_dump(exclude={"kind"}).items()}
    copied, other = Paired(**counts), change(3, 1, 50)
    others = Paired(both=46 * m, baseline_only=3 * m, candidate_only=m, neither=0)
    for end in (lower, upper):
        assert end(copied, alpha, float(m)) == pytest.approx(end(basis, alpha), abs=1e-9)
        many, once = Excess(inside=copied, outside=others), Excess(inside=basis, outside=other)
        assert end(many, alpha, float(m)) == pytest.approx(end(once, alpha), abs=1e-9)
        assert end(found(copied), alpha, float(m)) == pytest.approx(end(basis, alpha), abs=1e-9)
    assert p_below(copied, -0.05, float(m)) == pytest.approx(p_below(basis, -0.05))


@settings(max_examples=60, deadline=None)
@given(few, st.integers(1, 40), st.integers(2, 6))
def test_alike_rows_count_as_one_in_a_share(hits, more, m):
    once, copied = (
        Share(hits=hits, trials=hits + more),
        Share(hits=m * hits, trials=m * (hits + more)),
    )
    for end in (lower, upper):
        assert end(copied, 0.05, float(m)) == pytest.approx(end(once, 0.05), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(0, 1000), st.integers(10, 60))
def test_alike_rows_count_as_one_in_a_mean(m, seed, n):
    random = np.random.default_rng(seed)
    before, after = random.random(n), random.random(n) ** 3
    once = moments(before, after, span=1.0)
    copied = moments(np.repeat(before, m), np.repeat(after, m), span=1.0)
    for end in (lower, upper):
        assert end(copied, 0.05, float(m)) == pytest.approx(end(once, 0.05), rel=1e-9)


def test_alike_rows_count_as_one_in_an_area():
    """Up to the one degree of freedom that copies seem to add."""
    random = np.random.default_rng(3)
    positives, negatives = random.normal(1, 1, (2, 80)), random.normal(0, 1, (2, 120))

    def basis(copies):
        area = paired_auc(
            tuple(np.repeat(positives, copies, axis=1)), tuple(np.repeat(negatives, copies, axis=1))
        )
        return Normal(
            baseline=area.first, candidate=area.second, standard_error=area.standard_error,
            n=area.n, fewer=area.fewer,
        )  # fmt: skip

    assert lower(basis(4), 0.05, 4.0) == pytest.approx(lower(basis(1), 0.05), abs=0.001)
    assert lower(basis(4), 0.05) > lower(basis(1), 0.05) + 0.02


def test_alike_rows_count_about_as_one_in_a_disparity():
    """The bootstrap draws as many rows as are independent, so it is as wide as theirs."""
    cells = ((40, 6, 4, 50, 8, 4, 6, 60), (30, 3, 8, 40, 9, 5, 9, 45))

    def basis(copies):
        return Grouped(
            statistic="equalized-odds-difference",
            groups=tuple(
                GroupTable(group=str(i), counts=tuple(copies * c for c in row))
                for i, row in enumerate(cells)
            ),
            seed=0, replicates=2000,
        )  # fmt: skip

    assert lower(basis(5), 0.05, 5.0) == lower(basis(1), 0.05)
    assert upper(basis(5), 0.05, 5.0) == upper(basis(1), 0.05)
    assert upper(basis(5), 0.05) < upper(basis(1), 0.05) - 0.02


@settings(max_examples=60, deadline=None)
@given(st.one_of(paired, excesses, means, areas), st.floats(1, 8))
def test_dependent_rows_never_say_more_than_independent_ones(basis, effect):
    assert lower(basis, 0.05, effect) <= lower(basis, 0.05) + 1e-9
    assert upper(basis, 0.05, effect) >= upper(basis, 0.05) - 1e-9
