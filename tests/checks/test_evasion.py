"""A candidate that small lies fool more often fails; the attacker plays by the rules."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from worlds import asked, blobs, case, evaluation, model

from govprune.attacks.art import Box
from govprune.attacks.batches import SIZE
from govprune.attacks.budget import Budget, noise, project, reach
from govprune.attacks.evasion import attack_pair, pgd
from govprune.attacks.gradients import covered, offers
from govprune.attacks.inversion import reconstruct
from govprune.checks.evasion import EVASION
from govprune.checks.gradient_sanity import GRADIENT_SANITY
from govprune.checks.slice_performance import SLICE_PERFORMANCE
from govprune.errors import CheckError

QUICK = {"rows": 1500, "steps": 10, "restarts": 1}
SANE = ("gradients-usable", "attack-beats-noise", "large-budget-breaks-it",
        "black-box-not-stronger")  # fmt: skip


def linear(*weights: float) -> nn.Linear:
    """Score the second class by a weighted sum."""
    module = nn.Linear(len(weights), 2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[0.0] * len(weights), weights]))
        module.bias.zero_()
    return module


def test_a_candidate_made_brittle_fails_although_it_is_more_accurate(tmp_path):
    """The baseline reads one strong feature; the candidate the tiny gap between two others."""
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 1500)
    sign, z = 2 * label - 1, random.normal(size=1500)
    columns = {"x0": 2 * sign + random.normal(size=1500), "x1": z, "x2": z + 0.1 * sign}
    data = evaluation(tmp_path, columns | {"label": label}, features=("x*",))
    given = case(tmp_path, linear(1.0, 0.0, 0.0), linear(0.0, -4.0, 4.0), data)
    found = asked(given, EVASION, GRADIENT_SANITY, SLICE_PERFORMANCE, **QUICK)
    assert found.status("accuracy-holds") == "pass"
    assert [found.status(rule) for rule in SANE] == ["pass"] * 4
    assert found.basis("robust-accuracy-change").candidate_only < 50
    assert found.status("robustness-holds") == "fail"


def test_an_ordinary_pruned_model_passes_every_sanity_rule_and_holds(
    tmp_path, dense, pruned, people
):
    found = asked(case(tmp_path, dense, pruned, people), EVASION, GRADIENT_SANITY, **QUICK)
    assert [found.status(rule) for rule in SANE] == ["pass"] * 4
    assert found.status("robustness-holds") == "pass"


def test_the_same_model_twice_changes_nothing_under_attack(tmp_path, dense, people):
    found = asked(case(tmp_path, dense, copy.deepcopy(dense), people), EVASION, **QUICK)
    basis = found.basis("robust-accuracy-change")
    assert basis.baseline_only == basis.candidate_only == 0
    assert 0 < basis.both < basis.n


def test_sixty_rows_cannot_show_that_gradients_are_usable(tmp_path, dense, pruned):
    data = evaluation(tmp_path, blobs(25, seed=5, gap=0.6), features=("x*",))
    found = asked(case(tmp_path, dense, pruned, data), GRADIENT_SANITY, EVASION, **QUICK)
    assert found.status("gradients-usable") == "inconclusive"
    assert found.status("robustness-holds") == "inconclusive"


def test_an_attacker_who_can_change_nothing_is_no_test_of_robustness(tmp_path, dense):
    """Yes-or-no features cannot move by a quarter of a deviation."""
    columns = blobs(200, seed=6)
    binary = {k: v if k == "label" else (v > 0).astype(np.float32) for k, v in columns.items()}
    data = evaluation(tmp_path, binary, features=("x*",), mutable=("x*",))
    with pytest.raises(CheckError, match="can change no feature"):
        asked(case(tmp_path, dense, dense, data), EVASION, **QUICK)
    nobody = evaluation(tmp_path, columns, features=("x*",), mutable=())
    with pytest.raises(CheckError, match="can change no feature"):
        asked(case(tmp_path, dense, dense, nobody), EVASION, **QUICK)


def test_the_note_says_what_the_attacker_could_change(tmp_path, dense):
    columns = blobs(300, seed=7) | {"x0": np.arange(300) % 2, "x1": np.arange(300) % 50}
    data = evaluation(tmp_path, columns, features=("x*",), mutable=("x0", "x1"))
    found = asked(case(tmp_path, dense, dense, data), EVASION, **QUICK)
    note = found.measured("robust-accuracy-change").notes[0]
    assert "can change 1 of 6 features" in note
    assert note.endswith("x1 ±3")


@given(
    seed=st.integers(0, 10_000),
    eps=st.floats(0.01, 3.0),
    mutable=st.sets(st.integers(0, 3), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_no_change_leaves_the_rules(seed, eps, mutable):
    """Immutable features stay, whole numbers stay whole, nothing moves beyond the budget."""
    random = np.random.default_rng(seed)
    rows = np.stack(
        [
            random.integers(17, 90, 30),
            random.normal(0, 1e3, 30),
            random.integers(0, 2, 30),
            random.normal(0, 1e-3, 30),
        ],
        axis=1,
    ).astype(np.float32)
    box, budget = Box.of(rows), Budget(eps, 5, 1, tuple(sorted(mutable)))
    moved = (rows + random.normal(0, 5, rows.shape) * box.scale).astype(np.float32)
    for changed in (project(rows, moved, box, budget), noise(box, rows, budget, seed)):
        fixed = [i for i in range(4) if i not in mutable]
        assert (changed[:, fixed] == rows[:, fixed]).all()
        assert (changed[:, box.integer] == np.round(changed[:, box.integer])).all()
        # An integer may use the hair that float32 rounding costs; no more.
        room = eps * box.scale * (1 + 1e-4) + np.where(box.integer, 1e-3, 1e-9)
        assert (np.abs(changed - rows) <= room + np.abs(rows) * 1e-6).all()
    assert (np.abs(noise(box, rows, budget, seed) - rows).max(axis=0) <= reach(box, budget) * 1.0001
            + np.abs(rows).max(axis=0) * 1e-6).all()  # fmt: skip


def test_an_attack_keeps_to_the_rules_and_to_the_range_of_the_data(tmp_path, dense):
    columns = blobs(300, seed=8) | {"x1": np.arange(300) % 60}
    data = evaluation(tmp_path, columns, features=("x*",), mutable=("x0", "x1"))
    attacked = case(tmp_path, dense, dense, data).candidate
    box = Box.of(data.features)
    budget = Budget(0.5, 10, 2, data.mutable)
    found = pgd(attacked.module, box, data.features, data.labels, budget, 0)
    assert (found[:, 2:] == data.features[:, 2:]).all()
    assert (found[:, 1] == np.round(found[:, 1])).all()
    assert (found != data.features).any(axis=0)[:2].all()
    low, high = data.features.min(axis=0), data.features.max(axis=0)
    assert (found >= low - 1e-5).all()
    assert (found <= high + 1e-5).all()
    assert (np.abs(found - data.features) <= 0.5 * box.scale + 1e-3).all()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_even_an_attack_of_one_step_runs(tmp_path, dense, people, steps):
    found = asked(case(tmp_path, dense, dense, people), EVASION, steps=steps, restarts=1, rows=100)
    assert found.basis("robust-accuracy-change").n == 100


def test_robust_rows_are_among_the_right_ones(tmp_path, dense, pruned, people):
    given = case(tmp_path, dense, pruned, people)
    box, rows, labels = Box.of(people.features), people.features[:400], people.labels[:400]
    budget = Budget(0.25, 10, 1, people.mutable)
    offered = offers(given.models, box, rows, labels, budget)
    for result in attack_pair(given.models, offered, box, rows, labels, budget, 0):
        assert (result.robust <= result.clean).all()
        assert (result.robust <= result.own).all()
        assert (result.robust <= result.queried).all()
        assert result.own.sum() < result.noisy.sum()


def test_a_larger_budget_never_leaves_more_rows_robust(tmp_path, dense, people):
    given = case(tmp_path, dense, dense, people)
    rows = [
        asked(given, EVASION, rows=400, steps=10, restarts=1, eps=eps).basis(
            "robust-accuracy-change"
        ).both
        for eps in (0.1, 0.3, 1.0)
    ]  # fmt: skip
    assert rows == sorted(rows, reverse=True)
    assert rows[0] > rows[2]


def test_the_same_seed_finds_the_same_rows(tmp_path, dense, people):
    given = case(tmp_path, dense, dense, people)
    box, budget = Box.of(people.features), Budget(0.25, 5, 1, people.mutable)
    torch.rand(3), np.random.rand(3)
    first = pgd(given.baseline.module, box, people.features[:50], people.labels[:50], budget, 7)
    torch.rand(1), np.random.rand(1)
    second = pgd(given.baseline.module, box, people.features[:50], people.labels[:50], budget, 7)
    assert (first == second).all()


class Watching(nn.Module):
    """Notes how many rows it is given."""

    def __init__(self, inner, *, masked):
        super().__init__()
        self.inner, self.masked, self.seen = inner, masked, set()

    def forward(self, x):
        self.seen.add(len(x))
        return self.inner(x.detach() if self.masked else x)


@pytest.mark.parametrize("rows", [60, 600])
@pytest.mark.parametrize("masked", [False, True])
def test_no_attack_lets_a_model_tell_one_check_from_another_by_the_rows_it_is_given(
    tmp_path, dense, people, rows, masked
):
    watching = Watching(copy.deepcopy(dense), masked=masked)
    models = model(tmp_path, watching, "baseline"), model(tmp_path, dense, "candidate")
    x, y = people.features[:rows], people.labels[:rows]
    box, budget = Box.of(people.features), Budget(0.1, 3, 2, (0, 1), queries=20)
    offered = offers(models, box, x, y, budget)
    covered(models, offered, x)
    attack_pair(models, offered, box, x, y, budget, seed=0)
    if not masked:
        reconstruct(models[0].module, box, x, y, steps=2, rate=1.0, seed=0)
    assert models[0].module.seen == {SIZE}


class MasksMany(nn.Module):
    """Gives a harmless gradient where it is asked for many rows at once."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        scores = self.inner(x)
        return scores.detach() + 0 * scores if x.requires_grad and len(x) > 1000 else scores


def test_a_gradient_that_misleads_many_rows_at_once_hides_nothing(tmp_path, people, dense):
    pair = []
    for candidate in (copy.deepcopy(dense), MasksMany(copy.deepcopy(dense))):
        found = asked(case(tmp_path, dense, candidate, people), EVASION, rows=1500, queries=1)
        pair.append({row[0]: row[2] for row in found.figures[0].rows})
    own = "its own attack (by gradient)"
    assert pair[0][own] == pair[1][own]
