"""A chain is judged against the original, and says which link cost whom what."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits

import govprune
from govprune import run
from govprune.errors import EvidenceError, InputError, JobError, SubjectError
from govprune.evidence.keys import new_keys
from govprune.evidence.statement import recompute

MODEL = '''\
import torch
from torch import nn


class Digits(nn.Module):
    def __init__(self, int8=False):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)
        self.hidden = nn.Linear(16 * 16, 64)
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        x = torch.relu(self.conv(x.reshape(-1, 1, 8, 8) / 16))
        x = nn.functional.max_pool2d(x, 2).flatten(1)
        return self.out(torch.relu(self.hidden(x)))


class Rounded(Digits):
    """The same, its matrices of eight bits."""

    def __init__(self):
        super().__init__()
        for layer in (self.conv, self.hidden, self.out):
            rows = layer.weight.shape[0]
            stored = torch.zeros_like(layer.weight, dtype=torch.int8)
            del layer.weight
            layer.register_buffer("weight", stored)
            layer.register_buffer("weight_scale", torch.ones(rows))

    def _weight(self, layer):
        steps = layer.weight_scale.reshape(-1, *(1,) * (layer.weight.ndim - 1))
        return layer.weight.float() * steps

    def forward(self, x):
        x = x.reshape(-1, 1, 8, 8) / 16
        x = torch.relu(nn.functional.conv2d(x, self._weight(self.conv), self.conv.bias, padding=1))
        x = nn.functional.max_pool2d(x, 2).flatten(1)
        x = torch.relu(nn.functional.linear(x, self._weight(self.hidden), self.hidden.bias))
        return nn.functional.linear(x, self._weight(self.out), self.out.bias)


def build():
    return Digits()


def build_int8():
    return Rounded()
'''

STEPS = """\
import sys

import polars as pl
import torch
from safetensors.torch import load_file, save_file
from torch.nn.utils import prune

from model import build

torch.set_num_threads(1)


def pruned():
    module = build()
    module.load_state_dict(load_file("dense.safetensors"))
    layers = [(module.conv, "weight"), (module.hidden, "weight"), (module.out, "weight")]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.8)
    for layer, name in layers:
        prune.remove(layer, name)
    save_file(module.state_dict(), "pruned.safetensors")


def tuned():
    torch.manual_seed(0)
    state = load_file("pruned.safetensors")
    module = build()
    module.load_state_dict(state)
    table = pl.read_parquet("training.parquet")
    x = torch.tensor(table.select(r"^p\\d+$").to_numpy())
    y = torch.tensor(table["digit"].to_numpy())
    step = torch.optim.Adam(module.parameters(), lr=3e-4)
    for _ in range(20):
        step.zero_grad()
        torch.nn.functional.cross_entropy(module(x), y).backward()
        step.step()
        with torch.no_grad():
            for name, weight in module.named_parameters():
                if weight.ndim > 1:
                    weight *= state[name] != 0
    save_file(module.state_dict(), "tuned.safetensors")


def rounded():
    state = load_file("tuned.safetensors")
    for name in [n for n in state if n.endswith("weight")]:
        weight = state[name]
        scale = weight.abs().flatten(1).amax(1) / 127
        steps = scale.reshape(-1, *(1,) * (weight.ndim - 1))
        state[name] = torch.round(weight / steps).to(torch.int8)
        state[f"{name}_scale"] = scale
    save_file(state, "int8.safetensors")


{"prune": pruned, "tune": tuned, "round": rounded}[sys.argv[1]]()
"""

JOB = """\
name: digits-chain
title: Digits, pruned, fine-tuned and rounded
baseline: {code: model.py, weights: dense.safetensors}
chain:
  - step: {name: prune, command: python steps.py prune, claim: {sparsity: 0.8}}
    model: {code: model.py, weights: pruned.safetensors}
  - step: {name: fine-tune, command: python steps.py tune, retrains: true}
    model: {code: model.py, weights: tuned.safetensors}
