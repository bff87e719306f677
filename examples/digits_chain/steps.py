"""The three steps of the chain, each from file to file: python steps.py prune|tune|round."""

import sys

import polars as pl
import torch
from model import build
from safetensors.torch import load_file, save_file
from torch.nn.utils import prune


def pruned() -> None:
    """Zero the smallest four weights of five."""
    module = build()
    module.load_state_dict(load_file("dense.safetensors"))
    layers = [(module.conv, "weight"), (module.hidden, "weight"), (module.out, "weight")]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.8)
    for layer, name in layers:
        prune.remove(layer, name)
    save_file(module.state_dict(), "pruned.safetensors")


def tuned() -> None:
    """Train what is left a little; zeros stay zeros."""
    torch.manual_seed(0)
    state = load_file("pruned.safetensors")
    module = build()
    module.load_state_dict(state)
    table = pl.read_parquet("training.parquet")
    x = torch.tensor(table.drop("digit").to_numpy())
    y = torch.tensor(table["digit"].to_numpy())
    optimiser = torch.optim.Adam(module.parameters(), lr=3e-4)
    for _ in range(20):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(x), y).backward()
        optimiser.step()
        with torch.no_grad():
            for name, weight in module.named_parameters():
                if weight.ndim > 1:
                    weight.mul_(state[name] != 0)
    save_file(module.state_dict(), "tuned.safetensors")


def rounded() -> None:
    """Write each matrix as whole numbers of eight bits, and a step per output."""
    state = load_file("tuned.safetensors")
    for name in [n for n in state if n.endswith("weight")]:
        weight = state[name]
        scale = weight.abs().flatten(1).amax(1) / 127
        steps = scale.reshape(-1, *(1,) * (weight.ndim - 1))
        state[name] = torch.round(weight / steps).to(torch.int8)
        state[f"{name}_scale"] = scale
    save_file(state, "int8.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"prune": pruned, "tune": tuned, "round": rounded}[sys.argv[1]]()
