"""What another task asks is not asked, and said; rows that belong together count as one."""

from dataclasses import replace
from math import ceil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from govprune import policy
from govprune.data import EvaluationData, read_predictions
from govprune.data.confidence import with_confidence
from govprune.data.scores import Scores
from govprune.errors import PolicyError
from govprune.job import EvaluationSection, PredictionsSection
from govprune.measurements import Measurement, Paired
from govprune.policy import Policy, Rule
from govprune.policy.rules import SlicePolicy
from govprune.stats.paired import rows_floor
from govprune.subjects import CONFIDENCE, Profile, SliceProfile

ACCURACY = Rule(id="right", check="slice-performance", metric="accuracy-change", at_least=-0.02)
AREA = Rule(id="order", check="ranking", metric="auc-change", at_least=-0.02)
ERROR = Rule(id="error", check="regression-error", metric="absolute-error-change", at_most=0.1)
SIZE = Rule(id="size", check="size", metric="size-ratio", at_most=1.0)
SMALL = {"at_least": -0.05, "below": "report", "because": "few people"}


def profile(task="classification", *, effect=1.0, n=1000) -> Profile:
    labels = ("0", "1") if task != "regression" else ()
    counts = (("0", n // 2), ("1", n // 2)) if labels else ()
    rows = None if counts else n
    return Profile(
        task=task, labels=labels, positive="1" if labels else None,
        cluster="person" if effect > 1 else None,
        slices=(
            SliceProfile(name="all", attributes=(), by_label=counts, rows=rows,
                         design_effect=effect),
            SliceProfile(name="g=a", attributes=("g",), by_label=counts, rows=rows,
                         design_effect=effect),
        ),
    )  # fmt: skip


def made(*rules: Rule, **fields) -> Policy:
    return Policy(name="p", attempts="counted", rules=rules, **fields)


# --- tasks


@pytest.mark.parametrize(
    ("task", "asked"),
    [
        ("classification", {"right", "order", "size"}),
        ("multi-label", {"right", "size"}),
        ("regression", {"error", "size"}),
        ("ranking", {"order", "size"}),
    ],
)
def test_rules_of_another_task_are_not_asked_and_say_why(task, asked):
    plan = policy.make_plan(made(ACCURACY, AREA, ERROR, SIZE), profile(task))
    assert {q.rule for q in plan.questions} == asked
    left_out = {n.rule: n.reason for n in plan.not_asked}
    assert set(left_out) == {"right", "order", "error", "size"} - asked
    assert all(reason.startswith(f"the task is {task}; ") for reason in left_out.values())


def test_the_reason_names_the_check_and_what_it_is_asked_of():
    plan = policy.make_plan(made(ACCURACY, ERROR), profile("regression"))
    (left_out,) = plan.not_asked
    assert left_out.reason == (
        "the task is regression; slice-performance is asked of classification, multi-label"
    )


def test_a_policy_for_another_task_is_refused():
    with pytest.raises(PolicyError, match="is for ranking; this data's task is regression"):
        policy.make_plan(made(ERROR, AREA, tasks=("ranking",)), profile("regression"))


def test_a_policy_for_this_task_or_for_any_is_taken():
    for tasks in ((), ("regression",), ("ranking", "regression")):
        assert policy.make_plan(made(ERROR, tasks=tasks), profile("regression")).questions


def test_a_policy_left_without_a_blocking_rule_on_answers_is_refused():
    """What remains of it would promote a model of which nobody asked what it says."""
    with pytest.raises(PolicyError, match="no blocking rule on what a regression model answers"):
        policy.make_plan(made(ACCURACY, AREA, SIZE), profile("regression"))


def test_a_rule_that_only_reports_does_not_save_it():
    shown = ERROR.model_copy(update={"severity": "report"})
    with pytest.raises(PolicyError, match="no blocking rule"):
        policy.make_plan(made(ACCURACY, shown, SIZE), profile("regression"))


@pytest.mark.parametrize(
    ("name", "task"),
    [("baseline", "ranking"), ("credit", "regression"), ("credit", "multi-label"),
     ("ranking", "classification")],
)  # fmt: skip
def test_packs_that_ship_refuse_tasks_they_were_not_written_for(name, task):
    pack = policy.load(name, root=Path()).policy
    with pytest.raises(PolicyError, match=f"this data's task is {task}"):
        policy.make_plan(pack, profile(task))


# --- clusters


@pytest.mark.parametrize("effect", [1.0, 2.5, 4.0])
def test_the_floor_grows_with_the_rows_that_count_as_one(effect):
    (asked,) = policy.make_plan(made(ACCURACY), profile(effect=effect)).questions
    assert asked.floor == ceil(rows_floor(0.02, 0.05) * effect)
    assert asked.n == 1000
    assert asked.design_effect == effect


def test_a_slice_gets_the_margin_its_independent_rows_are_enough_for():
    """1,000 rows of one each, of 5 and of 20: 1,000, 200 and 50 independent ones."""
    rule = ACCURACY.model_copy(
        update={"small_slices": policy.rules.SmallSlices.model_validate(SMALL)}
    )
    tiers = {
        effect: policy.make_plan(made(rule), profile(effect=effect)).questions[0].tier
        for effect in (1.0, 5.0, 20.0)
    }
    assert tiers == {1.0: "stated", 5.0: "wider", 20.0: "too-small"}


def judged(lost: int, *, n=1000, effect=1.0) -> str:
    basis = Paired(both=n - lost, baseline_only=lost, candidate_only=0, neither=0)
    answer = Measurement(
        check="slice-performance", metric="accuracy-change", slice="g=a", basis=basis
    )
    plan = policy.make_plan(made(ACCURACY), profile(effect=effect, n=n))
    (finding,) = policy.judge(plan, [answer])
    return finding.status


def test_counts_that_pass_row_by_row_do_not_pass_in_clusters():
    assert judged(5) == "pass"
    assert judged(5, effect=5.0) == "inconclusive"


def test_counts_that_accuse_row_by_row_do_not_accuse_in_clusters():
    """Five answers lost by one person are one harm."""
    assert judged(40) == "fail"
    assert judged(40, effect=5.0) == "inconclusive"
    assert judged(400, effect=5.0) == "fail"


def test_enough_clusters_pass():
    assert judged(25, n=5000, effect=5.0) == judged(5) == "pass"


def test_a_disparity_is_as_uncertain_as_its_least_independent_group():
    """900 rows of a person each, 100 of ten people: the disparity is about those ten."""
    both = (("0", 50), ("1", 50))
    data = profile().model_copy(
        update={
            "slices": (
                SliceProfile(name="all", attributes=(), by_label=both, design_effect=1.9),
                SliceProfile(name="g=a", attributes=("g",), by_label=both),
                SliceProfile(name="g=b", attributes=("g",), by_label=both, design_effect=10.0),
                SliceProfile(name="h=c", attributes=("h",), by_label=both, design_effect=2.0),
            )
        }
    )
    parity = Rule(
        id="parity", check="fairness", metric="equalized-odds-difference-change", at_most=0.02
    )
    asked = policy.make_plan(made(parity, ACCURACY), data).questions
    effects = {q.slice: q.design_effect for q in asked if q.rule == "parity"}
    assert effects == {"g": 10.0, "h": 2.0}


# --- the baseline's confidence


def rows(folder: Path, n=400, **more) -> EvaluationData:
    columns = {
        "y": np.arange(n) % 2, "b": np.arange(n) % 2, "c": np.arange(n) % 2, "g": ["a"] * n,
    } | more  # fmt: skip
    pl.DataFrame(columns).write_parquet(folder / "rows.parquet")
    slices = ("g", *(k for k in more if k == CONFIDENCE))
    return read_predictions(
        EvaluationSection(
            file="rows.parquet", label="y", slices=slices,
            cluster="person" if "person" in more else None,
        ),
        PredictionsSection(baseline="b", candidate="c"), SlicePolicy(), root=folder,
    ).data  # fmt: skip


def sure(values) -> Scores:
    """A binary model whose larger probability per row is the one given."""
    return Scores.of_probabilities(np.asarray(values, dtype=float), 0.5)


QUARTERS = SlicePolicy(confidence=4, disclosure_floor=10)


def test_rows_are_cut_into_parts_of_like_size_by_the_baselines_confidence(tmp_path):
    confidence = np.linspace(0.5, 0.99, 400)
    cut = with_confidence(rows(tmp_path), sure(np.random.default_rng(0).permutation(confidence)),
                          QUARTERS)  # fmt: skip
    parts = [s for s in cut.profile.slices if s.attributes == (CONFIDENCE,)]
    assert [s.n for s in parts] == [100, 100, 100, 100]
    assert [s.name for s in parts] == [
        "baseline confidence=under 0.6225", "baseline confidence=0.6225 to 0.745",
        "baseline confidence=0.745 to 0.8675", "baseline confidence=0.8675 and over",
    ]  # fmt: skip


def test_the_least_sure_rows_are_in_the_first_part(tmp_path):
    given = np.random.default_rng(0).permutation(np.linspace(0.5, 0.99, 400))
    axis = with_confidence(rows(tmp_path), sure(given), QUARTERS).axes[-1]
    assert given[axis.codes == 0].max() < given[axis.codes == 1].min()
    # A probability of .1 is as sure as one of .9.
    turned = with_confidence(rows(tmp_path), sure(1.0 - given), QUARTERS).axes[-1]
    assert (turned.codes == axis.codes).all()


def test_each_new_slice_is_asked_about(tmp_path):
    data = with_confidence(rows(tmp_path), sure(np.linspace(0.5, 0.99, 400)), QUARTERS)
    plan = policy.make_plan(made(ACCURACY), data.profile)
    assert {q.slice for q in plan.questions} == {"g=a"} | set(data.axes[-1].levels)
    counted = dict(data.tables(data.labels, data.labels))
    assert {name: counted[name].n for name in data.axes[-1].levels} == dict.fromkeys(
        data.axes[-1].levels, 100
    )


def test_rows_that_are_certain_stay_together(tmp_path):
    """Half of the rows at exactly 1: they are one part, not two of which one is arbitrary."""
    confidence = np.concatenate([np.linspace(0.5, 0.9, 200), np.ones(200)])
    data = with_confidence(rows(tmp_path), sure(confidence), QUARTERS)
    codes = data.axes[-1].codes
    assert len(set(codes[200:])) == 1
    assert not set(codes[200:]) & set(codes[:200])


def test_parts_that_nearly_read_alike_keep_names_of_their_own(tmp_path):
    """A model that is always nearly certain: every edge is 1 to four digits."""
    confidence = 1.0 - np.linspace(1e-9, 1e-7, 400)
    data = with_confidence(rows(tmp_path), sure(confidence), QUARTERS)
    assert len(set(data.axes[-1].levels)) == 4
    plan = policy.make_plan(made(ACCURACY), data.profile)
    assert len({q.key for q in plan.questions}) == len(plan.questions)


@pytest.mark.parametrize("parts", [1, 4])
def test_one_confidence_for_all_rows_adds_nothing(tmp_path, parts):
    data = rows(tmp_path)
    asked = SlicePolicy(confidence=parts)
    assert with_confidence(data, sure(np.full(400, 0.75)), asked) is data


def test_a_policy_that_does_not_ask_adds_nothing(tmp_path):
    data = rows(tmp_path)
    assert with_confidence(data, sure(np.linspace(0.5, 1, 400)), SlicePolicy()) is data


def test_parts_of_few_rows_are_merged_or_not_shown(tmp_path):
    """A part of four people would be personal data."""
    confidence = np.concatenate([np.full(4, 0.55), np.full(36, 0.9)])
    data = with_confidence(
        rows(tmp_path, 40), sure(confidence), SlicePolicy(confidence=20, disclosure_floor=10)
    )
    shown = [s for s in data.profile.slices if s.attributes == (CONFIDENCE,)]
    assert all(s.n >= 10 for s in shown)


def test_answers_alone_are_refused_where_the_policy_asks_for_confidence(tmp_path):
    data = rows(tmp_path)
    with pytest.raises(PolicyError, match="only answers were given: give probabilities"):
        with_confidence(data, Scores(said=data.labels), QUARTERS)


def test_a_column_of_the_same_name_is_refused(tmp_path):
    data = rows(tmp_path, **{CONFIDENCE: ["low", "high"] * 200})
    with pytest.raises(PolicyError, match="rename the column"):
        with_confidence(data, sure(np.linspace(0.5, 0.99, 400)), QUARTERS)


def test_confidence_is_no_slice_of_numbers_or_rankings(tmp_path):
    data = rows(tmp_path)
    numbers = replace(data, profile=data.profile.model_copy(update={"task": "regression"}))
    assert with_confidence(numbers, Scores(said=data.labels), QUARTERS) is numbers


def test_clusters_count_in_the_new_slices_as_in_all_others(tmp_path):
    data = rows(tmp_path, person=np.arange(400) // 4)
    cut = with_confidence(data, sure(np.linspace(0.5, 0.99, 400)), QUARTERS)
    assert {s.design_effect for s in cut.profile.slices} == {4.0}


# --- groups of people and other slices


def profile_with_confidence():
    """Two groups of one column, and two parts by the baseline's confidence."""
    counts = (("0", 1000), ("1", 1000))
    half = (("0", 500), ("1", 500))
    return Profile(
        labels=("0", "1"),
        positive="1",
        slices=(
            SliceProfile(name="all", attributes=(), by_label=counts),
            SliceProfile(name="g=a", attributes=("g",), by_label=half),
            SliceProfile(name="g=b", attributes=("g",), by_label=half),
            SliceProfile(name="low", attributes=(CONFIDENCE,), by_label=half),
            SliceProfile(name="high", attributes=(CONFIDENCE,), by_label=half),
        ),
    )


@pytest.mark.parametrize(
    ("metric", "over", "asked"),
    [
        ("true-positive-rate-change", "slices", {"g=a", "g=b", "low", "high"}),
        ("true-positive-rate-change", "groups", {"g=a", "g=b"}),
        ("equalized-odds-difference-change", "slices", {"g"}),
    ],
)
def test_the_baselines_confidence_is_a_slice_and_no_group_of_people(metric, over, asked):
    rule = Rule(id="r", check="fairness", metric=metric, over=over, at_least=-0.1)
    plan = policy.make_plan(Policy(name="p", rules=(rule,)), profile_with_confidence())
    assert {q.slice for q in plan.questions} == asked


def test_a_slice_against_the_rest_is_as_dependent_as_the_rest_can_be():
    """The slice's rows are independent; all clusters lie outside of it."""
    given = profile_with_confidence()
    whole = given.slices[0].model_copy(update={"design_effect": 5.5})
    rule = Rule(id="r", check="slice-performance", metric="excess-accuracy-change", at_least=-0.1)
    plan = policy.make_plan(
        Policy(name="p", rules=(rule,)),
        given.model_copy(update={"slices": (whole, *given.slices[1:])}),
    )
    assert {q.slice: q.design_effect for q in plan.questions}["g=a"] == pytest.approx(11.0)