step: {name: quantise, command: python steps.py round, claim: {bits: 8}}
candidate: {code: model.py, factory: build_int8, weights: int8.safetensors}
evaluation: {file: evaluation.parquet, label: digit, features: ["p*"], slices: []}
fine_tuning: [{file: training.parquet}]
policy: policy.yaml
key: keys/gate.key
"""

POLICY = """\
name: digits
rules:
  - {id: recall, check: slice-performance, metric: recall-change, over: whole, at_least: -0.05}
  - {id: links, check: link-attribution, metric: undeclared-links, at_most: 0}
  - {id: whose, check: link-attribution, metric: worst-link-change, at_least: -0.02,
     severity: report}
"""


def digits():
    """Rows of pixels, half for training with class 8 thinned to a tenth, half for evaluation."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    pixels, labels = pixels[order].astype(np.float32), labels[order]
    half = len(labels) // 2
    eights = np.flatnonzero(labels[:half] == 8)
    keep = np.setdiff1d(np.arange(half), eights[len(eights) // 10 :])
    return [
        {f"p{i}": x[:, i] for i in range(64)} | {"digit": y}
        for x, y in ((pixels[:half][keep], labels[:half][keep]), (pixels[half:], labels[half:]))
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The chain's folder before anything was run, with a trained baseline."""
    root = tmp_path_factory.mktemp("chain")
    training, evaluation = digits()
    pl.DataFrame(training).write_parquet(root / "training.parquet")
    pl.DataFrame(evaluation).write_parquet(root / "evaluation.parquet")
    for name, text in (("model.py", MODEL), ("steps.py", STEPS), ("govprune.yaml", JOB),
                       ("policy.yaml", POLICY)):  # fmt: skip
        (root / name).write_text(text)
    namespace: dict = {}
    exec(MODEL, namespace)  # the same code the job names
    torch.manual_seed(0)
    module = namespace["build"]()
    x = torch.tensor(np.stack([training[f"p{i}"] for i in range(64)], axis=1))
    y = torch.tensor(training["digit"])
    step = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(120):
        step.zero_grad()
        torch.nn.functional.cross_entropy(module(x), y).backward()
        step.step()
    save_file(module.state_dict(), root / "dense.safetensors")
    return root


@pytest.fixture(scope="module")
def gated(made):
    new_keys(made / "keys", owner="gate@example.org")
    return run(made, out=made / "bundle")


def measured(gated, metric):
    (found,) = [m for m in gated.evidence.measurements if m.metric == metric]
    return found


def test_the_link_and_the_class_that_was_hurt_are_named(gated):
    assert gated.verdict.result == "FAILED"
    (said,) = measured(gated, "worst-link-change").notes
    assert said == "prune, on class 8"


def test_a_loss_divides_into_what_each_link_cost(gated):
    (cost,) = [f for f in gated.evidence.figures if f.title.startswith("What each link cost")]
    assert cost.columns == ("rows", "n", "prune", "fine-tune", "quantise", "in all")
    for row in cost.rows:
        *parts, total = (float(cell) for cell in row[2:])
        assert sum(parts) == pytest.approx(total, abs=0.16)


def test_each_link_is_explained_by_the_model_before_it(gated):
    assert measured(gated, "undeclared-links").basis.value == 0
    (made,) = [f for f in gated.evidence.figures if f.title == "What each link made"]
    names, strange = [row[0] for row in made.rows], [row[5] for row in made.rows]
    assert names == ["prune", "fine-tune", "quantise"]
    assert (strange[0], strange[2]) == ("0", "0")
    assert int(strange[1].replace(",", "")) > 1000
    assert [row[3] for row in made.rows] == ["32", "32", "8"]
    assert made.rows[0][2] == "80.0%"


def test_the_chain_is_in_the_evidence_digest_by_digest(gated, made):
    evidence = gated.evidence
    assert [link.step.name for link in evidence.chain] == ["prune", "fine-tune", "quantise"]
    assert evidence.chain[0].parent == evidence.subject("baseline").sha256
    assert evidence.chain[2].product == evidence.subject("candidate").sha256
    for before, after in zip(evidence.chain, evidence.chain[1:], strict=False):
        assert after.parent == before.product
    assert evidence.subject("link-2").name == "tuned.safetensors"
    assert dict(evidence.chain[1].step.materials).keys() == {
        "pruned.safetensors", "model.py", "training.parquet",
    }  # fmt: skip
    recompute(evidence)


def swapped(evidence):
    first, second, third = evidence.chain
    return (second, first, third)


def another_product(evidence):
    first, *rest = evidence.chain
    return (first.model_copy(update={"product": "0" * 64}), *rest)


def without_the_first(evidence):
    return evidence.chain[1:]


def another_step(evidence):
    *rest, last = evidence.chain
    step = last.step.model_copy(update={"retrains": True})
    return (*rest, last.model_copy(update={"step": step}))


@pytest.mark.parametrize("forge", [swapped, another_product, without_the_first, another_step])
def test_a_forged_chain_is_refused(gated, forge):
    with pytest.raises(EvidenceError, match=r"chain"):
        recompute(gated.evidence.model_copy(update={"chain": forge(gated.evidence)}))


def test_a_link_that_retrains_and_does_not_say_so_fails(made, tmp_path):
    silent = JOB.replace(", retrains: true", "")
    for path in made.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "govprune.yaml").write_text(silent)
    found = run(tmp_path, unsafe_unsigned=True, out=tmp_path / "b").evidence
    (broken,) = [m for m in found.measurements if m.metric == "undeclared-links"]
    assert broken.basis.value == 1
    assert broken.notes[0].startswith("fine-tune: ")
    assert "links" in {f.question.rule for f in found.verdict.findings if f.status == "fail"}


def test_a_later_command_that_touches_an_earlier_model_is_refused(made, tmp_path):
    for path in made.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    spoilt = JOB.replace(
        "python steps.py round", "python steps.py round && cp dense.safetensors pruned.safetensors"
    )
    (tmp_path / "govprune.yaml").write_text(spoilt)
    with pytest.raises(InputError, match=r"pruned\.safetensors: changed after step 'prune'"):
        run(tmp_path, unsafe_unsigned=True, out=tmp_path / "b")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("weights: tuned", "weights: pruned", "the same weights file: 'pruned.safetensors'"),
        ("name: fine-tune", "name: prune", "the same name: 'prune'"),
    ],
)
def test_links_must_differ(made, tmp_path, old, new, message):
    (tmp_path / "govprune.yaml").write_text(JOB.replace(old, new))
    with pytest.raises(JobError, match=message):
        run(tmp_path, unsafe_unsigned=True)


