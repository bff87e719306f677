"""The paired statistics reproduce what has been published, and hold their level."""

from itertools import product
from math import comb, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govprune.stats.paired import (
    mcnemar_exact_p,
    mcnemar_mid_p,
    newcombe_paired,
    power,
    rows_floor,
    rows_for_power,
    rows_to_decide,
    tango_lower,
    tango_upper,
    tango_z,
)

# Counts in the order n11, n10, n01, n00; the sources print first minus second, (n10 - n01) / n.
PUBLISHED = [
    pytest.param((43, 0, 1, 0), 0.90, (-0.096, 0.037), id="Tango 1998, table V"),
    pytest.param((4, 9, 3, 16), 0.95, (-0.027, 0.390), id="Tango 1998, table VII"),
    pytest.param((53, 16, 8, 9), 0.95, (-0.020, 0.207), id="Agresti & Min 2005"),
    pytest.param((1, 1, 7, 12), 0.95, (-0.517, -0.026), id="Fagerland et al. 2014"),
    pytest.param((139, 6, 16, 0), 0.95, (-0.1240, -0.0054), id="n10=6, n01=16, n=161"),
    pytest.param((0, 3, 0, 0), 0.95, (-0.123, 1.0), id="every row lost, n=3"),
]


@pytest.mark.parametrize(("counts", "level", "expected"), PUBLISHED)
def test_tango_reproduces_the_published_interval(counts, level, expected):
    _, first_only, second_only, _ = counts
    n, alpha = sum(counts), (1 - level) / 2
    # First minus second is minus our candidate minus baseline.
    low = -tango_upper(first_only, second_only, n, alpha)
    high = -tango_lower(first_only, second_only, n, alpha)

    digits = 4 if abs(expected[0]) * 1000 % 1 else 3
    assert (round(low, digits), round(high, digits)) == pytest.approx(expected, abs=10**-digits / 2)


def test_newcombe_reproduces_the_published_interval():
    low, high = newcombe_paired(1, 1, 7, 12, 0.025)

    assert (round(-high, 3), round(-low, 3)) == (-0.507, -0.026)


def test_mcnemar_reproduces_the_published_p_values():
    assert round(mcnemar_exact_p(6, 16), 6) == 0.052479
    assert round(mcnemar_mid_p(6, 16), 6) == 0.034690


@pytest.mark.parametrize(("margin", "floor"), [(0.01, 268), (0.02, 133), (0.05, 52)])
def test_the_floor_is_the_fewest_rows_that_can_pass(margin, floor):
    assert rows_floor(margin, 0.05) == floor
    assert tango_lower(0, 0, floor, 0.05) >= -margin
    assert tango_lower(0, 0, floor - 1, 0.05) < -margin


def _false_pass_rate(n, margin, gains):
    """Exact chance of a pass with the true harm exactly at the margin."""
    losses = margin + gains
    total = 0.0
    for n10, n01 in product(range(n + 1), repeat=2):
        if n10 + n01 > n or tango_lower(n10, n01, n, 0.05) < -margin:
            continue
        rest = n - n10 - n01
        ways = comb(n, n10) * comb(n - n10, n01)
        total += ways * losses**n10 * gains**n01 * (1 - losses - gains) ** rest
    return total


@pytest.mark.parametrize(
    ("margin", "n", "expected"), [(0.01, 200, 0.000), (0.02, 200, 0.018), (0.05, 200, 0.026)]
)
def test_harm_at_the_margin_passes_as_rarely_as_published(margin, n, expected):
    """No gains, one-sided 5 %: the number of losses is binomial."""
    rate = sum(
        comb(n, k) * margin**k * (1 - margin) ** (n - k)
        for k in range(n + 1)
        if tango_lower(k, 0, n, 0.05) >= -margin
    )

    assert round(rate, 3) == expected


@pytest.mark.parametrize("gains", [0.01, 0.05, 0.1])
def test_harm_at_the_margin_with_gains_passes_at_most_about_five_per_cent(gains):
    assert _false_pass_rate(60, 0.05, gains) <= 0.055


def test_power_reproduces_the_published_value():
    assert round(power(500, 0.02, 0.05, 0.04), 3) == 0.687


FIRST_ATTEMPT = 0.05 * 6 / pi**2


@pytest.mark.parametrize(("margin", "rows"), [(0.02, 344), (0.05, 103), (0.1, 32)])
def test_rows_for_power_are_what_the_packs_say(margin, rows):
    assert rows_for_power(margin, FIRST_ATTEMPT, 0.01) == rows
    assert power(rows, margin, FIRST_ATTEMPT, 0.01) >= 0.8
    assert power(rows - 1, margin, FIRST_ATTEMPT, 0.01) < 0.8


@pytest.mark.parametrize("margin", [0.01, 0.02])
def test_the_approximation_for_many_rows_is_close(margin, monkeypatch):
    exact = rows_for_power.__wrapped__(margin, 0.05, 0.05)
    monkeypatch.setattr("govprune.stats.paired.EXACT_UP_TO", 0)

    assert rows_for_power.__wrapped__(margin, 0.05, 0.05) == pytest.approx(exact, rel=0.1)


def test_a_margin_next_to_nothing_is_answered_at_once():
    assert rows_for_power(1e-5, 0.05, 0.4) > 10**9


counts = st.integers(0, 60)


@given(counts, counts, counts, st.sampled_from([0.001, 0.025, 0.05, 0.2]))
def test_the_limits_bracket_the_estimate_and_lie_in_range(lost, won, rest, alpha):
    n = lost + won + rest
    if n == 0:
        assert (tango_lower(0, 0, 0, alpha), tango_upper(0, 0, 0, alpha)) == (-1, 1)
        return
    estimate = (won - lost) / n

    assert -1 <= tango_lower(lost, won, n, alpha) <= estimate + 1e-12
    assert estimate - 1e-12 <= tango_upper(lost, won, n, alpha) <= 1


@given(counts, counts, st.integers(1, 60))
def test_swapping_the_models_mirrors_the_interval(lost, won, rest):
    n = lost + won + rest

    assert tango_lower(lost, won, n, 0.05) == -tango_upper(won, lost, n, 0.05)


@given(counts, counts, st.integers(1, 60), st.floats(-0.9, 0.8))
def test_z_falls_as_the_hypothesis_rises(lost, won, rest, delta):
    n = lost + won + rest

    assert tango_z(lost, won, n, delta) >= tango_z(lost, won, n, delta + 0.1) - 1e-9


def test_rows_to_decide_would_decide():
    """20 of 500 lost, 15 won at a margin of 2 points: cannot tell; the rows asked for can."""
    needed = rows_to_decide(20, 15, 500, -0.02, 0.05)

    assert tango_lower(20, 15, 500, 0.05) < -0.02
    factor = needed / 500
    assert tango_z(20 * factor, 15 * factor, needed, -0.02) >= 1.644


def test_rows_to_decide_is_none_where_the_effect_lies_on_the_bound():
    assert rows_to_decide(20, 10, 500, -0.02, 0.05) is None
