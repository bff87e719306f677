"""What a weights file holds, counted: weights, zeros, bits, patterns, bytes.

Sparsity and bits are counted over weight matrices (tensors of two or more dimensions): biases and
normalisation are not what compression claims are about.

What a file holds beyond the baseline's number of weights can only tell against it: zeros that pad a
file are no pruning, narrow integers that nothing reads are no quantisation.
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
SCALED = 4
"""Fewest weights per scale or zero point: the single kernels of a 3 x 3 convolution have 4.5. At
fewer, scales of 32 bits hold more than integers of 8 bits; at more, whoever hid weights in them
would ship a file larger than the baseline's."""
_PACKABLE = 256 << 20
"""Bytes beyond which a file is not compressed only to see how far it would go."""
_PACKED: dict[tuple[str, str], int | None] = {}
"""What that came to, by the kind of a model and the digest of its file."""


class Groups(Record):
    """Groups of M weights in a row, in the matrices that were pruned."""

    name: str
    """Of the pattern: `2:4`."""
    groups: int
    broken: int
    """Groups with more than N weights other than zero."""
    covered: int
    """Weights in matrices that were pruned."""
    scope: int
    """Weights in matrices whose rows can be divided by M."""

    @property
    def share(self) -> float:
        """Share of the weights in scope that sit in pruned matrices."""
        return self.covered / self.scope if self.scope else 0.0


class Contents(Record):
    """What a weights file holds."""

    weights: int
    """In matrices, on a grid or not; without padding."""
    zeros: int
    padding: int
    """Zeros beyond the baseline's number of weights: not counted."""
    bits: float
    """Per weight, averaged."""
    parameters: int
    """All values that are no part of a grid or a mask, biases included."""
    size: int
    """Bytes of the file, or of all files of the folder."""
    packed: int | None
    """Bytes of its tensors after zlib at level 1; None where that would take too long."""
    masks: int
    groups: tuple[Groups, ...]

    @property
    def sparsity(self) -> float:
        """Share of weights that are zero."""
        return self.zeros / self.weights if self.weights else 0.0

    @property
    def pattern(self) -> Groups | None:
        """The strictest N:M pattern that every pruned matrix keeps."""
        return next((g for g in self.groups if g.groups and not g.broken), None)


def contents(model: Model, baseline: Contents | None = None) -> Contents:
    """Count weights, zeros, bits and patterns.

    Args:
        model: Whose file is counted.
        baseline: What the file held that this one was made from, if any.

    Raises:
        CheckError: The model shows no tensor.
    """
    if not model.tensors:
        raise CheckError(
            f"the {model.role} is {model.kind} that shows none of its weights: they cannot be "
            "looked into"
        )
    masks = _masks(model.tensors)
    on_grid, plain, apart = _told_apart(model.tensors, masks)
    matrices = {n: t for n, t in plain.items() if t.ndim >= 2 or n in apart}
    quantised = {n: g for n, g in on_grid.items() if g.stored.ndim >= 2}
    zero = {n: t == 0 for n, t in matrices.items()}
    zero |= {n: g.integers() == 0 for n, g in quantised.items()}
    held = [*matrices.values(), *(g.stored for g in quantised.values())]
    weights, zeros = (sum(map(count, zero.values())) for count in (_numel, _true))
    padding = min(zeros, max(weights - baseline.weights, 0)) if baseline else 0
    return Contents(
        weights=weights - padding,
        zeros=zeros - padding,
        padding=padding,
        bits=_bits(held, min(weights, baseline.weights) if baseline else weights),
        parameters=sum(map(_numel, plain.values())) + sum(map(_values, on_grid.values())),
        size=model.weights.size,
        packed=_packed_once(model),
        masks=len(masks),
        groups=tuple(_groups(zero, n, m, baseline) for n, m in PATTERNS),
    )


