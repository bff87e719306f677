"""Torch models that answer with a number or with several labels go the same line."""

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import save_file

MODEL = """\
import torch


def number():
    return torch.nn.Linear(2, 1)


def labels():
    return torch.nn.Linear(2, 3)
"""

JOB = """\
name: other-task
title: Another task
baseline: {{code: model.py, factory: {factory}, weights: before.safetensors}}
step: {{name: prune}}
candidate: {{code: model.py, factory: {factory}, weights: after.safetensors}}
evaluation: {{file: rows.parquet, task: {task}, label: {label}, features: [a, b], slices: [g]}}
policy: policy.yaml
key: keys/gate.key
"""

POLICY = """\
name: small
rules:
  - {id: error-holds, check: regression-error, metric: absolute-error-change, at_most: 0.2}
  - {id: accuracy-holds, check: slice-performance, metric: accuracy-change, at_least: -0.05}
  - {id: recall-holds, check: slice-performance, metric: recall-change, at_least: -0.05}
"""


@pytest.fixture
def other(job):
    """Write rows and a linear model whose candidate lost the weight that group q rests on."""
    random = np.random.default_rng(0)
    x = random.normal(size=(3000, 2)).astype(np.float32)
    in_q = random.random(3000) < 0.5
    x[~in_q, 1] = 0.0
    number = 3 * x[:, 0] + 3 * x[:, 1] + random.normal(size=3000)
    rows = {"a": x[:, 0], "b": x[:, 1], "g": np.where(in_q, "q", "p").tolist(), "y": number}
    weight = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 0.0]])
    truth = x @ weight.numpy().T > 0
    rows |= {f"y{i}": truth[:, i].astype(int) for i in range(3)}
    pl.DataFrame(rows).write_parquet(job / "rows.parquet")
    (job / "model.py").write_text(MODEL)
    (job / "policy.yaml").write_text(POLICY)
    return job, weight


def write(other, *, task, label, factory, harmed):
    folder, weight = other
    kept = 3 * weight[:1] if factory == "number" else weight
    for name, hurt in (("before", False), ("after", harmed)):
        made = kept.clone()
        if hurt:
            made[:, 1] = 0.0
        elif name == "after":
            made = made + 1e-6
        save_file({"weight": made, "bias": torch.zeros(len(made))}, folder / f"{name}.safetensors")
    job = JOB.format(task=task, label=label, factory=factory)
    (folder / "govprune.yaml").write_text(job)


@pytest.mark.parametrize(("harmed", "code"), [(False, 0), (True, 1)])
@pytest.mark.parametrize(
    ("task", "label", "factory", "rule"),
    [
        ("regression", "y", "number", "error-holds"),
        ("multi-label", "[y0, y1, y2]", "labels", "accuracy-holds"),
    ],
)
def test_harm_to_one_group_is_found_in_every_task(
    other, govprune, task, label, factory, rule, harmed, code
):
    write(other, task=task, label=label, factory=factory, harmed=harmed)
    done = govprune("run", "--out", "bundle")
    assert done.code == code, done
    failing = [line for line in done.out.splitlines() if line.split()[:2] == ["FAIL", rule]]
    assert ["g=q" in line for line in failing] == [True] * harmed


def test_a_model_of_another_width_than_the_labels_is_refused(other, govprune):
    write(other, task="regression", label="y", factory="labels", harmed=False)
    done = govprune("run", "--out", "bundle")
    assert done.code == 2
    assert "gives 3 scores per row, the data has numbers" in done.err
