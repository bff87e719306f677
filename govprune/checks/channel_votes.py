"""Which entries of a tensor's axes were kept: its values vote on where they came from.

A weight of the candidate is looked up among the baseline's. Once the row that one of its first
rows came from is known, that is done line by line; among all weights of a tensor, which takes
longest, only where lines explain too little.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .tensor_origins import bits_of

if TYPE_CHECKING:
    import torch

Indices = npt.NDArray[np.int64]
VOTERS = 15
"""Values that vote on one row or column."""
SEEDS = 3
"""Rows of the candidate of which one has to be found before lines are known."""
TOGETHER = 4
"""Lines that are looked at together where one says too little."""


def by_lines(base: "torch.Tensor", other: "torch.Tensor", cut: list[int]) -> dict[int, Indices]:
    """Have values vote on where in their line they came from, the lines being known."""
    large, small = bits_of(base).numpy(), bits_of(other).numpy()
    known = {axis: np.arange(size) for axis, size in enumerate(small.shape)}
    if len(cut) == 2:
        first, second = (
            np.moveaxis(bits, cut, (0, 1)).reshape(*(bits.shape[axis] for axis in cut), -1)
            for bits in (large, small)
        )
        known[cut[0]], known[cut[1]] = _one_row(first, second)
        # One row says where some columns are, these say where all rows are, and rows all columns.
    elif len(cut) != 1:
        return {}
    for axis in cut:
        known[axis] = _in_lines(large, small, axis, known)
    found = {axis: known[axis] for axis in cut}
    return found if all(_increasing(kept) for kept in found.values()) else {}


def _one_row(large: npt.NDArray[Any], small: npt.NDArray[Any]) -> tuple[Indices, Indices]:
    """Find a row that one of the first of the candidate's came from, looking from the top.

    What was kept of a row is a part of it in the same order. Its values may be placed as early as
    they can be, and as late: where both agree, there is no other place.

    Args:
        large: The baseline's bits, shape (rows, columns, values).
        small: The candidate's.

    Returns:
        For its rows and for its columns where they came from; -1 where that is not known.
    """
    rows, columns = (np.full(size, -1) for size in small.shape[:2])
    last, start, height = len(large) - len(small) + SEEDS, 0, 16
    while start < last:
        part = large[start : min(start + height, last)].reshape(-1, large[0].size)
        for i, seed in enumerate(small[:SEEDS].reshape(-1, small[0].size)):
            said = np.flatnonzero(_says_something(seed))
            whole = _reached(part, seed[said]) == len(said)
            if len(said) and whole.any():
                rows[i] = start + whole.argmax()
                row = part[whole.argmax()]
                early = _placed(row, seed[said])
                late = len(row) - 1 - _placed(row[::-1], seed[said][::-1])[::-1]
                depth = small.shape[2]
                sure = (early == late) & (early % depth == said % depth)
                columns[said[sure] // depth] = early[sure] // depth
                return rows, columns
        start, height = start + height, height * 4
    return rows, columns


def _reached(rows: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> Indices:
    """How many of the wanted values each row holds in their order, the first ones first."""
    reached, goals = np.zeros(len(rows), np.int64), np.append(wanted, wanted[:1])
    for values in rows.T:
        reached += (values == goals[reached]) & (reached < len(wanted))
    return reached


def _placed(row: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> Indices:
    """Where in a row, which holds them in this order, the values are: as early as can be."""
    places: list[int] = []
    goals = wanted.tolist()
    for place, value in enumerate(row.tolist()):
        if len(places) < len(goals) and value == goals[len(places)]:
            places.append(place)
    return np.array(places, np.int64)


def _in_lines(
    large: npt.NDArray[Any], small: npt.NDArray[Any], axis: int, known: dict[int, Indices]
) -> Indices:
    """Say where along one axis entries came from, by lines whose places on the others are known.

    Args:
        large: The baseline's bits.
        small: The candidate's.
        axis: In question.
        known: Per axis the baseline's place of each of the candidate's; -1 where it is not known.

    Returns:
        Shape (entries of the candidate,); -1 where none of the lines says it.
    """
    others = [other for other in range(small.ndim) if other != axis]
    usable = [np.flatnonzero(known[other] >= 0) for other in others]
    sizes = [len(places) for places in usable]
    spots = [
        {other: at[i] for other, at, i in zip(others, usable, where, strict=True)}
        for where in _coordinates(_spaced(int(np.prod(sizes)), VOTERS * TOGETHER), sizes)
    ]
    if not spots:
        return np.full(small.shape[axis], -1)
    lines = [
        (_line(large, axis, {o: known[o][i] for o, i in spot.items()}), _line(small, axis, spot))
        for spot in spots
    ]
    votes = [_alone(*line) for line in lines[::TOGETHER]]
    kept = _majority(np.stack(votes, axis=1))
    if (kept >= 0).all() or len(lines) == 1:
        return kept
    # In short types values recur all along a line; several lines together hardly do.
    for end in range(min(TOGETHER, len(lines)), len(lines) + 1, TOGETHER):
        source, wanted = zip(*lines[max(0, end - TOGETHER) : end], strict=True)
        said = np.logical_and.reduce([_says_something(values) for values in wanted])
        votes.append(np.where(said, _alone(_mixed(source), _mixed(wanted)), -1))
    return _majority(np.stack(votes, axis=1))


def _line(values: npt.NDArray[Any], axis: int, spot: dict[int, Any]) -> npt.NDArray[Any]:
    """Return the values along an axis at a spot on the other ones."""
    line: npt.NDArray[Any] = values[tuple(spot.get(i, slice(None)) for i in range(values.ndim))]
    return line


def _alone(source: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> Indices:
    """Return where each of the wanted values is in a line; see `_looked_up`."""
    order = np.argsort(source)
    return _looked_up(source[order], order, wanted)


def _mixed(lines: tuple[npt.NDArray[Any], ...]) -> npt.NDArray[Any]:
    """Make one number of each entry's values in several lines; others hardly ever have the same."""
    mixed = np.zeros(len(lines[0]), np.int64)
    for values in lines:
        mixed = (mixed + values) * 0x5851F42D4C957F2D
    return mixed


