"""Losses that an average hides, flips that cancel out, and models that say one thing to all."""

import numpy as np
import pytest
from worlds import asked, case, counted, evaluation, reads

from govprune.checks.degenerate_predictor import DEGENERATE_PREDICTOR
from govprune.checks.fairness import FAIRNESS
from govprune.checks.flips import FLIPS
from govprune.checks.slice_performance import SLICE_PERFORMANCE
from govprune.measurements import Paired, Share
from govprune.stats import estimate

RIGHT = {(0, 0, 0): 450, (1, 1, 1): 450}


# --- slice-performance


def test_a_collapsed_minority_fails_although_the_whole_looks_fine(tmp_path):
    """900 rows untouched, 30 of 100 lost in one slice: overall -3 points, slice -30."""
    minority = {(0, 0, 0): 50, (1, 1, 1): 20, (1, 1, 0): 30}
    found = asked(counted(tmp_path, {"most": RIGHT, "few": minority}), SLICE_PERFORMANCE)
    assert estimate(found.basis("accuracy-change")) == -0.03
    assert estimate(found.basis("accuracy-change", "group=few")) == -0.30
    assert found.statuses("no-slice-loses-accuracy") == {"group=few": "fail", "group=most": "pass"}


def test_the_counts_per_slice_and_class_are_those_of_the_world(tmp_path):
    cells = {(0, 0, 0): 40, (0, 1, 0): 3, (1, 1, 1): 50, (1, 1, 0): 5, (1, 0, 1): 2, (1, 0, 0): 7}
    found = asked(counted(tmp_path, {"a": cells, "b": RIGHT}), SLICE_PERFORMANCE)
    assert found.basis("recall-change", "group=a", "1") == Paired(
        both=50, baseline_only=5, candidate_only=2, neither=7
    )
    assert found.basis("recall-change", "group=a", "0") == Paired(
        both=40, baseline_only=0, candidate_only=3, neither=0
    )
    assert found.basis("accuracy-change", "group=a") == Paired(
        both=90, baseline_only=5, candidate_only=5, neither=7
    )


def test_equal_answers_pass_everywhere(tmp_path):
    found = asked(counted(tmp_path, {"a": RIGHT, "b": RIGHT}), SLICE_PERFORMANCE)
    for rule in ("accuracy-holds", "no-slice-loses-accuracy", "no-class-loses-recall"):
        assert set(found.statuses(rule).values()) == {"pass"}


def test_twenty_rows_without_a_change_cannot_tell(tmp_path):
    few = {(0, 0, 0): 10, (1, 1, 1): 10}
    found = asked(counted(tmp_path, {"most": RIGHT, "few": few}), SLICE_PERFORMANCE)
    assert found.statuses("no-slice-loses-accuracy")["group=few"] == "inconclusive"


def test_a_class_of_many_that_is_forgotten_is_named(tmp_path):
    """Three classes: the rarest loses 20 of 60, accuracy over 1,260 rows loses 1.6 points."""
    cells = {(0, 0, 0): 600, (1, 1, 1): 600, (2, 2, 2): 40, (2, 2, 0): 20}
    found = asked(
        counted(tmp_path, {"a": cells}, classes=3), SLICE_PERFORMANCE, policy_pack="baseline"
    )
    assert found.statuses("no-class-loses-recall") == {"all 0": "pass", "all 1": "pass",
                                                       "all 2": "fail"}  # fmt: skip


# --- flips


def test_equal_accuracy_with_many_harm_flips_fails(tmp_path):
    """50 rows lost and 50 won of 1,000: accuracy stands still, every tenth person is affected."""
    cells = {(0, 0, 0): 450, (1, 1, 1): 450, (1, 1, 0): 50, (0, 1, 0): 50}
    found = asked(counted(tmp_path, {"a": cells}), FLIPS, SLICE_PERFORMANCE)
    assert estimate(found.basis("accuracy-change")) == 0.0
    assert found.basis("harm-flip-rate") == Share(hits=50, trials=1000)
    assert found.basis("gain-flip-rate") == Share(hits=50, trials=1000)
    assert found.status("few-harm-flips") == "fail"


