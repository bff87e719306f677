"""Limits of a mean hold where Student's do not: few rows, skewed losses, and rows never seen."""

from math import inf

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import bootstrap, moment, t

from govprune.measurements import Moments
from govprune.stats.limits import p_above
from govprune.stats.means import (
    FEWEST,
    Central,
    benjamini_hochberg,
    mean_lower,
    mean_upper,
    mover,
    unseen,
)

WORLDS = 1500
values = st.floats(-100, 100, allow_subnormal=False)
samples = arrays(np.float64, st.integers(0, 60), elements=values)


def noise(alpha: float, draws: int = WORLDS) -> float:
    """What simulation may add to a share: three standard errors."""
    return 3.0 * float(np.sqrt(alpha * (1 - alpha) / draws))


def misses(rows: np.ndarray, truth: float, span: float, alpha: float) -> tuple[float, float]:
    """Share of the samples whose lower limit lies above the truth, and whose upper lies below."""
    moments = [Central.of(row) for row in rows]
    low = [mean_lower(m, span=span, alpha=alpha) > truth for m in moments]
    high = [mean_upper(m, span=span, alpha=alpha) < truth for m in moments]
    return float(np.mean(low)), float(np.mean(high))


# --- moments


@settings(max_examples=200, deadline=None)
@given(samples, st.lists(st.integers(0, 60), max_size=4))
@example(np.array([1.0, 2.0, 4.0]), [0, 3])
def test_moments_of_parts_add_up_to_those_of_the_whole(whole, cuts):
    total = Central(0, 0.0, 0.0, 0.0)
    for part in np.split(whole, sorted(cuts)):
        total = total + Central.of(part)
    expected = Central.of(whole)
    assert total.n == expected.n == len(whole)
    assert total.mean == pytest.approx(expected.mean, abs=1e-9)
    assert total.squares == pytest.approx(expected.squares, rel=1e-9, abs=1e-6)
    assert total.cubes == pytest.approx(expected.cubes, rel=1e-9, abs=1e-4)


@settings(max_examples=100, deadline=None)
@given(arrays(np.float64, st.integers(2, 60), elements=values))
def test_moments_are_those_of_numpy_and_scipy(sample):
    assume(np.ptp(sample) > 1e-3)  # scipy warns of values that are nearly alike
    found = Central.of(sample)
    assert found.mean == pytest.approx(np.mean(sample), abs=1e-9)
    assert found.variance == pytest.approx(np.var(sample, ddof=1), rel=1e-9, abs=1e-9)
    assert found.third == pytest.approx(moment(sample, 3), rel=1e-9, abs=1e-6)


# --- coverage


def rare(rate, size=1.0, jitter=0.0):
    """Most rows hardly change, a few by the whole span."""

    def draw(random, shape):
        return random.normal(0, jitter, shape) + size * (random.random(shape) < rate)

    return draw, rate * size, 1.0


def rare_lognormal(random, shape):
    tail = np.minimum(random.lognormal(0, 1, shape), 20.0) / 20.0
    return np.where(random.random(shape) < 0.01, tail, 0.0)


def rare_lognormal_mean():
    # E min(X, 20) for a standard lognormal X, by its two parts.
    from scipy.stats import norm

    edge = np.log(20.0)
    return 0.01 * (np.exp(0.5) * norm.cdf(edge - 1) + 20.0 * norm.sf(edge)) / 20.0


def brier(random, shape):
    """Difference of two Brier scores: the candidate says what is true and some noise, clipped."""
    true = random.choice([0.1, 0.9], shape)
    answer = random.random(shape) < true
    said = true + random.choice([-0.1, 0.1], shape)
    return (said - answer) ** 2 - (true - answer) ** 2


