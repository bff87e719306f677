"""A candidate that remembers its training rows fails; without training rows nothing is claimed."""

import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from worlds import asked, blobs, case, evaluation, mlp, trained

from govprune.attacks.membership import loss_scores
from govprune.checks.membership import FEWEST, MEMBERSHIP, MembershipParams
from govprune.errors import CheckError
from govprune.stats import estimate

RULES = ("membership-loss-attack", "membership-black-box-attack")


@pytest.fixture(scope="module")
def members():
    """Few rows, a fifth of the labels wrong: what fits them has learnt them by heart."""
    return blobs(400, seed=21, gap=0.3, noise=0.2)


@pytest.fixture(scope="module")
def general(members):
    return trained(mlp(6, 2), members, steps=200)


@pytest.fixture(scope="module")
def by_heart(members):
    return trained(mlp(6, 128, 128, 2), members, steps=400)


@pytest.fixture
def others(tmp_path):
    return evaluation(tmp_path, blobs(400, seed=22, gap=0.3, noise=0.2), features=("x*",))


def test_a_candidate_that_learnt_its_rows_by_heart_fails(
    tmp_path, general, by_heart, others, members
):
    given = case(tmp_path, general, by_heart, others, retrains=True, trained_on=members)
    found = asked(given, MEMBERSHIP)
    assert [found.status(rule) for rule in RULES] == ["fail", "fail"]
    loss = found.basis("loss-attack-auc-change")
    assert loss.baseline < 0.6
    assert loss.candidate > 0.7
    assert loss.n == 800


def test_the_areas_are_those_of_scikit_learn(tmp_path, general, by_heart, others, members):
    given = case(tmp_path, general, by_heart, others, trained_on=members)
    found = asked(given, MEMBERSHIP).basis("loss-attack-auc-change")
    rows, labels = given.members
    inside = np.repeat([1, 0], [len(labels), len(others.labels)])
    for model, ours in ((given.baseline, found.baseline), (given.candidate, found.candidate)):
        scores = np.concatenate([
            loss_scores(model.logits(rows), labels),
            loss_scores(model.logits(others.features), others.labels),
        ])  # fmt: skip
        assert ours == pytest.approx(roc_auc_score(inside, scores), abs=1e-12)


def test_the_same_model_is_no_easier_to_attack(tmp_path, by_heart, others, members):
    given = case(tmp_path, by_heart, copy.deepcopy(by_heart), others, trained_on=members)
    found = asked(given, MEMBERSHIP)
    assert [found.status(rule) for rule in RULES] == ["pass", "pass"]
    assert estimate(found.basis("black-box-attack-auc-change")) == 0


def test_a_candidate_that_forgot_passes(tmp_path, general, by_heart, others, members):
    found = asked(case(tmp_path, by_heart, general, others, trained_on=members), MEMBERSHIP)
    assert found.status("membership-loss-attack") == "pass"


def test_sixty_members_cannot_tell(tmp_path, general, others):
    few = blobs(60, seed=23, gap=0.3, noise=0.2)
    shifted = copy.deepcopy(general)
    with torch.no_grad():
        shifted[0].weight.add_(0.05 * torch.randn(2, 6, generator=torch.Generator().manual_seed(1)))
    found = asked(case(tmp_path, general, shifted, others, trained_on=few), MEMBERSHIP)
    assert found.status("membership-black-box-attack") == "inconclusive"


def test_without_declared_rows_nothing_is_claimed(tmp_path, general, others):
    with pytest.raises(CheckError, match="name the data that trained or fine-tuned the models"):
        list(MEMBERSHIP.measure(case(tmp_path, general, general, others), MembershipParams()))


def test_a_handful_of_declared_rows_is_refused(tmp_path, general, others):
    few = blobs(FEWEST - 1, seed=24)
    given = case(tmp_path, general, general, others, trained_on=few)
    with pytest.raises(CheckError, match="49 training and 400 evaluation rows"):
        list(MEMBERSHIP.measure(given, MembershipParams()))


def test_the_loss_is_finite_however_sure_the_model_is():
    scores = loss_scores(np.array([[1e4, -1e4], [-1e4, 1e4]]), np.array([0, 0]))
    assert scores.tolist() == [0.0, -2e4]