def _told_apart(
    tensors: "Mapping[str, torch.Tensor]", masks: set[str]
) -> "tuple[dict[str, Grid], dict[str, torch.Tensor], set[str]]":
    """Tell grids from plain tensors, masks applied.

    Returns:
        The grids; all other tensors; and the names of those that are weights whatever their shape,
        because they are called masks or scales and hold too much to be any.
    """
    called = {n for n in tensors if n.endswith("_mask") and f"{n[:-5]}_orig" in tensors}
    false = {part for n in called - masks for part in (n, f"{n[:-5]}_orig")}
    state = masks_applied({n: t for n, t in tensors.items() if n not in false})
    on_grid, plain = grids(state)
    apart, refused = set(false), [n for n, grid in on_grid.items() if not _is_grid(grid)]
    for name in refused:
        parts = on_grid.pop(name).parts
        plain |= {part: state[part] for part in parts}
        apart |= {part for part in parts if state[part].numel() > 1}
    return on_grid, plain | {n: tensors[n] for n in false}, apart


def _is_grid(grid: Grid) -> bool:
    """Whether scale and zero point are few beside the integers; zero points of 0 hold nothing."""
    many = grid.zero is not None and bool(grid.zero.any())
    sizes = [part.numel() for part in (grid.scale, grid.zero if many else None) if part is not None]
    # One of each is the least there can be, and one for each of few rows holds little.
    rows = grid.stored.ndim > 1 and grid.stored.shape[1] > 1 and grid.stored.shape[0]
    by_row = bool(rows) and not many and grid.scale.numel() == rows
    return max(sizes) == 1 or by_row or SCALED * sum(sizes) <= grid.stored.numel()


def _masks(tensors: "Mapping[str, torch.Tensor]") -> set[str]:
    """Names of pruning masks, as torch.nn.utils.prune keeps them: NAME_mask beside NAME_orig."""
    found = set()
    for name, tensor in tensors.items():
        masked = tensors.get(f"{name.removesuffix('_mask')}_orig")
        if not name.endswith("_mask") or masked is None or masked.shape != tensor.shape:
            continue
        if bool(((tensor == 0) | (tensor == 1)).all()):
            found.add(name)
    return found


def _bits(held: "list[torch.Tensor]", most: int) -> float:
    """Average bits per weight of all, or of the widest `most` weights if that is more."""
    widths = sorted(((8 * t.element_size(), t.numel()) for t in held), reverse=True)
    total, left, widest = sum(width * n for width, n in widths), most, 0
    for width, n in widths:
        widest += width * min(n, left)
        left -= min(n, left)
    return max(total / max(sum(n for _, n in widths), 1), widest / max(most, 1))


def _numel(tensor: "torch.Tensor") -> int:
    return int(tensor.numel())


def _true(tensor: "torch.Tensor") -> int:
    return int(tensor.sum())


def _values(grid: Grid) -> int:
    return int(grid.stored.numel())


def _groups(
    zero: "Mapping[str, torch.Tensor]", n: int, m: int, baseline: Contents | None
) -> Groups:
    """Count groups of M weights in a row, and those with more than N others than zero.

    Only matrices that were pruned have groups: a first or last layer is often left alone. How many
    weights the others hold is counted, too.
    """
    groups = broken = covered = left_alone = 0
    for table in zero.values():
        if table.ndim < 2 or table.flatten(1).shape[1] % m:
            continue
        rows = table.flatten(1)
        if not bool(rows.float().mean() >= 0.9 * (1 - n / m)):
            left_alone += rows.numel()
            continue
        kept = m - rows.reshape(-1, m).sum(dim=1)
        groups += kept.numel()
        broken += int((kept > n).sum())
        covered += rows.numel()
    if baseline:
        before = next(g.scope for g in baseline.groups if g.name == f"{n}:{m}")
        covered = min(covered, max((before or baseline.weights) - left_alone, 0))
    return Groups(
        name=f"{n}:{m}", groups=groups, broken=broken, covered=covered, scope=covered + left_alone
    )


def _packed_once(model: Model) -> int | None:
    """Pack the tensors of a file once in this process, which takes longer than counting them."""
    of = (model.kind, model.weights.sha256)
    if of not in _PACKED:
        _PACKED[of] = _packed(model.tensors)
    return _PACKED[of]


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
