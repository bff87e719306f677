"""A candidate that answers alike for other reasons fails; what cannot be explained is refused."""

import copy
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from worlds import blobs, case, evaluation, int8, mlp, model

from govprune.checks.explanation_stability import (
    EXPLANATION_STABILITY,
    attributions,
    rank_correlations,
)
from govprune.errors import CheckError
from govprune.measurements import Undefined

STABLE = {"metric": "rank-correlation", "at_least": 0.8}
QUICK = {"rows": 500, "steps": 16}


def weighs(*weights: float, outputs: int = 2) -> nn.Linear:
    """Score the second class by a weighted sum."""
    linear = nn.Linear(len(weights), outputs)
    with torch.no_grad():
        linear.weight.zero_()
        linear.weight[-1] = torch.tensor(weights)
        linear.bias.zero_()
    return linear


class Blocked(nn.Module):
    """Answers like the module inside, and passes no gradient back."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.detach())


class Stepped(nn.Module):
    """Rounds its inputs first: the gradient exists and is 0 everywhere."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner((8 * x).round() / 8)


def alike(n: int, *, seed: int = 0):
    """Six features that all say the same, so that any of them can carry the answer."""
    draw = np.random.default_rng(seed)
    label = np.arange(n) % 2
    columns = {f"x{i}": 2.0 * label - 1 + 0.1 * draw.normal(size=n) for i in range(6)}
    return columns | {"label": label, "group": np.where(np.arange(n) % 4 < 2, "a", "b")}


def people_alike(folder, n: int):
    return evaluation(folder, alike(n), features=("x*",), slices=("group",))


ONE, OTHER = (6.0, 5.0, 4.0, 3.0, 2.0, 1.0), (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)


def test_a_candidate_that_decides_by_other_features_fails_although_no_answer_changed(
    tmp_path, ruled
):
    given = case(tmp_path, weighs(*ONE), weighs(*OTHER), people_alike(tmp_path, 1200))
    assert (given.baseline_scores.predictions == given.candidate_scores.predictions).all()
    found = ruled(given, EXPLANATION_STABILITY, QUICK, **STABLE)
    assert found.statuses == {"group=a": "fail", "group=b": "fail"}


def test_a_pruned_candidate_that_keeps_its_reasons_passes(tmp_path, dense, pruned, people, ruled):
    given = case(tmp_path, dense, pruned, people)
    rule = STABLE | {"over": "whole", "at_least": 0.6}
    found = ruled(given, EXPLANATION_STABILITY, QUICK, **rule)
    assert found.statuses == {"all": "pass"}
    assert 0.6 < found.measured("rank-correlation").basis.candidate < 1.0


def test_the_same_model_agrees_with_itself_entirely(tmp_path, dense, people, ruled):
    given = case(tmp_path, dense, copy.deepcopy(dense), people)
    found = ruled(given, EXPLANATION_STABILITY, QUICK, **STABLE, over="whole")
    basis = found.measured("rank-correlation").basis
    assert (basis.n, basis.baseline, basis.candidate) == (500, 0.0, pytest.approx(1.0))
    assert found.statuses == {"all": "pass"}


def test_forty_rows_cannot_tell(tmp_path, dense, pruned, ruled):
    data = evaluation(tmp_path, blobs(40, seed=3, gap=0.6), features=("x*",))
    rule = STABLE | {"over": "whole", "at_least": 0.9}
    found = ruled(case(tmp_path, dense, pruned, data), EXPLANATION_STABILITY, QUICK, **rule)
    assert found.statuses == {"all": "inconclusive"}


def test_an_8_bit_candidate_whose_weights_are_multiplied_out_can_be_explained(
    tmp_path, dense, people, ruled
):
    given = case(tmp_path, dense, int8(dense), people)
    found = ruled(given, EXPLANATION_STABILITY, QUICK, **STABLE, over="whole")
    assert found.statuses == {"all": "pass"}


# --- the numbers


def test_a_linear_model_is_explained_by_its_weights(tmp_path):
    """Logits 0 and w x: half of w (x - mean) speaks for the second class, and against the first."""
    data = people_alike(tmp_path, 50)
    given = model(tmp_path, weighs(*ONE), "baseline")
    reference = data.features.mean(axis=0)
    for said in (0, 1):
        found = attributions(
            given, data.features, reference, np.full(50, said), steps=5, seed=0
        )  # fmt: skip
        expected = (said - 0.5) * np.array(ONE) * (data.features - reference)
        assert found == pytest.approx(expected, abs=1e-5)


