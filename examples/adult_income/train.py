"""Train the dense income classifier and write dense.safetensors."""

import argparse
from pathlib import Path

import polars as pl
import torch
from model import build
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent


def rows(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Read features and labels of one table."""
    frame = pl.read_parquet(HERE / f"{name}.parquet")
    features = frame.drop("sex", "race", "income").to_torch().float()
    return features, torch.tensor((frame["income"] == ">50K").to_list()).long()


def fit(model: nn.Module, epochs: int, rate: float, masks: dict[str, torch.Tensor]) -> None:
    """Train on train.parquet; where a mask is given, weights under it stay zero."""
    features, labels = rows("train")
    weights = dict(model.named_parameters())
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels)).split(256):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(features[batch]), labels[batch]).backward()
            optimiser.step()
            with torch.no_grad():
                for name, mask in masks.items():
                    weights[name] *= mask


def accuracy(model: nn.Module) -> float:
    """Share of evaluation rows the model gets right."""
    features, labels = rows("evaluation")
    with torch.no_grad():
        return float((model(features).argmax(1) == labels).float().mean())


def main() -> None:
    """Train once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_num_threads(1)  # the same sums in the same order on any number of cores
    model = build()
    features, _ = rows("train")
    model[0].mean.copy_(features.mean(0))
    model[0].deviation.copy_(features.std(0).clamp_min(1e-6))
    fit(model, given.epochs, 1e-3, {})
    save_file(model.state_dict(), HERE / "dense.safetensors")
    print(f"dense.safetensors: accuracy {accuracy(model):.2%}")


if __name__ == "__main__":
    main()
