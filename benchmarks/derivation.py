"""How long it takes to find one changed weight among twenty million, beside reading the files.

    python benchmarks/derivation.py [--weights 2e7] [--rounds 5]

For each form of compression two files are written, one weight of the candidate is changed, and
reading both (which hashes them) and deriving are timed in turn. The limits: 2 seconds, and twice
the time of reading.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import safetensors.torch
import torch

from govprune.checks.derivation import origins
from govprune.models.torch_model import read_weights

SECONDS, RATIO = 2.0, 2.0
Tensors = dict[str, torch.Tensor]


def pruned(base: Tensors) -> Tensors:
    """Zero nine weights of ten."""
    return {name: w * (w.abs() > 1.645) for name, w in base.items()}


def rounded(base: Tensors) -> Tensors:
    """Round to eight bits, a scale per row."""
    made: Tensors = {}
    for name, w in base.items():
        made[f"{name}_scale"] = w.abs().amax(1) / 127
        made[name] = torch.round(w / made[f"{name}_scale"][:, None]).to(torch.int8)
    return made


def cut(base: Tensors) -> Tensors:
    """Keep every second row and column."""
    return {name: w[::2, ::2].contiguous() for name, w in base.items()}


def cast(base: Tensors) -> Tensors:
    """Write half as many bits."""
    return {name: w.to(torch.bfloat16) for name, w in base.items()}


def timed(folder: Path, make: Callable[[Tensors], Tensors], base: Tensors, rounds: int) -> None:
    """Time one form and print its line."""
    candidate = make(base)
    name = next(n for n in candidate if n.startswith("layer-7") and not n.endswith("scale"))
    candidate[name][123, 45] += 3
    safetensors.torch.save_file(candidate, folder / "candidate.safetensors")
    reading, deriving = [], []
    for _ in range(rounds):
        start = perf_counter()
        before, after = (
            read_weights(folder / f"{role}.safetensors", role=role, root=folder)[1]
            for role in ("baseline", "candidate")
        )
        read = perf_counter()
        found = [(n, o) for n, _, o in origins(before, after).tensors if o.strange]
        deriving.append(perf_counter() - read)
        reading.append(read - start)
    ((where, origin),) = found
    assert (where, origin.strange, origin.first) == (name, 1, (123, 45))
    read, derived = statistics.median(reading), statistics.median(deriving)
    print(
        f"{make.__name__:8}  reading {read:.3f} s  deriving {derived:.3f} s (limit {SECONDS:g})  "
        f"ratio {derived / read:.2f} (limit {RATIO:g})"
    )


def main() -> None:
    """Time every form."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--weights", type=float, default=2e7)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    rows = int(given.weights / 10 / 1000)
    torch.manual_seed(0)
    base = {f"layer-{i}": torch.randn(rows, 1000) for i in range(10)}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        safetensors.torch.save_file(base, folder / "baseline.safetensors")
        for make in (pruned, rounded, cut, cast):
            timed(folder, make, base, given.rounds)


if __name__ == "__main__":
    main()
