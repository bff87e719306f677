"""Where one tensor of the candidate comes from: kept, zeroed, cast, rounded, or something else.

Files are compared in blocks that fit a processor's cache, and looked at more closely only where
bits differ: a compressed model is mostly the model it came from. The blocks are small enough for
torch to leave them to one thread: on a busy machine threads wait for each other for longer.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..models.grids import Grid

if TYPE_CHECKING:
    import torch

BLOCK = 1 << 15


@dataclass(frozen=True)
class Origin:
    """How a tensor is explained."""

    how: str
    strange: int = 0
    """Values that are not explained."""
    first: tuple[int, ...] = ()
    """Where the first of them is."""


def unexplained(how: str, values: int) -> Origin:
    """Return the origin of a tensor of which nothing is explained."""
    return Origin(how, values)


def of_plain(base: "torch.Tensor", other: "torch.Tensor", *, zeroable: bool = True) -> Origin:
    """Explain values that are numbers as they stand: kept bit for bit, zeroed, or cast.

    Args:
        zeroable: Whether this is a weight, of which pruning leaves zeros; indices and statistics
            are none.
    """
    if other.dtype != base.dtype:
        if not (other.is_floating_point() and base.is_floating_point()):
            return unexplained(f"of another type ({other.dtype})", other.numel())
        cast = of_plain(base.to(other.dtype), other, zeroable=zeroable)
        name = str(other.dtype).removeprefix("torch.")
        return cast if cast.strange else Origin(f"cast to {name}")
    kept = _differing(base, other)
    if not kept:
        return Origin("kept, bit for bit")
    zeroed = strange = 0
    first: tuple[int, ...] = ()
    flat, flat_base = other.reshape(-1), base.reshape(-1)
    for start in kept:
        part, was = (t[start : start + BLOCK] for t in (flat, flat_base))
        moved = bits_of(part) != bits_of(was)
        odd = moved & (part != 0) if zeroable and other.is_floating_point() else moved
        count = int(odd.sum())
        zeroed += int(moved.sum()) - count
        if count and not strange:
            first = _place(start + int(odd.nonzero()[0]), tuple(other.shape))
        strange += count
    if strange:
        return Origin(f"changed ({strange:,} values)", strange, first)
    return Origin(f"kept or zeroed ({zeroed:,} zeroed)")


def _differing(base: "torch.Tensor", other: "torch.Tensor") -> list[int]:
    """Return where the blocks begin that are not the same, bit for bit."""
    first, second = (bits_of(t).reshape(-1) for t in (base, other))
    wide = BLOCK * 64
    found: list[int] = []
    for start in range(0, first.numel(), wide):
        a, b = first[start : start + wide], second[start : start + wide]
        if not a.equal(b):
            found += [
                start + i
                for i in range(0, a.numel(), BLOCK)
                if not a[i : i + BLOCK].equal(b[i : i + BLOCK])
            ]
    return found


def of_grid(base: "torch.Tensor", grid: Grid) -> Origin:
    """Explain values on a grid: the nearest point to the baseline's value, or zero."""
    bits = f"{grid.stored.element_size() * 8} bits"
    found = grid.steps()
    if found is None:
        return unexplained(f"of {bits} with a scale of another shape", grid.stored.numel())
    if base.ndim == 1 and found.ndim and float(found.abs().max()) > float(base.abs().max()) / 64:
        # A step per value, and a wide one: the value would be free.
        return unexplained(f"of {bits} with a wide step for each value", grid.stored.numel())
    strange = 0
    first: tuple[int, ...] = ()
    rows = grid.shape[0] if grid.shape else 1
    step = max(1, BLOCK * rows // max(grid.stored.numel(), 1))
    steps, integers = grid.steps(), grid.integers()
    for start in range(0, rows, step):
        part = _rows(integers, start, step, rows)
        size = _rows(steps, start, step, rows)
        odd = _off_grid(_rows(base, start, step, rows), part, size)
        if len(odd) and not strange:
            where = [int(i) for i in odd[0]]
            first = (start + where[0], *where[1:]) if where else ()
        strange += len(odd)
    if strange:
        return Origin(f"not the rounded baseline ({strange:,} values)", strange, first)
    return Origin(f"rounded to {bits} (within half a step) or zeroed")


def _off_grid(was: "torch.Tensor", part: "torch.Tensor", size: "torch.Tensor") -> "torch.Tensor":
    """Return the places of values that are not the nearest to the baseline's, shape (n, axes)."""
    import torch

    # Nearly all values are surely near, in single precision; the rest are looked at in double.
    small = size.float()
    error = part.to(torch.float32).mul_(small).sub_(was).abs_()
    places = (error <= 0.4999 * small.abs()).logical_not_().nonzero()
    if not len(places) and bool(torch.isfinite(small).all()):
        return places
    if not bool(torch.isfinite(small).all()):  # such a step would be near everything
        places = torch.ones_like(part, dtype=torch.bool).nonzero()
    at = tuple(places.T)
    steps, whole = size.expand_as(part)[at], part[at].double()
    exact = (whole * steps - was[at].double()).abs()
    # Half a step, and what a quotient and a product in single precision are off by.
    near = exact <= steps.abs() * (0.5 + 2.0**-22 * (1 + whole.abs()))
    return places[~((near | (whole == 0)) & torch.isfinite(steps))]


def _rows(tensor: "torch.Tensor | None", start: int, step: int, rows: int) -> "torch.Tensor":
    """Cut rows out, of what has as many; what is the same for all rows stays as it is."""
    assert tensor is not None  # noqa: S101 asked before
    own = tensor.shape[0] if tensor.ndim else 1
    return tensor[start : start + step] if tensor.ndim and own == rows and rows > 1 else tensor


def bits_of(tensor: "torch.Tensor") -> "torch.Tensor":
    """View the bits, so that NaN equals itself and -0.0 is not 0.0."""
    import torch

    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.contiguous().view(integers[tensor.element_size()])


def _place(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    where = []
    for size in reversed(shape):
        flat, here = divmod(flat, size)
        where.append(here)
    return tuple(reversed(where))