def test_few_flips_pass_and_few_rows_cannot_tell(tmp_path):
    some = {(0, 0, 0): 500, (1, 1, 1): 496, (1, 1, 0): 4}
    (tmp_path / "many").mkdir()
    (tmp_path / "few").mkdir()
    assert asked(counted(tmp_path / "many", {"a": some}), FLIPS).status("few-harm-flips") == "pass"
    few = {(0, 0, 0): 30, (1, 1, 1): 29, (1, 1, 0): 1}
    found = asked(counted(tmp_path / "few", {"a": few}), FLIPS)
    assert found.status("few-harm-flips") == "inconclusive"


def test_one_wrong_class_for_another_is_no_flip_but_is_noted(tmp_path):
    cells = {(0, 0, 0): 50, (1, 1, 1): 40, (2, 2, 2): 40, (2, 0, 1): 10}
    given = counted(tmp_path, {"a": cells}, classes=3)
    found = asked(given, FLIPS, policy_pack="baseline")
    assert found.basis("harm-flip-rate").hits == 0
    assert found.measured("harm-flip-rate").notes == (
        "10 rows went from one wrong class to another",
    )


# --- degenerate-predictor


def test_a_constant_candidate_fails_although_its_fairness_gaps_are_zero(tmp_path):
    """It says yes to everybody: equalized odds and demographic parity are perfect."""
    half = {(1, 1, 1): 300, (1, 0, 1): 50, (0, 0, 1): 150, (0, 1, 1): 20}
    given = counted(tmp_path, {"a": half, "b": half | {(0, 0, 1): 190}})
    found = asked(given, DEGENERATE_PREDICTOR, FAIRNESS)
    assert estimate(found.basis("equalized-odds-difference-change", "group")) < 0
    assert found.statuses("equalized-odds-holds") == {"group": "pass"}
    assert found.status("no-class-lost") == "fail"
    assert found.measured("classes-lost").notes == ("never predicted any more: 0",)
    assert found.status("no-class-nearly-lost") == "fail"


def test_a_nearly_constant_candidate_fails(tmp_path):
    cells = {(0, 0, 0): 4, (0, 0, 1): 296, (1, 1, 1): 300}
    found = asked(counted(tmp_path, {"a": cells}), DEGENERATE_PREDICTOR)
    assert found.status("no-class-lost") == "pass"
    assert found.status("no-class-nearly-lost") == "fail"
    assert found.basis("rarest-class-kept").value == pytest.approx(4 / 300)


def test_a_candidate_with_one_output_for_all_fails(tmp_path):
    columns = {"before": [0, 1] * 100, "flat": [1, 1] * 100, "label": [0, 1] * 100}
    data = evaluation(tmp_path, columns, features=("before", "flat"))
    found = asked(case(tmp_path, reads(0), reads(1), data), DEGENERATE_PREDICTOR)
    assert found.status("outputs-differ") == "fail"


def test_a_healthy_candidate_is_not_degenerate(tmp_path):
    found = asked(counted(tmp_path, {"a": RIGHT}), DEGENERATE_PREDICTOR)
    for rule in ("no-class-lost", "no-class-nearly-lost", "outputs-differ",
                 "confidence-not-saturated"):  # fmt: skip
        assert found.status(rule) == "pass"


def test_a_class_that_the_baseline_never_predicted_is_not_lost(tmp_path):
    found = asked(counted(tmp_path, {"a": {(0, 0, 0): 90, (1, 0, 0): 60}}), DEGENERATE_PREDICTOR)
    assert found.status("no-class-lost") == "pass"


def test_confidence_blown_up_to_one_fails(tmp_path):
    """The same answers with a hundred times the logits: never wrong, and never in doubt."""
    label = np.arange(400) % 2
    data = evaluation(tmp_path, {"x": label, "label": label}, features=("x",))
    given = case(tmp_path, reads(0, columns=1), reads(0, columns=1, gain=600.0), data)
    assert asked(given, DEGENERATE_PREDICTOR).status("confidence-not-saturated") == "fail"


def test_twenty_rows_cannot_tell_whether_confidence_grew(tmp_path):
    found = asked(counted(tmp_path, {"a": {(0, 0, 0): 10, (1, 1, 1): 10}}), DEGENERATE_PREDICTOR)
    assert found.status("confidence-not-saturated") == "inconclusive"
