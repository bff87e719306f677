"""Confidence that moved is measured; who bore the change is shown by the baseline's margin."""

import copy
from dataclasses import replace
from math import log

import numpy as np
import pytest
from scipy.special import rel_entr
from worlds import case, counted, evaluation, reads

from govprune.checks import Scores
from govprune.checks.margin_shift import CLIP, MARGIN_SHIFT, divergence, margins
from govprune.errors import CheckError
from govprune.stats import estimate

CONFIDENCE = {"metric": "confidence-change", "at_least": -0.05, "at_most": 0.05}
APART = {"metric": "divergence", "at_most": 0.05, "over": "whole"}


def plain(folder, n: int, *, gain: float):
    """One feature read as sigmoid(1.1) = 0.75 by the baseline, with another gain afterwards."""
    x = np.arange(n) % 2
    columns = {"x": x, "label": x, "group": np.where(np.arange(n) % 4 < 2, "a", "b")}
    data = evaluation(folder, columns, features=("x",), slices=("group",))
    return case(folder, reads(0, columns=1, gain=2.2), reads(0, columns=1, gain=gain), data)


def test_a_candidate_in_doubt_fails_in_every_slice(tmp_path, ruled):
    found = ruled(plain(tmp_path, 2000, gain=0.8), MARGIN_SHIFT, **CONFIDENCE)
    assert found.statuses == {"group=a": "fail", "group=b": "fail"}
    basis = found.measured("confidence-change").basis
    assert (basis.baseline, basis.candidate) == pytest.approx((0.7503, 0.5987), abs=1e-4)


def test_outputs_that_drifted_far_from_the_baseline_fail(tmp_path, ruled):
    found = ruled(plain(tmp_path, 2000, gain=0.2), MARGIN_SHIFT, **APART)
    assert found.statuses == {"all": "fail"}
    assert estimate(found.measured("divergence").basis) == pytest.approx(0.108, abs=1e-3)


def test_a_candidate_that_became_too_sure_fails_as_well(tmp_path, ruled):
    found = ruled(plain(tmp_path, 2000, gain=12), MARGIN_SHIFT, **CONFIDENCE)
    assert found.statuses == {"group=a": "fail", "group=b": "fail"}


def test_the_same_confidence_passes(tmp_path, ruled):
    given = plain(tmp_path, 2400, gain=2.3)
    assert set(ruled(given, MARGIN_SHIFT, **CONFIDENCE).statuses.values()) == {"pass"}
    assert ruled(given, MARGIN_SHIFT, **APART).statuses == {"all": "pass"}


def test_forty_rows_cannot_tell(tmp_path, ruled):
    given = plain(tmp_path, 40, gain=2.5)
    assert set(ruled(given, MARGIN_SHIFT, **CONFIDENCE).statuses.values()) == {"inconclusive"}
    assert ruled(given, MARGIN_SHIFT, **APART).statuses == {"all": "inconclusive"}


def test_the_divergence_is_that_of_scipy():
    random = np.random.default_rng(0)
    p, q = random.dirichlet(np.ones(4), 200), random.dirichlet(np.ones(4), 200)
    assert divergence(p, q) == pytest.approx(rel_entr(p, q).sum(axis=1), abs=1e-12)


def test_the_divergence_is_directed_finite_and_never_negative():
    sure, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert divergence(sure, other).tolist() == [-log(CLIP)]
    half = np.array([[0.5, 0.5]])
    assert divergence(sure, half)[0] == pytest.approx(log(2))
    assert divergence(half, sure)[0] > 10
    tiny = np.array([[1.0 - 1e-15, 1e-15]])
    assert divergence(tiny, np.array([[1.0, 0.0]])).min() >= 0.0


def test_the_same_model_diverges_nowhere(tmp_path, dense, people, ruled):
    given = case(tmp_path, dense, copy.deepcopy(dense), people)
    basis = ruled(given, MARGIN_SHIFT, **APART).measured("divergence").basis
    assert (basis.baseline, basis.candidate, basis.variance) == (0.0, 0.0, 0.0)


def test_a_margin_is_the_lead_over_the_second_class():
    assert margins(np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])) == pytest.approx([0.2, 0.7])


def test_the_figure_shows_that_the_unsure_rows_bear_the_harm(
    tmp_path, dense, pruned, people, ruled
):
    found = ruled(case(tmp_path, dense, pruned, people), MARGIN_SHIFT, **APART)
    rows = found.figure.rows
    assert [row[1] for row in rows] == ["150"] * 10
    changed = [float(row[3]) for row in rows]
    assert changed[0] > 0
    assert changed[0] == max(changed)
    assert changed[5:] == [0.0] * 5


def test_the_figure_counts_what_happened_in_each_part(tmp_path, ruled):
    """Ten rows in doubt, all lost; ten sure ones kept; ten wrong before and right after."""
    given = counted(tmp_path, {"a": {(0, 0, 1): 10, (1, 1, 1): 10, (1, 0, 1): 10}})
    margin = np.repeat([0.1, 2.0, 4.0], 10)
    logits = np.stack([margin / 2, -margin / 2], axis=1)
    logits[10:20] *= -1
    found = ruled(replace(given, baseline_scores=Scores.of_logits(logits)), MARGIN_SHIFT, **APART)
    assert [row[2:] for row in found.figure.rows] == [
        ("100.0 → 0.0", "100.0", "10"),
        ("100.0 → 100.0", "0.0", "0"),
        ("0.0 → 100.0", "100.0", "0"),
    ]


def test_no_part_of_the_figure_is_about_a_handful_of_people(tmp_path, ruled):
    given = counted(tmp_path, {"a": {(0, 0, 0): 12, (1, 1, 1): 13}})
    rows = ruled(given, MARGIN_SHIFT, **APART).figure.rows
    assert [row[1] for row in rows] == ["13", "12"]


def test_answers_without_probabilities_are_refused(tmp_path, ruled):
    given = counted(tmp_path, {"a": {(0, 0, 0): 50, (1, 1, 1): 50}})
    bare = replace(given, baseline_scores=Scores(said=given.baseline_scores.said))
    with pytest.raises(CheckError, match="give the probability"):
        ruled(bare, MARGIN_SHIFT, **CONFIDENCE)