def test_a_single_output_is_explained_for_both_answers(tmp_path, ruled):
    """A module with one logit z stands for [0, z]: the 0 must not look like a dead class."""
    data = people_alike(tmp_path, 400)
    given = case(tmp_path, weighs(*ONE, outputs=1), weighs(*ONE, outputs=1), data)
    found = ruled(given, EXPLANATION_STABILITY, QUICK, **STABLE)
    assert set(found.statuses.values()) == {"pass"}
    assert found.measured("rank-correlation").basis.n == 400


def test_the_attributions_of_a_network_add_up_to_the_change_of_its_output(tmp_path, dense, people):
    given = model(tmp_path, dense, "baseline")
    rows, reference = people.features[:200], people.features.mean(axis=0)
    asked = given.logits(rows).argmax(axis=1)
    found = attributions(given, rows, reference, asked, steps=200, seed=0).sum(axis=1)

    def centred(features):
        logits = given.logits(features)
        return logits - logits.mean(axis=1, keepdims=True)

    change = centred(rows)[np.arange(200), asked] - centred(reference[None])[0, asked]
    assert found == pytest.approx(change, abs=0.02 * np.abs(change).max())


def test_the_order_is_of_how_much_a_feature_counts_and_not_of_which_way(tmp_path, ruled):
    turned = weighs(*(-weight for weight in ONE))
    given = case(tmp_path, weighs(*ONE), turned, people_alike(tmp_path, 400))
    found = ruled(given, EXPLANATION_STABILITY, QUICK, **STABLE)
    assert found.measured("rank-correlation").basis.candidate == pytest.approx(1.0)


def test_the_correlation_is_that_of_scipy_with_ties():
    draw = np.random.default_rng(0)
    a, b = draw.integers(0, 4, (60, 7)) * 1.0, draw.integers(0, 4, (60, 7)) * 1.0
    expected = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    assert rank_correlations(a, b) == pytest.approx(expected, abs=1e-12)


def test_a_row_without_an_order_has_no_correlation():
    flat, rising = np.ones((1, 4)), np.arange(4.0)[None]
    assert np.isnan(rank_correlations(flat, rising)).all()
    assert rank_correlations(rising, -rising).tolist() == [-1.0]


def test_the_figure_ranks_the_features_of_both_models(tmp_path, ruled):
    given = case(tmp_path, weighs(*ONE), weighs(*OTHER), people_alike(tmp_path, 400))
    figure = ruled(given, EXPLANATION_STABILITY, QUICK, **STABLE).figure
    assert [row[0] for row in figure.rows] == [f"x{i}" for i in range(6)]
    assert [row[3] for row in figure.rows] == [f"{i + 1} → {6 - i}" for i in range(6)]
    assert sum(float(row[1]) for row in figure.rows) == pytest.approx(100, abs=0.3)


# --- what cannot be explained


def test_a_few_rows_without_an_order_are_left_out_and_counted(tmp_path, ruled):
    """Eight of 400 rows lie at the mean: there is nothing to attribute. They fill one group."""
    away = np.r_[np.zeros(8), np.ones(196), -np.ones(196)]
    columns = {f"x{i}": (i + 1) * away for i in range(6)}
    group = np.where(np.arange(400) < 10, "few", "most")
    columns |= {"label": np.arange(400) % 2, "group": group}
    data = evaluation(tmp_path, columns, features=("x*",), slices=("group",))
    found = ruled(case(tmp_path, weighs(*ONE), weighs(*ONE), data), EXPLANATION_STABILITY, QUICK,
                  **STABLE)  # fmt: skip
    whole = found.measured("rank-correlation")
    assert whole.basis.n == 392
    assert whole.notes == ("8 of 400 rows left out: all features count the same there",)
    assert found.measured("rank-correlation", "group=few").basis == Undefined(
        reason="8 of 10 rows have no order of importance", n=10
    )
    assert found.statuses == {"group=few": "inconclusive", "group=most": "pass"}


def test_a_slice_outside_of_the_sample_cannot_tell(tmp_path, ruled):
    columns = alike(4000)
    given = case(tmp_path, weighs(*ONE), weighs(*ONE), people_alike(tmp_path, 4000))
    columns["group"] = np.full(4000, "seen")
    unseen = np.setdiff1d(np.arange(4000), given.sample(50))[:20]
    columns["group"][unseen] = "none"
    data = evaluation(tmp_path, columns, features=("x*",), slices=("group",))
    found = ruled(replace(given, data=data), EXPLANATION_STABILITY, {"rows": 50}, **STABLE)
    assert found.statuses["group=none"] == "inconclusive"
    assert found.measured("rank-correlation", "group=none").basis.reason == (
        "no row of the slice is in the sample: raise rows"
    )


