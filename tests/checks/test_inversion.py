"""Reconstructions count only where the attack beats a model that knows nothing."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from worlds import asked, blobs, case, evaluation, mlp, trained

from govprune.attacks.art import Box
from govprune.attacks.inversion import Judge, reconstruct, starts
from govprune.checks.inversion import INVERSION
from govprune.stats import estimate

QUICK = {"starts": 60, "steps": 30}


@pytest.fixture(scope="module")
def knowing():
    """A model that knows its classes well."""
    return trained(mlp(6, 16, 2), blobs(800, seed=11, gap=1.0), steps=60)


@pytest.fixture
def known(tmp_path):
    return evaluation(tmp_path, blobs(600, seed=12, gap=1.0), features=("x*",))


def test_the_attack_works_on_a_trained_model_and_the_same_model_is_no_easier(
    tmp_path, knowing, known
):
    found = asked(case(tmp_path, knowing, copy.deepcopy(knowing), known), INVERSION, **QUICK)
    works = found.basis("attack-works")
    assert works.both + works.candidate_only > 0.75 * works.n
    assert works.candidate_only > 4 * works.baseline_only
    assert found.status("inversion-attack-works") == "pass"
    assert found.basis("identification-change").baseline_only == 0
    assert found.basis("identification-change").candidate_only == 0
    assert found.status("inversion-not-easier") == "pass"


def test_a_baseline_that_knows_nothing_decides_nothing_about_the_candidate(
    tmp_path, knowing, known
):
    """Its scores are the same for everybody: no step leads anywhere."""
    ignorant = copy.deepcopy(knowing)
    with torch.no_grad():
        ignorant[2].weight.zero_()
    given = case(tmp_path, ignorant, copy.deepcopy(ignorant), known)
    found = asked(given, INVERSION, **QUICK)
    assert found.basis("identification-change").baseline_only == 0
    assert found.status("inversion-attack-works") != "pass"
    assert found.status("inversion-not-easier") == "inconclusive"


def test_a_candidate_that_gives_its_classes_away_fails(tmp_path, knowing, known):
    """The baseline's scores are so flat that thirty steps lead only a little way."""
    flat = copy.deepcopy(knowing)
    with torch.no_grad():
        flat[2].weight.mul_(0.01)
        flat[2].bias.mul_(0.01)
    found = asked(case(tmp_path, flat, knowing, known), INVERSION, starts=150, steps=30)
    assert estimate(found.basis("identification-change")) > 0.2
    assert found.status("inversion-attack-works") == "pass"
    assert found.status("inversion-not-easier") == "fail"


def test_a_candidate_that_is_harder_to_invert_passes(tmp_path, knowing, known):
    flat = copy.deepcopy(knowing)
    with torch.no_grad():
        flat[2].weight.mul_(0.05)
    found = asked(case(tmp_path, knowing, flat, known), INVERSION, **QUICK)
    assert found.status("inversion-not-easier") == "pass"


def test_a_few_starts_cannot_tell(tmp_path, knowing, known):
    found = asked(
        case(tmp_path, knowing, copy.deepcopy(knowing), known), INVERSION, starts=10, steps=30
    )
    assert found.basis("identification-change").n == 20
    assert found.status("inversion-not-easier") == "inconclusive"


def test_the_control_is_untrained_and_the_baseline_stays_as_it_was(tmp_path, knowing, known):
    given = case(tmp_path, knowing, copy.deepcopy(knowing), known)
    control = given.baseline.untrained(seed=5)
    for name, weight in control.named_parameters():
        assert not torch.equal(weight, knowing.get_parameter(name))
        assert torch.equal(given.baseline.module.get_parameter(name), knowing.get_parameter(name))
    again = given.baseline.untrained(seed=5)
    assert all(torch.equal(a, b) for a, b in zip(control.parameters(), again.parameters(),
                                                 strict=True))  # fmt: skip


def test_starts_are_people_who_do_not_exist_from_the_columns_of_those_who_do(known):
    begin = starts(known.features, 300, 0)
    for column in range(6):
        assert np.isin(begin[:, column], known.features[:, column]).all()
    people = {tuple(row) for row in known.features.tolist()}
    assert not people & {tuple(row) for row in begin.tolist()}


def test_reconstructions_stay_within_the_range_of_the_data(knowing, known):
    box = Box.of(known.features)
    targets = np.arange(40) % 2
    begin = starts(known.features, 40, 0)
    found = reconstruct(knowing, box, begin, targets, steps=30, rate=5.0, seed=0)
    assert (found >= known.features.min(axis=0) - 1e-4).all()
    assert (found <= known.features.max(axis=0) + 1e-4).all()
    assert np.abs(found - begin).max() > 0.5


def test_the_judge_knows_rows_it_has_not_seen(known, tmp_path):
    (tmp_path / "more").mkdir()
    more = evaluation(tmp_path / "more", blobs(300, seed=13, gap=1.0), features=("x*",))
    judge = Judge(Box.of(known.features), known.features, known.labels, seed=0)
    assert judge.identifies(more.features, more.labels).mean() > 0.95
    assert judge.identifies(more.features, 1 - more.labels).mean() < 0.05


def test_a_single_logit_model_is_inverted_like_a_two_logit_one(tmp_path, knowing, known):
    single = nn.Sequential(*copy.deepcopy(knowing)[:2], nn.Linear(16, 1))
    with torch.no_grad():
        single[2].weight.copy_(knowing[2].weight[1:] - knowing[2].weight[:1])
        single[2].bias.copy_(knowing[2].bias[1:] - knowing[2].bias[:1])
    given = case(tmp_path, knowing, single, known)
    assert (given.baseline_scores.predictions == given.candidate_scores.predictions).all()
    found = asked(given, INVERSION, **QUICK)
    assert abs(estimate(found.basis("identification-change"))) < 0.05
