"""A candidate that orders rows worse is found wherever its threshold lies."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from govprune.checks import Case
from govprune.checks.ranking import RANKING
from govprune.data import read_predictions
from govprune.errors import CheckError
from govprune.job import EvaluationSection, PredictionsSection
from govprune.lineage import Step
from govprune.measurements import Undefined
from govprune.policy import Policy, Rule, judge, make_plan
from govprune.policy.rules import SlicePolicy

AREA = Rule(id="area", check="ranking", metric="auc-change", at_least=-0.02)


def people(n=4000, *, spoiled=0.0, where="b", seed=0):
    """Scores of two groups; in one of them the candidate's are noise to some degree."""
    random = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    group = np.where(np.arange(n) % 4 < 2, "a", "b")
    score = 1.5 * truth + random.normal(size=n)
    noise = random.normal(size=n)
    return {
        "y": truth,
        "before": score,
        "after": np.where(group == where, score + spoiled * noise, score + 0.01 * noise),
        "group": group.tolist(),
    }


def case(folder: Path, columns, *, task="ranking", **said) -> Case:
    pl.DataFrame(columns).write_parquet(folder / "scores.parquet")
    read = read_predictions(
        EvaluationSection(file="scores.parquet", label="y", task=task, slices=("group",)),
        PredictionsSection(baseline="before", candidate="after", **said),
        SlicePolicy(),
        root=folder,
    )
    return Case(
        step=Step(name="step", kind="artefacts"), models=None, data=read.data, fine_tuning=(),
        members=None, baseline_scores=read.baseline, candidate_scores=read.candidate, seed=0,
    )  # fmt: skip


def ruled(given: Case) -> dict[str, str]:
    policy = Policy(name="one rule", rules=(AREA, AREA.model_copy(
        update={"id": "whole", "over": "whole"})))  # fmt: skip
    plan = make_plan(policy, given.data.profile)
    measured = list(RANKING.measure(given, RANKING.params()))
    return {f.question.slice: f.status for f in judge(plan, measured)}


def bases(given: Case):
    measured = RANKING.measure(given, RANKING.params())
    return {m.slice: m.basis for m in measured if m.metric == "auc-change"}


def test_a_group_that_sinks_as_a_whole_fails_although_its_own_order_stands(tmp_path):
    columns = people()
    in_b = np.array(columns["group"]) == "b"
    given = case(tmp_path, columns | {"after": columns["before"] - 3.0 * in_b})
    rule = Rule(id="r", check="ranking", metric="positives-auc-change", at_least=-0.02)
    plan = make_plan(Policy(name="p", rules=(rule,)), given.data.profile)
    found = judge(plan, list(RANKING.measure(given, RANKING.params())))
    assert ruled(given)["group=b"] == "pass"
    assert {f.question.slice: f.status for f in found}["group=b"] == "fail"


def test_a_group_whose_order_is_spoiled_fails_and_the_other_passes(tmp_path):
    statuses = ruled(case(tmp_path, people(spoiled=1.5)))
    assert statuses == {"all": "fail", "group=a": "pass", "group=b": "fail"}


def test_a_candidate_that_ranks_nearly_alike_passes(tmp_path):
    statuses = ruled(case(tmp_path, people(spoiled=0.02)))
    assert set(statuses.values()) == {"pass"}


def test_few_rows_that_are_ranked_alike_cannot_tell(tmp_path):
    """Both areas are equal and have no standard error; 60 rows of a class are too few all the
    same."""
    columns = people(120)
    statuses = ruled(case(tmp_path, columns | {"after": columns["before"]}))
    assert set(statuses.values()) == {"inconclusive"}


def test_the_areas_are_those_of_scikit_learn(tmp_path):
    columns = people(600, spoiled=1.0) | {"before": np.round(people(600)["before"], 1)}
    found = bases(case(tmp_path, columns))
    for name, inside in (
        ("all", np.ones(600, bool)),
        ("group=a", np.array(columns["group"]) == "a"),
        ("group=b", np.array(columns["group"]) == "b"),
    ):
        truth = columns["y"][inside]
        assert found[name].baseline == pytest.approx(
            roc_auc_score(truth, columns["before"][inside])
        )
        assert found[name].candidate == pytest.approx(
            roc_auc_score(truth, columns["after"][inside])
        )
        assert found[name].n == inside.sum()
        assert found[name].fewer == min(truth.sum(), (1 - truth).sum())


def test_an_order_turned_around_fails_however_sure_it_is(tmp_path):
    columns = people()
    given = case(tmp_path, columns | {"after": -columns["before"]})
    assert ruled(given)["all"] == "fail"
    found = bases(given)["all"]
    assert found.candidate == pytest.approx(1.0 - found.baseline)


def test_any_rising_transformation_of_the_scores_is_the_same_order(tmp_path):
    columns = people(600)
    found = bases(case(tmp_path, columns | {"after": np.exp(columns["before"] / 10.0)}))["all"]
    assert found.baseline == found.candidate
    assert found.standard_error == pytest.approx(0.0, abs=1e-12)


def test_probabilities_with_a_threshold_are_ranked_too(tmp_path):
    columns = people(600)
    chance = 1.0 / (1.0 + np.exp(-columns["before"]))
    given = case(
        tmp_path, columns | {"before": chance, "after": chance**2}, task="classification",
        threshold=0.5,
    )  # fmt: skip
    found = bases(given)["all"]
    assert (given.baseline_scores.said != given.candidate_scores.said).any()
    assert found.baseline == found.candidate == pytest.approx(roc_auc_score(columns["y"], chance))


def test_answers_without_a_score_rank_nothing_and_say_so(tmp_path):
    columns = people(100)
    answers = (columns["before"] > 0.7).astype(int)
    given = case(
        tmp_path, columns | {"before": answers, "after": 1 - answers}, task="classification"
    )
    with pytest.raises(CheckError, match="give the score of the positive class"):
        list(RANKING.measure(given, RANKING.params()))


def test_a_slice_of_one_class_has_no_area(tmp_path):
    columns = people(400)
    columns["group"] = np.where(columns["y"] == 1, "only yes", "mixed").tolist()
    columns["group"][:100] = ["mixed"] * 100
    given = case(tmp_path, columns)
    assert bases(given)["group=only yes"] == Undefined(
        reason="group=only yes has fewer than two rows of one of the classes"
    )
    assert ruled(given)["group=only yes"] == "inconclusive"