@pytest.mark.parametrize("role", ["baseline", "candidate"])
def test_a_model_that_passes_no_gradient_is_refused_by_name(tmp_path, dense, people, ruled, role):
    blocked = model(tmp_path, Blocked(copy.deepcopy(dense)), role)
    pair = (blocked, dense) if role == "baseline" else (dense, blocked)
    with pytest.raises(CheckError, match=f"the {role} passes no gradient .* dequantised copy"):
        ruled(case(tmp_path, *pair, people), EXPLANATION_STABILITY, QUICK, **STABLE)


def test_a_candidate_whose_gradient_is_zero_is_refused(tmp_path, dense, people, ruled):
    stepped = model(tmp_path, Stepped(copy.deepcopy(dense)), "candidate")
    with pytest.raises(CheckError, match="candidate attributes the same to every feature on 500"):
        ruled(case(tmp_path, dense, stepped, people), EXPLANATION_STABILITY, QUICK, **STABLE)


def test_two_features_have_no_order_worth_the_name(tmp_path, ruled):
    data = evaluation(tmp_path, blobs(100, seed=1, features=2), features=("x*",))
    with pytest.raises(CheckError, match="2 features: an order of importance needs 3"):
        ruled(case(tmp_path, mlp(2, 2), mlp(2, 2), data), EXPLANATION_STABILITY, QUICK, **STABLE)


def test_predictions_alone_are_refused(tmp_path, dense, people, ruled):
    given = replace(case(tmp_path, dense, dense, people), models=None)
    with pytest.raises(CheckError, match="only predictions were given"):
        ruled(given, EXPLANATION_STABILITY, QUICK, **STABLE)


def test_without_captum_the_extra_is_named(tmp_path, dense, people, ruled, monkeypatch):
    given = case(tmp_path, dense, dense, people)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(CheckError, match=r"pip install 'govprune\[explain\]'"):
        ruled(given, EXPLANATION_STABILITY, QUICK, **STABLE)


# --- no trace


def test_generators_gradients_and_models_are_put_back(tmp_path, dense, pruned, people, ruled):
    given = case(tmp_path, dense, pruned, people)
    modules = (given.baseline.module, given.candidate.module)

    def state():
        name, keys, *rest = np.random.get_state()
        return (
            random.getstate(), name, keys.tolist(), rest, torch.get_rng_state().tolist(),
            torch.is_grad_enabled(), [m.training for m in modules],
            [p.requires_grad for m in modules for p in m.parameters()],
            [p.grad for m in modules for p in m.parameters()],
            [t.tolist() for m in modules for t in m.state_dict().values()],
            [len(m._forward_hooks) + len(m._backward_hooks) for m in modules],
            os.environ.get("MPLCONFIGDIR"),
        )  # fmt: skip

    before = state()
    ruled(given, EXPLANATION_STABILITY, QUICK, **STABLE, over="whole")
    assert state() == before


def test_the_random_state_of_the_caller_does_not_change_what_is_measured(
    tmp_path, dense, pruned, people, ruled
):
    given = case(tmp_path, dense, pruned, people)
    runs = []
    for seed in (1, 2):
        np.random.seed(seed), torch.manual_seed(seed), random.seed(seed)
        runs.append(ruled(given, EXPLANATION_STABILITY, QUICK, **STABLE, over="whole"))
    assert runs[0] == runs[1]


FIRST_EXPLANATION = """
import logging, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from worlds import blobs, case, evaluation, mlp
from govprune.checks.explanation_stability import EXPLANATION_STABILITY, ExplanationParams
folder = Path({folder!r})
data = evaluation(folder, blobs(100, seed=0), features=("x*",))
given = case(folder, mlp(6, 8, 2), mlp(6, 8, 2), data)
root = logging.root.level, logging.root.handlers[:]
assert "captum" not in sys.modules and "matplotlib" not in sys.modules
list(EXPLANATION_STABILITY.measure(given, ExplanationParams(rows=50, steps=4)))
assert "captum" in sys.modules
assert (logging.root.level, logging.root.handlers[:]) == root
"""


def test_the_first_explanation_of_a_process_leaves_home_and_logging_alone(tmp_path):
    home, scratch, folder = (tmp_path / name for name in ("home", "scratch", "folder"))
    for made in (home, scratch, folder):
        made.mkdir()
    program = FIRST_EXPLANATION.format(tests=str(Path(__file__).parents[1]), folder=str(folder))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MPL", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=clean | {"HOME": str(home), "TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr == ""
    assert [*home.rglob("*"), *scratch.rglob("*")] == []
