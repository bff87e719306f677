"""A candidate that is surer and no righter fails, although not one answer changed."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as reference_log_loss
from torch import nn
from worlds import case, counted, evaluation, reads

from govprune.checks import Scores
from govprune.checks.calibration import CALIBRATION, CLIP, brier, calibration_error, log_loss
from govprune.errors import CheckError

HONEST = 2.2  # sigmoid(1.1) = 0.75: as sure as it is right
BRIER = {"metric": "brier-change", "at_most": 0.02}


def noisy(n: int, *, lies: int = 4):
    """Rows of which every `lies`-th has the other label than its feature says, in two groups."""
    x, row = np.arange(n) % 2, np.arange(n)
    group = np.where(row % 4 < 2, "a", "b")
    return {
        "x": x,
        "in_a": np.where(group == "a", x, 0.5),
        "in_b": np.where(group == "b", x, 0.5),
        "group": group,
        "label": np.where((row // 4) % lies == 0, 1 - x, x),
    }


def two(first: float, second: float) -> nn.Linear:
    """Read `in_a` with one gain and `in_b` with another."""
    linear = nn.Linear(2, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[0.0, 0.0], [first, second]]))
        linear.bias.copy_(torch.tensor([0.0, -(first + second) / 2]))
    return linear


def test_a_candidate_that_became_too_sure_fails_although_no_answer_changed(tmp_path, ruled):
    data = evaluation(tmp_path, noisy(2000), features=("x",))
    given = case(tmp_path, reads(0, columns=1, gain=HONEST), reads(0, columns=1, gain=12), data)
    found = ruled(given, CALIBRATION, **BRIER, over="whole")
    assert found.statuses == {"all": "fail"}
    basis = found.measured("brier-change").basis
    assert basis.baseline == pytest.approx(0.1875, abs=1e-4)
    assert basis.candidate == pytest.approx(0.249, abs=1e-3)
    assert (given.baseline_scores.predictions == given.candidate_scores.predictions).all()


def test_the_log_likelihood_notices_too(tmp_path, ruled):
    data = evaluation(tmp_path, noisy(2000), features=("x",))
    given = case(tmp_path, reads(0, columns=1, gain=HONEST), reads(0, columns=1, gain=12), data)
    rule = {"metric": "negative-log-likelihood-change", "at_most": 0.2, "over": "whole"}
    found = ruled(given, CALIBRATION, **rule)
    assert found.statuses == {"all": "fail"}
    assert found.measured("negative-log-likelihood-change").notes == (
        "probabilities below 1e-12 are read as 1e-12",
    )


def test_only_the_group_whose_confidence_moved_fails(tmp_path, ruled):
    data = evaluation(tmp_path, noisy(4000), features=("in_a", "in_b"), slices=("group",))
    given = case(tmp_path, two(HONEST, HONEST), two(HONEST, 12), data)
    assert ruled(given, CALIBRATION, **BRIER).statuses == {"group=a": "pass", "group=b": "fail"}


def test_a_candidate_as_sure_as_before_passes(tmp_path, ruled):
    data = evaluation(tmp_path, noisy(2000), features=("x",), slices=("group",))
    given = case(tmp_path, reads(0, columns=1, gain=HONEST), reads(0, columns=1, gain=2.3), data)
    assert set(ruled(given, CALIBRATION, **BRIER).statuses.values()) == {"pass"}


def test_forty_rows_cannot_tell_even_where_nothing_moved(tmp_path, ruled):
    """One row of a kind that forty did not show could lose a whole point of Brier score."""
    data = evaluation(tmp_path, noisy(40), features=("x",))
    for candidate in (HONEST, 3):
        pair = (reads(0, columns=1, gain=gain) for gain in (HONEST, candidate))
        found = ruled(case(tmp_path, *pair, data), CALIBRATION, **BRIER, over="whole")
        assert found.statuses == {"all": "inconclusive"}


def test_the_losses_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 300)
    odds = random.normal(size=300)
    both = np.stack([1 - 1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(-odds))], axis=1)
    assert brier(both, labels).mean() == pytest.approx(brier_score_loss(labels, both[:, 1]))
    many, said = random.dirichlet(np.ones(5), 300), random.integers(0, 5, 300)
    halved = ((many - np.eye(5)[said]) ** 2).sum(axis=1) / 2
    assert brier(many, said) == pytest.approx(halved, abs=1e-12)
    assert log_loss(many, said).mean() == pytest.approx(
        reference_log_loss(said, many, labels=range(5))
    )


def test_the_worst_a_row_can_lose_is_the_stated_span():
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert brier(certain, np.array([1, 1])).tolist() == [1.0, 0.0]
    assert log_loss(certain, np.array([1, 1])).tolist() == [-log(CLIP), 0.0]


def test_the_calibration_error_is_that_of_a_worked_example():
    """Bins (9/15, 10/15] and (13/15, 14/15]: |1.3 - 1| + |0.9 - 1| over three rows."""
    error = calibration_error(np.array([0.65, 0.65, 0.9]), np.array([True, False, True]))
    assert error == pytest.approx((0.3 + 0.1) / 3)


def test_the_edge_of_a_bin_belongs_below_it_and_certainty_to_the_last():
    """0.2 = 3/15 closes the third bin, where a right and a wrong row at 0.19 meet it."""
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0.0
    together = calibration_error(np.array([0.2, 0.19]), np.array([False, True]))
    assert together == pytest.approx(abs(0.39 - 1) / 2)


def test_the_figure_shows_both_models_beside_their_accuracy(tmp_path, ruled):
    data = evaluation(tmp_path, noisy(2000), features=("x",), slices=("group",))
    given = case(tmp_path, reads(0, columns=1, gain=HONEST), reads(0, columns=1, gain=12), data)
    figure = ruled(given, CALIBRATION, **BRIER).figure
    assert figure.rows[0] == ("all", "2,000", "75.0 → 75.0", "0.0", "99.8 → 75.0", "24.8")
    assert [row[0] for row in figure.rows] == ["all", "group=a", "group=b"]
    assert "not judged" in figure.title


def test_answers_without_probabilities_are_refused(tmp_path, ruled):
    given = counted(tmp_path, {"a": {(0, 0, 0): 50, (1, 1, 1): 50}})
    bare = replace(given, candidate_scores=Scores(said=given.candidate_scores.said))
    with pytest.raises(CheckError, match="give the probability"):
        ruled(bare, CALIBRATION, **BRIER)
