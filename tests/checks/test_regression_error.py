"""Numbers that are off by more, or all off to one side, are found in the slice that bears it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from govprune.checks import Case
from govprune.checks.regression_error import REGRESSION_ERROR
from govprune.data import read_predictions
from govprune.errors import CheckError, SubjectError
from govprune.job import EvaluationSection, PredictionsSection
from govprune.lineage import Step
from govprune.measurements import Figure, Measurement, Share
from govprune.policy import Policy, Rule, judge, make_plan
from govprune.policy.rules import SlicePolicy
from govprune.stats import estimate

RULES = (
    Rule(id="error", check="regression-error", metric="absolute-error-change", at_most=0.1),
    Rule(
        id="bias", check="regression-error", metric="bias-change", at_least=-0.1, at_most=0.1
    ),
    Rule(id="doubled", check="regression-error", metric="excess-error-rows", at_most=0.02),
)  # fmt: skip


def wages(n=6000, seed=0):
    """A target in two groups, and a baseline that is usually off by some 8 of 100."""
    random = np.random.default_rng(seed)
    truth = random.uniform(0, 100, n)
    return {
        "y": truth,
        "before": truth + random.normal(0, 10, n),
        "group": np.where(np.arange(n) % 2, "a", "b").tolist(),
    }


def case(folder: Path, columns) -> Case:
    pl.DataFrame(columns).write_parquet(folder / "numbers.parquet")
    read = read_predictions(
        EvaluationSection(file="numbers.parquet", label="y", task="regression", slices=("group",)),
        PredictionsSection(baseline="before", candidate="after"),
        SlicePolicy(),
        root=folder,
    )
    return Case(
        step=Step(name="step", kind="artefacts"), models=None, data=read.data, fine_tuning=(),
        members=None, baseline_scores=read.baseline, candidate_scores=read.candidate, seed=0,
    )  # fmt: skip


def measured(given: Case) -> list[Measurement]:
    items = REGRESSION_ERROR.measure(given, REGRESSION_ERROR.params())
    return [item for item in items if isinstance(item, Measurement)]


def basis(given: Case, metric: str, where: str = "all"):
    (found,) = [m.basis for m in measured(given) if (m.metric, m.slice) == (metric, where)]
    return found


def ruled(given: Case) -> dict[str, str]:
    plan = make_plan(Policy(name="numbers", rules=RULES), given.data.profile)
    return {f"{f.question.rule} {f.question.slice}": f.status for f in judge(plan, measured(given))}


def test_a_group_with_a_larger_error_fails_and_the_other_passes(tmp_path):
    columns = wages()
    worse = columns["y"] + 1.5 * (columns["before"] - columns["y"])
    hit = np.array(columns["group"]) == "b"
    columns["after"] = np.where(hit, worse, columns["before"])
    statuses = ruled(case(tmp_path, columns))
    assert statuses["error group=a"] == "pass"
    assert statuses["error group=b"] == "fail"
    assert {statuses["bias group=a"], statuses["bias group=b"]} == {"pass"}


def test_a_group_estimated_lower_fails_although_no_error_grew(tmp_path):
    """Every error points down now, and none is larger than before."""
    columns = wages()
    down = columns["y"] - np.abs(columns["before"] - columns["y"])
    hit = np.array(columns["group"]) == "a"
    columns["after"] = np.where(hit, down, columns["before"])
    given = case(tmp_path, columns)
    statuses = ruled(given)
    assert (statuses["error group=a"], statuses["bias group=a"]) == ("pass", "fail")
    assert statuses["bias group=b"] == "pass"
    assert estimate(basis(given, "bias-change", "group=a")) == pytest.approx(
        -1.18,
        abs=0.05,  # the mean of such errors, over their median
    )


def test_a_candidate_that_hardly_moves_passes(tmp_path):
    columns = wages()
    columns["after"] = columns["before"] + np.random.default_rng(1).normal(0, 0.2, 6000)
    assert set(ruled(case(tmp_path, columns)).values()) == {"pass"}


def test_few_rows_cannot_tell_although_nothing_moved(tmp_path):
    columns = wages(60)
    columns["after"] = columns["before"]
    assert set(ruled(case(tmp_path, columns)).values()) == {"inconclusive"}


def test_errors_are_in_units_of_what_the_baseline_is_usually_off_by(tmp_path):
    columns = wages(200)
    columns["after"] = columns["y"] + 1.3 * (columns["before"] - columns["y"])
    first = basis(case(tmp_path, columns), "absolute-error-change")
    off = np.abs(columns["before"] - columns["y"])
    assert first.baseline == pytest.approx(off.mean() / np.median(off))
    assert estimate(first) == pytest.approx(0.3 * off.mean() / np.median(off))
    scaled = {k: 1000.0 * v if k != "group" else v for k, v in columns.items()}
    again = basis(case(tmp_path, scaled), "absolute-error-change")
    assert again.variance == pytest.approx(first.variance)
    assert again.span == pytest.approx(first.span)


def test_rows_count_as_doubled_where_they_are_off_twice_as_much_and_more_than_usual(tmp_path):
    """The baseline is off by 10 in each row."""
    n = 100
    truth = np.linspace(100.0, 199.0, n)
    off = np.full(n, 10.0)
    off[:3] = 21.0  # more than twice
    off[3:5] = -20.0  # exactly twice
    columns = {"y": truth, "before": truth + 10.0, "after": truth + off, "group": ["a"] * n}
    given = case(tmp_path, columns)
    assert basis(given, "excess-error-rows") == Share(hits=3, trials=100)
    columns["before"][:50], columns["after"][:50] = truth[:50] + 1.0, truth[:50] + 3.0  # small
    assert basis(case(tmp_path, columns), "excess-error-rows") == Share(hits=0, trials=100)


def test_the_figure_shows_the_targets_own_units(tmp_path):
    columns = wages(300)
    columns["after"] = columns["before"] + 5.0
    items = REGRESSION_ERROR.measure(case(tmp_path, columns), REGRESSION_ERROR.params())
    (figure,) = [item for item in items if isinstance(item, Figure)]
    off = [columns[k] - columns["y"] for k in ("before", "after")]
    shown = figure.rows[0]
    assert shown[:2] == ("all", "300")
    assert shown[2] == f"{np.abs(off[0]).mean():.4g} → {np.abs(off[1]).mean():.4g}"
    assert shown[3] == f"{off[0].mean():.4g} → {off[1].mean():.4g}"
    assert shown[4] == f"{np.sqrt((off[0] ** 2).mean()):.4g} → {np.sqrt((off[1] ** 2).mean()):.4g}"


def test_a_baseline_that_is_never_off_is_no_baseline(tmp_path):
    columns = wages(50)
    given = case(tmp_path, columns | {"before": columns["y"], "after": columns["y"] + 1})
    with pytest.raises(CheckError, match="is the label among its inputs"):
        measured(given)


def test_one_row_that_is_far_off_hides_nobody(tmp_path):
    """An outlier of both models is no yardstick for the errors of everybody else."""
    columns = wages()
    columns["after"] = columns["y"] + 3.0 * (columns["before"] - columns["y"])
    columns["before"][0] = columns["after"][0] = 1e7
    assert ruled(case(tmp_path, columns))["error group=a"] == "fail"


def test_classes_are_no_numbers_whatever_the_job_says(tmp_path):
    columns = wages(400)
    columns["y"] = (columns["y"] > 50).astype(float)
    columns["after"] = columns["before"]
    with pytest.raises(SubjectError, match="they are classes, not numbers"):
        case(tmp_path, columns)