def _coordinates(flat: Indices, sizes: list[int]) -> Iterable[tuple[Any, ...]]:
    # Of a point there are no coordinates: one more axis, which is left out.
    return (where[1:] for where in zip(*np.unravel_index(flat, (1, *sizes)), strict=True))


def _increasing(kept: Indices) -> bool:
    return bool((kept >= 0).all() and (np.diff(kept) > 0).all())


def _says_something(bits: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether these bits are no zero of either sign, which pruning leaves anywhere."""
    says: npt.NDArray[np.bool_] = (bits != 0) & (bits != np.iinfo(bits.dtype).min)
    return says


def _looked_up(ranked: npt.NDArray[Any], places: Indices, wanted: npt.NDArray[Any]) -> Indices:
    """Return the places of values among sorted ones; -1 for a zero, and unless there is just one.

    Zero, or any other value that occurs more than once, says nothing of its place.
    """
    if not len(ranked):
        return np.full(wanted.shape, -1)
    at = np.searchsorted(ranked, wanted)
    here, after = np.minimum(at, len(ranked) - 1), np.minimum(at + 1, len(ranked) - 1)
    once = (ranked[here] == wanted) & ((ranked[after] != wanted) | (after == here))
    return np.where(once & _says_something(wanted), places[here], -1)


def by_all_weights(
    base: "torch.Tensor", other: "torch.Tensor", cut: list[int]
) -> dict[int, Indices]:
    """Have values vote on which entries of the cut axes they came from."""
    small = bits_of(other).numpy()
    if base.numel() > np.iinfo(small.dtype).max:
        return {}  # more weights than the type tells apart: hardly one of them is alone
    picked = {axis: np.moveaxis(small, axis, 0).reshape(small.shape[axis], -1) for axis in cut}
    picks = {axis: rows[:, _spaced(rows.shape[1])] for axis, rows in picked.items()}
    ranked, order = _places(
        bits_of(base).numpy().reshape(-1), np.concatenate([p.reshape(-1) for p in picks.values()])
    )
    if not len(order):
        return {}
    places = np.unravel_index(order, tuple(base.shape))
    found = {
        axis: _majority(_looked_up(ranked, places[axis], rows)) for axis, rows in picks.items()
    }
    return found if all(_increasing(kept) for kept in found.values()) else {}


def _places(values: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], Indices]:
    """Look values up: those of `values` that may be among `wanted`, sorted, and where they are."""
    # Sorting all would take longer than reading the file: a table of their low bits sifts first.
    table = np.zeros(1 << 20, dtype=bool)
    low = np.iinfo(values.dtype).max & 0xFFFFF
    table[wanted & low] = True
    near = np.flatnonzero(table[values & low])
    by_value = np.argsort(values[near], kind="stable")
    order = near[by_value]
    return values[order], order


def _spaced(length: int, most: int = VOTERS) -> Indices:
    return np.unique(np.linspace(0, length - 1, min(length, most)).astype(np.int64))


def _majority(votes: Indices) -> Indices:
    """Return what most of each row's votes say, shape (rows,); -1 where none is valid."""
    said = votes >= 0
    agreeing = ((votes[:, :, None] == votes[:, None, :]) & said[:, None, :]).sum(axis=2) * said
    best = np.take_along_axis(votes, agreeing.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(agreeing.max(axis=1) > 0, best, -1)
