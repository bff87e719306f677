"""Prune the dense classifier by global magnitude (L1), fine-tune what is left, write the result."""

import argparse

import torch
from model import build
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import prune
from train import HERE, accuracy, fit


def main() -> None:
    """Prune once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--epochs", type=int, default=2, help="of fine-tuning; 0 for none")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--out", default="pruned-90.safetensors")
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    model = build()
    model.load_state_dict(load_file(HERE / "dense.safetensors"))
    layers = [(part, "weight") for part in model if isinstance(part, nn.Linear)]
    prune.global_unstructured(layers, prune.L1Unstructured, amount=given.sparsity)
    for layer, name in layers:
        prune.remove(layer, name)
    masks = {n: (p != 0).float() for n, p in model.named_parameters() if n.endswith("weight")}
    fit(model, given.epochs, 1e-3, masks)
    save_file(model.state_dict(), HERE / given.out)
    print(f"{given.out}: accuracy {accuracy(model):.2%}")


if __name__ == "__main__":
    main()
