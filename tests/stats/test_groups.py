"""Statistics over groups are Fairlearn's on the rows; the bootstrap is that of the rows."""

import warnings

import numpy as np
import pytest
from fairlearn import metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from govprune.stats.groups import (
    BASELINE,
    CANDIDATE,
    LABEL,
    bootstrap,
    statistic_of,
    value_of,
)

STATISTICS = (
    "demographic-parity-difference",
    "demographic-parity-ratio",
    "equalized-odds-difference",
    "equalized-odds-ratio",
)
tables = st.lists(st.lists(st.integers(0, 40), min_size=8, max_size=8), min_size=2, max_size=5).map(
    np.array
)


def by_fairlearn(cells, statistic, predicted):
    """Write the counts out as rows and ask Fairlearn."""
    group, cell = np.nonzero(cells)
    repeat = cells[group, cell]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Fairlearn divides 0 by 0 on the way
        return getattr(metrics, statistic.replace("-", "_"))(
            np.repeat(LABEL[cell], repeat),
            np.repeat(predicted[cell], repeat),
            sensitive_features=np.repeat(group, repeat),
        )


@pytest.mark.parametrize("statistic", STATISTICS)
@settings(max_examples=10, deadline=None)
@given(cells=tables)
def test_every_defined_value_is_fairlearns_on_the_rows(statistic, cells):
    cells = cells + 1  # every rate exists
    for predicted in (BASELINE, CANDIDATE):
        ours = float(statistic_of(cells.astype(float), statistic, predicted))
        assert ours - by_fairlearn(cells, statistic, predicted) == 0.0


@settings(max_examples=60, deadline=None)
@given(cells=tables)
def test_differences_and_ratios_stay_between_0_and_1_or_are_undefined(cells):
    for statistic in STATISTICS:
        value = float(statistic_of(cells.astype(float), statistic, CANDIDATE))
        assert np.isnan(value) or 0.0 <= value <= 1.0


@settings(max_examples=60, deadline=None)
@given(cells=tables)
def test_swapping_the_models_turns_the_change_round(cells):
    swapped = cells[:, [0, 2, 1, 3, 4, 6, 5, 7]].astype(float)
    for statistic in (*STATISTICS, "precision"):
        ours, back = (
            float(value_of(cells.astype(float), statistic, "change")),
            float(value_of(swapped, statistic, "change")),
        )
        assert ours == -back or (np.isnan(ours) and np.isnan(back))


def test_a_group_without_positives_makes_equalized_odds_undefined_where_fairlearn_says_0():
    cells = np.array([[40, 0, 0, 10, 5, 0, 0, 45], [40, 0, 0, 10, 0, 0, 0, 0]])
    assert by_fairlearn(cells, "equalized-odds-difference", CANDIDATE) == 0.9
    assert np.isnan(statistic_of(cells.astype(float), "equalized-odds-difference", CANDIDATE))


def test_nobody_selected_has_no_ratio_and_no_precision():
    cells = np.array([[40.0, 0, 0, 0, 40, 0, 0, 0], [10, 0, 0, 0, 10, 0, 0, 0]])
    for statistic in ("demographic-parity-ratio", "equalized-odds-ratio", "precision"):
        assert np.isnan(statistic_of(cells, statistic, CANDIDATE))
    assert statistic_of(cells, "demographic-parity-difference", CANDIDATE) == 0.0


def test_precision_is_the_share_of_the_selected_that_are_positive():
    cells = np.array([[10.0, 3, 2, 5, 4, 6, 1, 9]])
    assert statistic_of(cells, "precision", BASELINE) == (1 + 9) / (2 + 5 + 1 + 9)
    assert statistic_of(cells, "precision", CANDIDATE) == (6 + 9) / (3 + 5 + 6 + 9)


def test_the_bootstrap_repeats_itself_and_depends_on_the_seed():
    cells = np.array([[30.0, 5, 4, 11, 9, 3, 6, 32], [20, 3, 2, 15, 12, 6, 2, 40]])
    first = bootstrap(cells, "equalized-odds-difference", "change", seed=1, replicates=500)
    again = bootstrap(cells, "equalized-odds-difference", "change", seed=1, replicates=500)
    other = bootstrap(cells, "equalized-odds-difference", "change", seed=2, replicates=500)
    assert (first == again).all()
    assert (first != other).any()
    assert (np.diff(first) >= 0).all()


def test_the_bootstrap_agrees_with_drawing_rows():
    """Means and quantiles of 2,000 replicates of each, within Monte Carlo error."""
    cells = np.array([[60, 10, 8, 22, 18, 6, 12, 64], [40, 6, 4, 30, 24, 12, 4, 80]])
    ours = bootstrap(
        cells.astype(float), "demographic-parity-difference", "change", seed=0, replicates=2000
    )
    rows = np.repeat(np.arange(16), cells.reshape(-1))
    random = np.random.default_rng(1)
    drawn = [
        np.bincount(random.choice(rows, len(rows)), minlength=16).reshape(2, 8)
        for _ in range(2000)
    ]  # fmt: skip
    theirs = value_of(np.array(drawn, dtype=float), "demographic-parity-difference", "change")
    spread = theirs.std()
    assert abs(ours.mean() - theirs.mean()) < 0.12 * spread
    for p in (0.05, 0.5, 0.95):
        assert abs(np.quantile(ours, p) - np.quantile(theirs, p)) < 0.25 * spread


def test_replicates_without_a_denominator_are_dropped_and_not_counted_as_zero():
    cells = np.array([[50.0, 0, 0, 50, 1, 0, 0, 1], [50, 0, 0, 50, 40, 0, 0, 60]])
    found = bootstrap(cells, "equalized-odds-difference", "change", seed=0, replicates=1000)
    assert 500 < len(found) < 950
    assert np.isfinite(found).all()
