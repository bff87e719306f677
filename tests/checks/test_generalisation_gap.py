"""A candidate that learnt its rows by heart has a wider gap; one that was pruned need not."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from worlds import blobs, case, evaluation, mlp, reads, trained

from govprune.checks.generalisation_gap import GENERALISATION_GAP
from govprune.errors import CheckError
from govprune.measurements import Paired
from govprune.stats import estimate

GAP = {"metric": "gap-change", "at_most": 0.05}


@pytest.fixture(scope="module")
def members():
    """A fifth of the labels are wrong: what fits them has learnt them by heart."""
    return blobs(600, seed=31, gap=0.3, noise=0.2)


@pytest.fixture(scope="module")
def general(members):
    return trained(mlp(6, 2), members, steps=200)


@pytest.fixture(scope="module")
def by_heart(members):
    return trained(mlp(6, 128, 128, 2), members, steps=400)


@pytest.fixture
def others(tmp_path):
    return evaluation(tmp_path, blobs(1000, seed=32, gap=0.3, noise=0.2), features=("x*",))


def test_a_candidate_that_learnt_its_rows_by_heart_fails(
    tmp_path, general, by_heart, others, members, ruled
):
    given = case(tmp_path, general, by_heart, others, trained_on=members)
    found = ruled(given, GENERALISATION_GAP, **GAP)
    assert found.statuses == {"all": "fail"}
    assert estimate(found.measured("gap-change").basis) > 0.15


def test_a_candidate_that_forgot_passes(tmp_path, general, by_heart, others, members, ruled):
    given = case(tmp_path, by_heart, general, others, trained_on=members)
    assert ruled(given, GENERALISATION_GAP, **GAP).statuses == {"all": "pass"}


def test_the_same_model_adds_no_gap(tmp_path, by_heart, others, members, ruled):
    """However wide its own gap is: only what compression adds is asked."""
    given = case(tmp_path, by_heart, copy.deepcopy(by_heart), others, trained_on=members)
    found = ruled(given, GENERALISATION_GAP, **GAP)
    assert found.statuses == {"all": "pass"}
    assert estimate(found.measured("gap-change").basis) == 0.0


def test_forty_training_rows_cannot_tell(tmp_path, general, others, ruled):
    few = blobs(40, seed=33, gap=0.3, noise=0.2)
    given = case(tmp_path, general, copy.deepcopy(general), others, trained_on=few)
    assert ruled(given, GENERALISATION_GAP, **GAP).statuses == {"all": "inconclusive"}


def test_the_counts_and_gaps_are_those_of_the_world(tmp_path, ruled):
    """Training: 8 of 10 right, then 10. Evaluation: 15 of 20 right, then 12."""
    label = np.arange(20) % 2
    before, after = label.copy(), label.copy()
    before[:5], after[:8] = 1 - label[:5], 1 - label[:8]
    data = evaluation(
        tmp_path, {"before": before, "after": after, "label": label}, features=("before", "after")
    )
    half = label[:10]
    training = {"before": np.r_[1 - half[:2], half[2:]], "after": half, "label": half}
    given = case(tmp_path, reads(0), reads(1), data, trained_on=training)
    found = ruled(given, GENERALISATION_GAP, **GAP)
    basis = found.measured("gap-change").basis
    assert basis.inside == Paired(both=8, baseline_only=0, candidate_only=2, neither=0)
    assert basis.outside == Paired(both=12, baseline_only=3, candidate_only=0, neither=5)
    assert estimate(basis) == pytest.approx(0.2 + 0.15)
    assert found.figure.rows == (
        ("training", "10", "80.0", "100.0", "+20.0"),
        ("evaluation", "20", "75.0", "60.0", "−15.0"),
        ("gap", "", "5.0", "40.0", "+35.0"),
    )


def test_without_declared_rows_nothing_is_claimed(tmp_path, general, others, ruled):
    with pytest.raises(CheckError, match="name the data that trained or fine-tuned the models"):
        ruled(case(tmp_path, general, general, others), GENERALISATION_GAP, **GAP)


def test_predictions_alone_are_refused(tmp_path, general, others, members, ruled):
    given = case(tmp_path, general, general, others, trained_on=members)
    with pytest.raises(CheckError, match="only predictions were given"):
        ruled(replace(given, models=None), GENERALISATION_GAP, **GAP)
