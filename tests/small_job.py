"""A small real job: 1,200 rows, a logistic model, its weights rounded to 8 bits."""

from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file

from govprune.evidence.keys import new_keys

MODEL = """\
import torch


class Rounded(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.zeros(2, 3, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(2))
        self.register_buffer("bias", torch.zeros(2))

    def forward(self, x):
        return x @ (self.weight.float() * self.weight_scale[:, None]).T + self.bias


def build():
    return torch.nn.Linear(3, 2)


def build_int8():
    return Rounded()
"""

JOB = """\
name: small-job
title: A small job
baseline: {code: model.py, weights: dense.safetensors}
step: {name: round-to-8-bits, claim: {bits: 8}}
candidate: {code: model.py, factory: build_int8, weights: int8.safetensors}
evaluation:
  file: evaluation.csv
  label: y
  features: [a, b, c]
  slices: [g]
policy: policy.yaml
key: keys/gate.key
"""

POLICY = """\
name: small
attempts: counted
rules:
  - id: no-slice-loses-accuracy
    check: slice-performance
    metric: accuracy-change
    at_least: -0.03
  - id: claims-are-true
    check: compression-claim
    metric: claim-error
    at_most: 0.01
  - id: retraining-is-declared
    check: derivation
    metric: undeclared-retraining
    at_most: 0
"""


def table(rows: int = 1200, seed: int = 0) -> pl.DataFrame:
    """Rows whose label follows from a and b, with two groups."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] + 0.3 * random.normal(size=rows) > 0).astype(int)
    return pl.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "g": np.where(x[:, 2] > 0, "p", "q"), "y": y}
    )


def write(root: Path, account: Path) -> None:
    """Write the job into a new folder; the account trusts its key."""
    root.mkdir()
    frame = table()
    frame.write_csv(root / "evaluation.csv")
    weight = torch.tensor([[-1.0, -1.0, 0.01], [1.0, 1.0, -0.02]])
    bias = torch.tensor([0.02, -0.02])
    scale = weight.abs().amax(dim=1) / 127
    save_file({"weight": weight, "bias": bias}, root / "dense.safetensors")
    save_file(
        {
            "weight": (weight / scale[:, None]).round().to(torch.int8),
            "weight_scale": scale,
            "bias": bias,
        },
        root / "int8.safetensors",
    )
    (root / "model.py").write_text(MODEL)
    (root / "govprune.yaml").write_text(JOB)
    (root / "policy.yaml").write_text(POLICY)
    _, public = new_keys(root / "keys", owner="gate@example.org")
    trusted = account / "trusted"
    trusted.mkdir(parents=True)
    (trusted / "gate.pub").write_bytes(public.read_bytes())
