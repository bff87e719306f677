"""Weights that are stored as integers on a grid, whatever the tool calls them.

A stored value q stands for (q - zero) * step. The tools name the parts differently:

    NAME, NAME_scale                                      written by hand
    NAME.qdata, NAME.scale, NAME.zero_point               torchao, torch.ao (see stored.py)
    NAME_quantized, NAME_scale, NAME_zero_point           ONNX Runtime
    NAME_quantized, NAME_quantized_scale, ..._zero_point  ONNX Runtime, biases
    _frozen_paramN, _scale_N, _zero_point_N               torch's export quantisation (pt2e)
    compressed_weight_updated_constantN, scale_..., ...   NNCF, of an exported program

The last two do not say whose weights they are: see `is_nameless`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_FARTHEST = 1 << 16
"""Of a zero point from zero: of sixteen bits, the widest that are stored about one."""
_BLOCK = 8
"""Fewest values that share a step within a row: a step for each would be a weight for each."""
_NAMELESS = (
    (re.compile(r"_frozen_param(\d+)"), "_scale_{}", "_zero_point_{}"),
    (
        re.compile(r"compressed_weight_updated_constant(\d+)"),
        "scale_updated_constant{}",
        "zero_point_updated_constant{}",
    ),
)


@dataclass(frozen=True)
class Grid:
    """A tensor of integers and the grid they stand on."""

    stored: "torch.Tensor"
    scale: "torch.Tensor"
    zero: "torch.Tensor | None"
    parts: tuple[str, ...]
    """Names in the file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weights it stands for."""
        return tuple(self.stored.shape)

    def steps(self) -> "torch.Tensor | None":
        """Return the step per value, broadcastable to the weights; None if this is no grid.

        A zero point that is no whole number, or far outside what is stored, would be a weight.
        """
        if self.zero is not None and (
            self.zero.is_floating_point()
            or self.zero.is_complex()
            or spread(self.zero, self.shape) is None
            or bool((self.zero.to(torch_int64()).abs() > _FARTHEST).any())
        ):
            return None
        return spread(self.scale.double(), self.shape)

    def integers(self) -> "torch.Tensor":
        """Return the stored integers less their zero points."""
        if self.zero is None or not bool(self.zero.any()):
            return self.stored
        zero = spread(self.zero.to(torch_int64()), self.shape)
        return self.stored if zero is None else self.stored.to(torch_int64()) - zero

    def values(self) -> "torch.Tensor | None":
        """Return the weights it stands for, float64; None if its scale fits no axis."""
        steps = self.steps()
        return None if steps is None else self.integers().double() * steps


def torch_int64() -> "torch.dtype":
    """Return the type that no difference of stored integers overflows."""
    import torch

    return torch.int64


def spread(part: "torch.Tensor", shape: tuple[int, ...]) -> "torch.Tensor | None":
    """Lay scales out along the axes they belong to.

    Args:
        part: One number, one per entry of the first or the last axis, or one per block.
        shape: Of the weights.

    Returns:
        Broadcastable to `shape`; None if it fits no axis.
    """
    if part.numel() == 1:
        return part.reshape(())
    if part.ndim == len(shape) and _in_blocks(tuple(part.shape), shape):
        for axis, (size, whole) in enumerate(zip(part.shape, shape, strict=True)):
            if size not in (1, whole):
                part = part.repeat_interleave(whole // size, dim=axis)
        return part
    if part.ndim == 1 and shape and part.numel() == shape[0]:
        return part.reshape(-1, *(1,) * (len(shape) - 1))
    if part.ndim == 1 and shape and part.numel() == shape[-1]:
        return part
    return None


def _in_blocks(sizes: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether at most one axis has a step per entry, and every other one or a few for many."""
    each = sum(size == whole and whole > 1 for size, whole in zip(sizes, shape, strict=True))
    return each <= 1 and all(
        size in (1, whole) or (size and whole % size == 0 and whole // size >= _BLOCK)
        for size, whole in zip(sizes, shape, strict=True)
    )


def grids(
    tensors: "Mapping[str, torch.Tensor]",
) -> "tuple[dict[str, Grid], dict[str, torch.Tensor]]":
    """Tell weights on a grid from plain tensors.

    Returns:
        The grids by the name of the weight they stand for, and all other tensors.
    """
    found: dict[str, Grid] = {}
    twice: set[str] = set()
    for name, tensor in tensors.items():
        for weight, scale, zero in _namings(name):
            # Where the weight is there as well, nobody knows which of the two is used.
            if scale in tensors and _is_integers(tensor) and weight not in {*tensors} - {name}:
                parts = (name, scale, *((zero,) if zero in tensors else ()))
                twice = twice | {weight} if weight in found else twice
                found[weight] = Grid(tensor, tensors[scale], tensors.get(zero), parts)
                break
    for weight in twice:
        del found[weight]
    used = {part for grid in found.values() for part in grid.parts}
    return found, {name: tensor for name, tensor in tensors.items() if name not in used}


def is_nameless(name: str) -> bool:
    """Whether a grid's name is a number only, and its weight must be found by what fits."""
    return any(pattern.fullmatch(name) for pattern, _, _ in _NAMELESS)


def _namings(name: str) -> list[tuple[str, str, str]]:
    """Name the weight, the scale and the zero point that integers of this name would have."""
    base = name.removesuffix(".qdata")
    if base != name:
        return [(base, f"{base}.scale", f"{base}.zero_point")]
    base = name.removesuffix("_quantized")
    if base != name:
        return [
            (base, f"{base}_scale", f"{base}_zero_point"),
            (base, f"{name}_scale", f"{name}_zero_point"),
        ]
    for pattern, scale, zero in _NAMELESS:
        if found := pattern.fullmatch(name):
            return [(name, scale.format(found[1]), zero.format(found[1]))]
    return [(name, f"{name}_scale", f"{name}_zero_point")]


def _is_integers(tensor: "torch.Tensor") -> bool:
    import torch

    return tensor.dtype in (torch.int8, torch.uint8, torch.int16, torch.int32)