SKEWED = {
    "normal": (lambda r, s: r.normal(0, 1, s), 0.0, 4.0),
    "lognormal": (lambda r, s: r.lognormal(0, 1, s), float(np.exp(0.5)), 20.0),
    "exponential": (lambda r, s: r.exponential(1, s), 1.0, 10.0),
    "one in a hundred": rare(0.01),
    "three in a thousand": rare(0.003),
    "three in a hundred": rare(0.03),
    "one in a hundred beside noise": rare(0.01, jitter=0.1),
    "99 % zeros": (rare_lognormal, float(rare_lognormal_mean()), 1.0),
    "brier": (brier, 0.01, 1.0),
    "rare both ways": (
        lambda r, s: (r.random(s) < 0.02) * r.choice([-1.0, 1.0], s), 0.0, 1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("n", [20, 100, 400, 2000])
@pytest.mark.parametrize("name", SKEWED)
def test_each_limit_misses_the_truth_at_most_as_often_as_it_says(name, n):
    draw, truth, span = SKEWED[name]
    rows = draw(np.random.default_rng(n), (WORLDS, n))
    for alpha in (0.05, 0.03):
        low, high = misses(rows, truth, span, alpha)
        assert low <= alpha + noise(alpha)
        assert high <= alpha + noise(alpha)


@pytest.mark.parametrize("expected", [1, 3, 5])
@pytest.mark.parametrize("relative", [0.5, 1.0, 2.0])
def test_noise_and_rows_never_seen_do_not_conspire(expected, relative):
    """The worst case for two widths of which only the larger counts: both about alike."""
    n, alpha, draws = 100, 0.05, 4000
    jitter = relative * unseen(n, alpha) * np.sqrt(n) / 1.645
    draw, truth, span = rare(expected / n, jitter=jitter)
    rows = draw(np.random.default_rng(expected), (draws, n))
    high = misses(rows, truth, span, alpha)[1]
    assert high <= alpha + noise(alpha, draws)


def test_a_plain_t_clears_rare_large_harm_far_more_often_than_it_says():
    """One row in a hundred loses everything; of 100 rows, 37 % of samples show none of it."""
    draw, truth, span = rare(0.01, jitter=0.02)
    rows = draw(np.random.default_rng(1), (WORLDS, 100))
    plain = rows.mean(1) + t.ppf(0.95, 99) * rows.std(1, ddof=1) / 10.0
    assert (plain < truth).mean() > 0.30
    assert misses(rows, truth, span, 0.05)[1] <= 0.05


def test_a_heavy_tail_is_followed_further_than_by_a_plain_t():
    draw, truth, _ = SKEWED["lognormal"]
    rows = draw(np.random.default_rng(2), (WORLDS, 100))
    plain = rows.mean(1) + t.ppf(0.95, 99) * rows.std(1, ddof=1) / 10.0
    assert (plain < truth).mean() > 0.05 + noise(0.05)
    # Even where no row is larger than what was seen: the cubic alone, without what is unseen.
    assert misses(rows, truth, 0.0, 0.05)[1] < (plain < truth).mean() - 0.01


@pytest.mark.parametrize("shape", ["exponential", "lognormal", "normal"])
def test_the_ends_are_those_of_a_bca_bootstrap(shape):
    """Where skewness widens an end; where it would narrow it, the wider of the two is kept."""
    draw = SKEWED[shape][0]
    sample = draw(np.random.default_rng(3), 300)
    bca = bootstrap(
        (sample,), np.mean, confidence_level=0.9, method="BCa", n_resamples=4000,
        vectorized=True, rng=np.random.default_rng(4),
    ).confidence_interval  # fmt: skip
    moments, error = Central.of(sample), sample.std(ddof=1) / np.sqrt(300)
    high = mean_upper(moments, span=0.0, alpha=0.05)
    low = mean_lower(moments, span=0.0, alpha=0.05)
    assert (high - bca.high) / error == pytest.approx(0.0, abs=0.15)
    assert -0.4 < (low - bca.low) / error < 0.1


# --- few rows, and rows that are all alike


@pytest.mark.parametrize("n", [10, 50, 298])
def test_rows_without_any_difference_pass_no_margin_that_unseen_rows_could_break(n):
    """298 rows without a difference leave one in a hundred unseen, at a level of .05."""
    same = Central.of(np.zeros(n))
    assert mean_upper(same, span=1.0, alpha=0.05) > 0.01
    assert mean_lower(same, span=1.0, alpha=0.05) < -0.01


def test_enough_rows_without_any_difference_pass():
    same = Central.of(np.zeros(300))
    assert mean_upper(same, span=1.0, alpha=0.05) < 0.01
    assert mean_lower(same, span=1.0, alpha=0.05) > -0.01


def test_a_shift_of_all_rows_alike_is_known_up_to_rows_never_seen():
    shifted = Central.of(np.full(1000, 0.25))
    left = unseen(1000, 0.05)
    # A share `left` of rows at -1 or at 1 instead.
    assert mean_lower(shifted, span=1.0, alpha=0.05) == pytest.approx(0.25 - left * 1.25)
    assert mean_upper(shifted, span=1.0, alpha=0.05) == pytest.approx(0.25 + left)
    assert mean_upper(shifted, span=0.0, alpha=0.05) == pytest.approx(0.25)


def test_a_gain_of_nearly_all_rows_does_not_hide_rare_losses():
    """Rows gain .5 or, some of them, lose everything: ten rows that all gain leave that open."""
    draws, n, alpha = 20_000, 10, 0.05
    share = unseen(n, alpha) * 0.99  # all ten gain slightly more often than alpha says
    lost = np.random.default_rng(5).random((draws, n)) < share
    untouched = (~lost).all(axis=1).mean()
    assert untouched > alpha
    truth = 0.5 - 1.5 * share
    assert mean_lower(Central.of(np.full(n, 0.5)), span=1.0, alpha=alpha) <= truth


@pytest.mark.parametrize("n", [0, 1, FEWEST - 1])
def test_fewer_than_ten_rows_say_nothing(n):
    few = Central.of(np.linspace(0, 1, n))
    assert (mean_lower(few, span=1.0, alpha=0.05), mean_upper(few, span=1.0, alpha=0.05)) == (
        -inf, inf,
    )  # fmt: skip
    assert mean_upper(Central.of(np.linspace(0, 1, FEWEST)), span=1.0, alpha=0.05) < inf


def test_ninety_rows_of_nine_people_say_nothing():
    ninety = Central.of(np.repeat(np.linspace(0, 1, 9), 10))
    assert mean_lower(ninety, span=1.0, alpha=0.05, design_effect=10.0) == -inf


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float64, st.integers(10, 60), elements=st.floats(-1, 1)),
    st.floats(0, 3),
    st.floats(0.001, 0.3),
)
def test_limits_mirror_enclose_the_mean_and_widen_with_confidence(sample, span, alpha):
    found = Central.of(sample)
    low = mean_lower(found, span=span, alpha=alpha)
    high = mean_upper(found, span=span, alpha=alpha)
    assert low <= found.mean <= high
    assert mean_upper(Central.of(-sample), span=span, alpha=alpha) == pytest.approx(-low)
    assert mean_lower(found, span=span, alpha=alpha / 2) <= low
    assert mean_lower(found, span=span + 1, alpha=alpha) < low
    assert mean_lower(found, span=span, alpha=alpha, design_effect=1.0 + alpha) <= low


