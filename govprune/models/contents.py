"""What a weights file holds, counted: weights, zeros, bits, patterns, bytes.

Sparsity and bits are counted over weight matrices (tensors of two or more dimensions): biases and
normalisation are not what compression claims are about.
"""

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import CheckError
from ..records import Record
from .base import Model
from .grids import Grid, grids
from .stored import masks_applied

if TYPE_CHECKING:
    import torch

PATTERNS = ((1, 4), (2, 4), (4, 8))
"""N of M weights in a row that may be other than zero (Mishra et al. 2021, for 2 of 4)."""
_PACKABLE = 256 << 20
"""Bytes beyond which a file is not compressed only to see how far it would go."""


class Contents(Record):
    """What a weights file holds."""

    weights: int
    """In matrices, on a grid or not."""
    zeros: int
    bits: float
    """Per weight, averaged."""
    parameters: int
    """All values that are no part of a grid or a mask, biases included."""
    size: int
    """Bytes of the file, or of all files of the folder."""
    packed: int | None
    """Bytes of its tensors after zlib at level 1; None where that would take too long."""
    masks: int
    groups: tuple[tuple[str, int, int], ...]
    """Pattern (`2:4`), groups of M weights in pruned matrices, and how many of them break it."""

    @property
    def sparsity(self) -> float:
        """Share of weights that are zero."""
        return self.zeros / self.weights if self.weights else 0.0

    @property
    def pattern(self) -> str | None:
        """The strictest N:M pattern that every pruned matrix keeps."""
        return next((name for name, groups, broken in self.groups if groups and not broken), None)


def contents(model: Model) -> Contents:
    """Count weights, zeros, bits and patterns.

    Raises:
        CheckError: The model shows no tensor.
    """
    if not model.tensors:
        raise CheckError(
            f"the {model.role} is {model.kind} that shows none of its weights: they cannot be "
            "looked into"
        )
    on_grid, plain = grids(masks_applied(model.tensors))
    matrices = {
        n: t for n, t in plain.items() if t.ndim >= 2 and not n.endswith(("_mask", "_scale"))
    }
    quantised = {n: g for n, g in on_grid.items() if g.stored.ndim >= 2}
    zero = {n: t == 0 for n, t in matrices.items()}
    zero |= {n: g.integers() == 0 for n, g in quantised.items()}
    bits = sum(t.numel() * t.element_size() * 8 for t in matrices.values())
    bits += sum(g.stored.numel() * g.stored.element_size() * 8 for g in quantised.values())
    weights = sum(z.numel() for z in zero.values())
    return Contents(
        weights=weights,
        zeros=sum(int(z.sum()) for z in zero.values()),
        bits=bits / max(weights, 1),
        parameters=sum(t.numel() for t in plain.values()) + sum(map(_values, on_grid.values())),
        size=model.weights.size,
        packed=_packed(model.tensors),
        masks=sum(_mask_of(name) in model.tensors for name in model.tensors),
        groups=tuple(_groups(zero, n, m) for n, m in PATTERNS),
    )


def _values(grid: Grid) -> int:
    return int(grid.stored.numel())


def _mask_of(name: str) -> str | None:
    """Name of the pruning mask that torch.nn.utils.prune keeps beside `..._orig`."""
    return f"{name.removesuffix('_orig')}_mask" if name.endswith("_orig") else None


def _groups(zero: "Mapping[str, torch.Tensor]", n: int, m: int) -> tuple[str, int, int]:
    """Count groups of M weights in a row, and those with more than N others than zero.

    Only matrices that were pruned count: a first or last layer is often left alone.
    """
    groups = broken = 0
    for table in zero.values():
        rows = table.flatten(1)
        if rows.shape[1] % m or not bool(rows.float().mean() >= 0.9 * (1 - n / m)):
            continue
        kept = m - rows.reshape(-1, m).sum(dim=1)
        groups += kept.numel()
        broken += int((kept > n).sum())
    return f"{n}:{m}", groups, broken


def _packed(tensors: "Mapping[str, torch.Tensor]") -> int | None:
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    if total > _PACKABLE:
        return None
    squeezed, size = zlib.compressobj(1), 0
    for tensor in tensors.values():
        import torch

        flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        size += len(squeezed.compress(flat.numpy().data))
    return size + len(squeezed.flush())
