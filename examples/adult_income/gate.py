"""The same three gates in Python: wrap the step, gate it, read the verdict.

python data.py && python train.py
govprune keys new
python gate.py a        # or b, or c
"""

import argparse
import copy
import sys

import torch
from model import build, build_int8
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import prune
from train import HERE, fit

import govprune

EVALUATION = {
    "file": "evaluation.parquet",
    "label": "income",
    "classes": ["<=50K", ">50K"],
    "positive": ">50K",
    "features": [
        "age", "education-num", "capital-gain", "capital-loss", "hours-per-week", "workclass=*",
        "marital-status=*", "occupation=*", "relationship=*", "race=*", "sex=*",
    ],
    "slices": ["sex", "race"],
}  # fmt: skip


def pruned(model: nn.Module, amount: float) -> nn.Module:
    """Zero the smallest weights, in place."""
    layers = [(part, "weight") for part in model if isinstance(part, nn.Linear)]
    prune.global_unstructured(layers, prune.L1Unstructured, amount=amount)
    for layer, name in layers:
        prune.remove(layer, name)
    return model


def prune_and_fine_tune(dense: nn.Module) -> govprune.Wrapped:
    """Candidate A, as a `with` block."""
    with govprune.step(
        dense, name="prune-90-and-fine-tune", claim={"sparsity": 0.9}, retrains=True
    ) as step:
        step.candidate = pruned(step.model, 0.9)
        masks = {n: (p != 0).float() for n, p in step.candidate.named_parameters() if p.ndim > 1}
        fit(step.candidate, epochs=2, rate=1e-3, masks=masks)
    return step


@govprune.wrap(name="round-to-8-bits", claim={"bits": 8})
def quantise(dense: nn.Module) -> nn.Module:
    """Candidate B, as a decorated function: round every weight to 8 bits."""
    state = {}
    for name, tensor in dense.state_dict().items():
        if tensor.ndim < 2:
            state[name] = tensor
            continue
        scale = tensor.abs().amax(dim=1) / 127
        state[name] = (tensor / scale[:, None]).round().to(torch.int8)
        state[f"{name}_scale"] = scale
    model = build_int8()
    model.load_state_dict(state)
    return model


@govprune.wrap(name="prune-99.5", claim={"sparsity": 0.995})
def collapse(dense: nn.Module) -> nn.Module:
    """Candidate C: prune until next to nothing is left."""
    return pruned(copy.deepcopy(dense), 0.995)


def main() -> int:
    """Gate one candidate; exit code as `govprune run`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("candidate", choices=["a", "b", "c"])
    parser.add_argument("--out", default=None)
    given = parser.parse_args()
    torch.manual_seed(3)
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    dense = build()
    dense.load_state_dict(load_file(HERE / "dense.safetensors"))
    step = {"a": prune_and_fine_tune, "b": quantise, "c": collapse}[given.candidate](dense)
    gated = govprune.gate_step(
        step,
        evaluation=EVALUATION,
        fine_tuning=["train.parquet"],
        policy="policy.yaml",
        key="keys/gate.key",
        out=given.out or f"runs/python-{given.candidate}",
    )
    print(gated.verdict.result, gated.bundle)
    for finding in gated.verdict.findings:
        if finding.status == "fail" and finding.blocks:
            print(f"  {finding.question.rule} {finding.question.slice}: {finding.reason}")
    return gated.exit_code


if __name__ == "__main__":
    sys.exit(main())