def test_a_share_that_n_rows_did_not_show_is_the_exact_one():
    assert (1.0 - unseen(59, 0.05)) ** 59 == pytest.approx(0.05)
    assert unseen(0, 0.05) == 1.0


# --- two estimates, and many p-values


def test_limits_of_a_difference_add_as_squares():
    """Zou and Donner (2008): with limits at equal distances it is Student's pooled error."""
    low, high = mover((0.5, 0.4, 0.6), (0.2, 0.125, 0.275))
    assert (low, high) == (pytest.approx(0.3 - 0.125), pytest.approx(0.3 + 0.125))


def test_each_end_uses_the_ends_that_matter_to_it():
    """Low is where the first is low and the second high."""
    low, high = mover((0.5, 0.5, 0.9), (0.2, 0.0, 0.2))
    assert low == pytest.approx(0.3)
    assert high == pytest.approx(0.3 + np.hypot(0.4, 0.2))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_p_values_are_adjusted_as_scipy_adjusts_them(ps):
    from scipy.stats import false_discovery_control

    assert benjamini_hochberg(ps) == pytest.approx(false_discovery_control(ps))


def test_a_small_slice_that_misses_the_rare_good_row_accuses_nobody():
    """Differences of +.04 but for one row in 52 of -1: the mean is exactly the margin of .02."""
    random = np.random.default_rng(0)
    for n, most in ((28, 0.05), (100, 0.05), (400, 0.08)):
        accused = 0
        for _ in range(300):
            rows = np.where(random.random(n) < 0.0192, -1.0, 0.04) + random.normal(0, 0.01, n)
            central = Central.of(rows)
            basis = Moments(
                n=n, baseline=0.0, candidate=central.mean, variance=central.variance,
                third=central.third, span=2.0,
            )  # fmt: skip
            accused += p_above(basis, 0.02) < 0.0304
        assert accused / 300 <= most, n