# --- the same in Python


def test_steps_wrapped_in_python_chain(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict = {}
    exec(MODEL, namespace)
    dense = namespace["build"]()
    dense.load_state_dict(load_file(made / "dense.safetensors"))
    with govprune.step(dense, name="prune") as first:
        with torch.no_grad():
            first.model.hidden.weight[first.model.hidden.weight.abs() < 0.05] = 0
        first.candidate = first.model
    with govprune.step(first.candidate, name="halve", after=first) as second:
        with torch.no_grad():
            second.model.out.weight[8] = 0
        second.candidate = second.model
    found = govprune.gate_step(
        second, policy=made / "policy.yaml", out="bundle", unsafe_unsigned=True,
        evaluation={
            "file": str(made / "evaluation.parquet"), "label": "digit", "features": ["p*"],
        },
    )  # fmt: skip
    assert measured(found, "worst-link-change").notes == ("halve, on class 8",)
    assert [link.step.name for link in found.evidence.chain] == ["prune", "halve"]
    recompute(found.evidence)
    assert json.loads(found.evidence.chain[0].model_dump_json())["previous"] is None


def test_a_step_that_starts_from_another_model_is_no_link(tmp_path):
    torch.manual_seed(0)
    with govprune.step(torch.nn.Linear(2, 2), name="one", folder=tmp_path / "1") as one:
        one.candidate = torch.nn.Linear(2, 2)
    with (
        pytest.raises(SubjectError, match="starts from another model than 'one' made"),
        govprune.step(torch.nn.Linear(2, 2), name="two", after=one, folder=tmp_path / "2"),
    ):
        pass
