"""Who is accused: the tail is the exact one, and no model at its bound is accused too often."""

from itertools import product
from statistics import NormalDist
from time import perf_counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, xlogy
from scipy.stats import poisson

from govprune.stats.accusation import UNSURPRISING, p_harm
from govprune.stats.paired import tango_nuisance, tango_z

bounds = st.sampled_from([-0.2, -0.1, -0.05, -0.02, -0.01, 0.0, 0.05])


def outcomes(n: int) -> np.ndarray:
    """All losses, gains and other rows that n rows can show, shape (outcomes, 3)."""
    return np.array([(i, j, n - i - j) for i in range(n + 1) for j in range(n + 1 - i)])


def chances(every: np.ndarray, lost: float, gained: float) -> np.ndarray:
    """Multinomial chance of each outcome."""
    shares = np.maximum([lost, gained, 1.0 - lost - gained], 0.0)
    ways = gammaln(every.sum(1) + 1) - gammaln(every + 1).sum(1)
    return np.exp(ways + xlogy(every, shares).sum(1))


@st.composite
def counts(draw, most=25):
    n = draw(st.integers(1, most))
    losses = draw(st.integers(0, n))
    return losses, draw(st.integers(0, n - losses)), n


# --- the tail


@settings(max_examples=80, deadline=None)
@given(counts(), bounds)
def test_the_p_value_is_the_sum_over_all_outcomes_at_least_as_surprising(seen, bound):
    losses, gains, n = seen
    z = tango_z(losses, gains, n, bound)
    assume(NormalDist().cdf(z) <= UNSURPRISING)
    lost = tango_nuisance(losses, gains, n, bound)
    gained = max(lost + bound, 0.0)
    every = outcomes(n)
    surprising = np.array([tango_z(i, j, n, bound) <= z + 1e-12 for i, j, _ in every.tolist()])
    chance = chances(every, lost, gained)
    assert p_harm(losses, gains, n, bound) == pytest.approx(chance[surprising].sum(), abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(counts(most=200), bounds)
def test_a_p_value_is_a_probability_and_falls_with_every_loss(seen, bound):
    losses, gains, n = seen
    p = p_harm(losses, gains, n, bound)
    assert 0.0 <= p <= 1.0
    # Above the p-values at which nobody is accused, the normal tail is returned as it is.
    if losses + gains < n and p <= UNSURPRISING:
        assert p_harm(losses + 1, gains, n, bound) <= p + 1e-9


@settings(max_examples=100, deadline=None)
@given(counts(most=100), bounds)
def test_a_gain_in_place_of_a_loss_accuses_less(seen, bound):
    losses, gains, n = seen
    assume(losses > 0)
    assert p_harm(losses - 1, gains + 1, n, bound) >= p_harm(losses, gains, n, bound) - 1e-9


def test_half_a_row_is_rounded_for_the_accused_whichever_side_of_zero_the_bound_is_on():
    """More rows dilute a loss; but they fall further short of a gain that was required."""
    assert p_harm(9.5, 0.5, 100.5, -0.02) == p_harm(9, 1, 101, -0.02)
    assert p_harm(2.5, 0.5, 100.5, 0.05) == p_harm(2, 1, 100, 0.05)
    assert p_harm(2, 1, 100, 0.05) > p_harm(2, 1, 101, 0.05)


def test_no_rows_accuse_nobody():
    assert p_harm(0, 0, 0, -0.02) == 1.0
    assert p_harm(0.3, 0.0, 0.4, 0.05) == 1.0


# --- the size


def size(n: int, bound: float, levels: list[float], nuisances: np.ndarray) -> np.ndarray:
    """Largest chance of an accusation over nuisances, relative to each level: exact."""
    every = outcomes(n)
    ps = np.array([p_harm(i, j, n, bound) for i, j, _ in every.tolist()])
    worst = np.zeros(len(levels))
    for lost in nuisances:
        gained = lost + bound
        if gained < 0 or lost + gained > 1:
            continue
        chance = chances(every, lost, gained)
        shares = np.array([chance[ps <= level].sum() / level for level in levels])
        worst = np.maximum(worst, shares)
    return worst


@pytest.mark.parametrize(
    ("n", "bound"), [(20, -0.1), (50, -0.02), (50, -0.1), (80, -0.05), (50, 0.05)]
)
def test_a_model_exactly_at_its_bound_is_accused_as_rarely_as_stated(n, bound):
    """At .05, and at what Holm leaves of it among 2, 20 and 50 slices."""
    least = max(-bound, 0.0)
    nuisances = np.concatenate([least + np.array([0, 0.002, 0.01]), np.linspace(least, 0.5, 12)])
    assert (size(n, bound, [0.05, 0.025, 0.0025, 0.001], nuisances) <= 1.1).all()


def test_the_normal_tail_accuses_three_times_too_often_where_few_answers_change():
    """10,000 rows at their bound of .1 points: some ten losses, one gain; level .001."""
    every = np.arange(45)
    chance = np.outer(poisson.pmf(every, 10.9), poisson.pmf(every, 0.9))

    def accused(p_value):
        ps = np.array([[p_value(i, j) for j in every.tolist()] for i in every.tolist()])
        return chance[ps <= 0.001].sum() / 0.001

    assert accused(lambda i, j: NormalDist().cdf(tango_z(i, j, 10_000, -0.001))) > 3.0
    assert accused(lambda i, j: p_harm(i, j, 10_000, -0.001)) < 1.1


def test_the_normal_tail_takes_over_without_a_step():
    """Around 3,000 changed answers both agree to a few per cent at a p of .01."""
    n, bound = 40_000, -0.02
    found = []
    for losses, gains in ((1890, 950), (2100, 1148)):
        found.append(p_harm(losses, gains, n, bound))
        normal = NormalDist().cdf(tango_z(losses, gains, n, bound))
        assert found[-1] == pytest.approx(normal, rel=0.1)
    assert all(0.001 < p < 0.1 for p in found)


# --- the speed


def test_twenty_thousand_rows_are_enumerated_at_once():
    cases = [(losses, gains) for losses, gains in product(range(440, 480, 4), (20, 40))]
    cases.append((1520, 1050))
    start = perf_counter()
    ps = [p_harm(losses, gains, 20_000, -0.02) for losses, gains in cases]
    assert perf_counter() - start < 2.0
    assert any(p < 0.05 for p in ps)
