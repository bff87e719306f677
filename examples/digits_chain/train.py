"""Write training.parquet and evaluation.parquet, and train the baseline: dense.safetensors.

Handwritten digits (Alpaydin & Kaynak 1998), as scikit-learn ships them. Of the eights only every
tenth is in the training data: compression forgets first what was seen least.
"""

import numpy as np
import polars as pl
import torch
from model import build
from safetensors.torch import save_file
from sklearn.datasets import load_digits


def tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows of pixels for training, with class 8 thinned, and for evaluation."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    pixels, labels = pixels[order].astype(np.float32), labels[order]
    half = len(labels) // 2
    eights = np.flatnonzero(labels[:half] == 8)
    kept = np.setdiff1d(np.arange(half), eights[len(eights) // 10 :])
    frame = pl.DataFrame({f"p{i}": pixels[:, i] for i in range(64)} | {"digit": labels})
    return frame[kept], frame[half:]


def train(table: pl.DataFrame) -> torch.nn.Module:
    """Train the dense network."""
    torch.manual_seed(0)
    module = build()
    x = torch.tensor(table.drop("digit").to_numpy())
    y = torch.tensor(table["digit"].to_numpy())
    optimiser = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(120):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(x), y).backward()
        optimiser.step()
    return module


def main() -> None:
    """Write the tables and the baseline."""
    torch.set_num_threads(1)
    training, evaluation = tables()
    training.write_parquet("training.parquet")
    evaluation.write_parquet("evaluation.parquet")
    save_file(train(training).state_dict(), "dense.safetensors")
    print(f"{training.height} rows to train on, {evaluation.height} to judge on")


if __name__ == "__main__":
    main()
