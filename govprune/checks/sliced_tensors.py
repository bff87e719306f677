"""Whether smaller tensors are the baseline's with whole channels taken out.

Structured pruning keeps some entries of each axis. Which ones is read off the values themselves,
which vote; the vote is then checked against every value. A tampered weight is outvoted, and found.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from .channel_votes import Indices, by_all_weights, by_lines
from .tensor_origins import Origin, of_plain, unexplained

if TYPE_CHECKING:
    import torch


class Kept:
    """Which entries of which axes were kept, as found so far."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], list[Indices]] = {}
        self._made: dict[tuple[int, int], dict[str, Indices]] = {}
        self._read: list[tuple[str, int, Indices]] = []

    def remember(self, name: str, axis: int, before: int, kept: Indices, *, axes: int) -> None:
        """Keep what was found for one axis, of so many, of a tensor."""
        known = self._found.setdefault((before, len(kept)), [])
        if not any(np.array_equal(kept, other) for other in known):
            known.append(kept)
        if axis == 0 and axes > 1:  # only a matrix makes channels
            self._made.setdefault((before, len(kept)), {})[name.rpartition(".")[0]] = kept
        elif axis in (0, 1):
            self._read.append((name, before, kept))

    def crossed(self) -> tuple[str, ...]:
        """Name tensors of other channels than their layer, or any layer of that size, makes."""
        found = []
        for name, before, kept in self._read:
            made = self._made.get((before, len(kept)), {})
            own = made.get(name.rpartition(".")[0])
            allowed = list(made.values()) if own is None or _reads(name) else [own]
            if allowed and not any(np.array_equal(kept, other) for other in allowed):
                found.append(name)
        return tuple(found)

    def known(self, before: int, after: int) -> Iterable[Indices]:
        """Return what was found for axes that went from `before` to `after` entries."""
        return tuple(self._found.get((before, after), ()))


def of_sliced(name: str, base: "torch.Tensor", other: "torch.Tensor", kept: Kept) -> Origin:
    """Explain a smaller tensor by the entries of each axis that were kept.

    Args:
        name: Of the tensor.
        base: The baseline's.
        other: The candidate's, of as many axes.
        kept: What other tensors of the model said; what this one says is added.
    """
    if base.ndim != other.ndim or base.dtype != other.dtype or base.ndim == 0:
        return unexplained("of another shape", other.numel())
    if any(after > before for after, before in zip(other.shape, base.shape, strict=True)):
        return unexplained("of another shape", other.numel())
    best = unexplained("of another shape, and no part of the baseline's", other.numel())
    for choice in _choices(base, other, kept):
        origin = of_plain(_part(base, choice), other)
        if origin.strange < best.strange:
            best = origin
            if not origin.strange:
                for axis, indices in enumerate(choice):
                    if len(indices) != base.shape[axis]:
                        kept.remember(name, axis, base.shape[axis], indices, axes=base.ndim)
                shapes = f"{tuple(base.shape)} to {tuple(other.shape)}"
                return Origin(f"cut from {shapes}, {origin.how}")
            if origin.strange * 100 < other.numel():
                return origin  # these were kept, and some of their weights were changed
    return best


def _part(base: "torch.Tensor", choice: tuple[Indices, ...]) -> "torch.Tensor":
    for axis, indices in enumerate(choice):
        if len(indices) != base.shape[axis]:
            base = base.index_select(axis, _tensor(indices))
    return base


def _reads(name: str) -> bool:
    """Whether this is a matrix, whose second axis reads what another layer makes."""
    return name.endswith("weight")


def _tensor(indices: Indices) -> "torch.Tensor":
    import torch

    return torch.from_numpy(indices)


def _choices(
    base: "torch.Tensor", other: "torch.Tensor", kept: Kept
) -> Iterable[tuple[Indices, ...]]:
    """Yield guesses at what was kept: first by the values, then by what other tensors said."""
    before, after = tuple(base.shape), tuple(other.shape)
    whole = [np.arange(size) for size in before]
    cut = [axis for axis in range(len(before)) if before[axis] != after[axis]]
    if not other.numel():
        return
    for vote in (by_lines, by_all_weights):
        if voted := vote(base, other, cut):
            yield tuple(voted.get(axis, whole[axis]) for axis in range(len(before)))
    if len(cut) == 1:
        for known in kept.known(before[cut[0]], after[cut[0]]):
            yield tuple(known if axis == cut[0] else whole[axis] for axis in range(len(before)))
