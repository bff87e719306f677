"""Slices: the rows cut by what the job names, and by the intersections of it.

Each slice has a name of its own, each row lies in at most one slice of an axis, and no slice is
shown that is so small that its counts would be about persons.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..job import EvaluationSection
from ..policy.rules import SlicePolicy

if TYPE_CHECKING:
    import polars as pl

MAX_LEVELS = 1000
MAX_NAME = 200
"""Characters of a slice's value; longer ones are free text, not groups."""
MAX_COUNTS = 50_000_000
"""Counts held in all tables of label x baseline x candidate together: 400 MB."""
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """One way to cut the rows: each row belongs to exactly one level, or to none (-1)."""

    attributes: tuple[str, ...]
    levels: tuple[str, ...]
    """Slice names, e.g. `sex=Female,race=Black`."""
    codes: Codes
    """Shape (rows,): index into levels; -1 where the row's slice is too small to be shown."""


def cut(
    frame: "pl.DataFrame",
    section: EvaluationSection,
    policy: SlicePolicy,
    *,
    classes: int,
    path: Path,
) -> tuple[tuple[Axis, ...], tuple[str, ...]]:
    """Cut the rows by each column the section names, and by their intersections.

    Args:
        classes: How many, to foresee the size of the tables that will be counted per slice.

    Returns:
        The axes, and sentences on slices that are too small to be shown on their own.

    Raises:
        SubjectError: A column cannot be cut, or two slices would carry one name.
    """
    columns = {name: _levels(frame, name, section, path) for name in section.slices}
    axes, merged = _axes(columns, policy)
    _refuse_unclear(axes, classes, path)
    return axes, merged


def as_text(value: object) -> str:
    """Write a cell as the job file would."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _levels(
    frame: "pl.DataFrame", name: str, section: EvaluationSection, path: Path
) -> tuple[list[str], Codes]:
    """Return the level names of one column and each row's index into them."""
    series = frame[name]
    if name in section.bins:
        texts = _binned(series, section.bins[name], path)
    elif series.dtype.is_float():
        raise SubjectError(
            f"{path}: slice column '{name}' holds decimal numbers; name edges under "
            f"evaluation.bins, e.g. {{{name}: [1, 2]}}"
        )
    else:
        texts = ["(missing)" if v is None else _printable(as_text(v)) for v in series.to_list()]
    levels = sorted(set(texts))
    if len(levels) > MAX_LEVELS:
        raise SubjectError(f"{path}: slice column '{name}' has {len(levels)} values; bin it")
    if max(map(len, levels)) > MAX_NAME:
        raise SubjectError(
            f"{path}: slice column '{name}' holds values over {MAX_NAME} characters; slice by "
            "groups, not by free text"
        )
    if lost := [group for group in section.groups.get(name, ()) if group not in levels]:
        raise SubjectError(
            f"{path}: no row with {name}={lost[0]}, which evaluation.groups names; an empty slice "
            f"decides nothing. There are: {', '.join(levels[:12])}"
        )
    index = {level: i for i, level in enumerate(levels)}
    return levels, np.fromiter((index[text] for text in texts), np.int64, len(texts))


def _printable(text: str) -> str:
    """Escape what would not show, or would steer a terminal: line breaks, NUL, direction marks."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _binned(series: "pl.Series", edges: tuple[float, ...], path: Path) -> list[str]:
    """Name the interval that each row's number lies in."""
    import polars as pl

    if not series.dtype.is_numeric() or not edges or any(a >= b for a, b in pairwise(edges)):
        raise SubjectError(
            f"{path}: bins of '{series.name}' need a numeric column and rising edges"
        )
    numbers = series.cast(pl.Float64).to_numpy()
    # Enough digits that two edges never read alike.
    ends = [f"{edge:.15g}" for edge in edges]
    bounds = [
        f"under {ends[0]}",
        *(f"{a} to {b}" for a, b in pairwise(ends)),
        f"{ends[-1]} and over",
    ]
    # A missing number is NaN here, and NaN would lie above every edge.
    cut = np.where(np.isnan(numbers), len(bounds), np.digitize(numbers, edges))
    return [[*bounds, "(missing)"][i] for i in cut]


def _refuse_unclear(axes: tuple[Axis, ...], classes: int, path: Path) -> None:
    """Refuse two slices of one name, of which one could answer for the other, and huge tables."""
    slices = [level for axis in axes for level in axis.levels]
    for names in (slices, [" x ".join(axis.attributes) for axis in axes]):
        name, times = max(Counter(names).items(), key=lambda item: item[1], default=("", 0))
        if times > 1:
            raise SubjectError(
                f"{path}: two slices are both called '{name}'; rename a column or a value"
            )
    if (1 + len(slices)) * classes**3 > MAX_COUNTS:
        raise SubjectError(
            f"{path}: {classes} classes in {len(slices)} slices make {MAX_COUNTS:,} counts or "
            "more; slice by fewer columns, or lower slices.depth in the policy"
        )


def _axes(
    columns: dict[str, tuple[list[str], Codes]], policy: SlicePolicy
) -> tuple[tuple[Axis, ...], tuple[str, ...]]:
    axes: list[Axis] = []
    merged: list[str] = []
    for depth in range(1, min(policy.depth, len(columns)) + 1):
        for chosen in combinations(columns, depth):
            axis, note = _axis(chosen, columns, policy.disclosure_floor)
            if axis.levels:
                axes.append(axis)
            if note:
                merged.append(note)
    return tuple(axes), tuple(merged)


def _axis(
    chosen: tuple[str, ...], columns: dict[str, tuple[list[str], Codes]], floor: int
) -> tuple[Axis, str | None]:
    shape = tuple(len(columns[name][0]) for name in chosen)
    joint = np.ravel_multi_index([columns[name][1] for name in chosen], shape)
    present, codes, counts = np.unique(joint, return_inverse=True, return_counts=True)
    names = []
    for cell in present:
        parts = np.unravel_index(int(cell), shape)
        pairs = [f"{c}={columns[c][0][int(p)]}" for c, p in zip(chosen, parts, strict=True)]
        names.append(",".join(pairs))
    small = counts < floor
    note = None
    if small.any():
        # A table of three people is personal data: such slices are shown together or not at all.
        rows, how_many = int(counts[small].sum()), int(small.sum())
        together = " x ".join(chosen) + f"=(under {floor} rows each)"
        keep = rows >= floor and how_many > 1
        note = f"{' x '.join(chosen)}: {how_many} slices under {floor} rows " + (
            f"are judged together ({rows} rows)" if keep else f"are not shown ({rows} rows)"
        )
        order = np.cumsum(~small) - 1
        target = np.where(small, int((~small).sum()) if keep else -1, order)
        names = [n for n, s in zip(names, small, strict=True) if not s] + [together] * keep
        codes = target[codes]
    return Axis(attributes=chosen, levels=tuple(names), codes=codes.astype(np.int64)), note
