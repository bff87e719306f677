"""Slices: the rows cut by what the job names, and by the intersections of it.

Each slice has a name of its own, each row lies in at most one slice of an axis, and no slice is
shown that is so small that its counts would be about persons.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..job import EvaluationSection
from ..policy.rules import SlicePolicy
from .columns import Coded, Column, encode, encode_bins, recode
from .counts import Joint, tabulate, tabulate_all

if TYPE_CHECKING:
    import pyarrow as pa

MAX_LEVELS = 1000
MAX_NAME = 200
"""Characters of a slice's value; longer ones are free text, not groups."""
Codes = npt.NDArray[np.int64]
Reader = Callable[[str], Iterable["pa.Array"]]
"""Gives a column's batches by its name."""


@dataclass(frozen=True)
class Axis:
    """One way to cut the rows: each row belongs to exactly one level, or to none (-1)."""

    attributes: tuple[str, ...]
    levels: tuple[str, ...]
    """Slice names, e.g. `sex=Female,race=Black`."""
    columns: tuple[Coded, ...]
    cells: Codes
    """Shape (cells,): combinations of the columns' codes that occur, rising."""
    level_of: Codes
    """Shape (cells,): index into levels; -1 where the slice is too small to be shown."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Levels of each column."""
        return _shape(self.columns)

    @property
    def codes(self) -> Codes:
        """Shape (rows,): index into levels; -1 where the row's slice is too small to be shown."""
        return self.levels_at([c.codes for c in self.columns])

    def levels_at(self, codes: Iterable[Column]) -> Codes:
        """Look the level up for given codes of each column."""
        joint = np.ravel_multi_index([c.astype(np.int64) for c in codes], self.shape)
        return self.level_of[np.searchsorted(self.cells, joint)]


def cut(
    read: Reader, section: EvaluationSection, policy: SlicePolicy, *, path: Path
) -> tuple[tuple[Axis, ...], tuple[str, ...]]:
    """Cut the rows by each column the section names, and by their intersections.

    Returns:
        The axes, and sentences on slices that are too small to be shown on their own.

    Raises:
        SubjectError: A column cannot be cut, or two slices would carry one name.
    """
    columns = {name: _levels(read, name, section, path) for name in section.slices}
    axes, merged = _axes(columns, policy)
    _refuse_unclear(axes, path)
    return axes, merged


def as_text(value: object) -> str:
    """Write a cell as the job file would."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def printable(text: str) -> str:
    """Escape what would not show, or would steer a terminal: line breaks, NUL, direction marks."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _levels(read: Reader, name: str, section: EvaluationSection, path: Path) -> Coded:
    """Code one column by the names of its levels."""
    if name in section.bins:
        coded = encode_bins(read(name), section.bins[name], name=name, path=path)
    else:
        coded = encode(_no_decimals(read(name), name, path), name=name, path=path)
    texts = [_level(value) for value in coded.levels]
    if len(set(texts)) != len(texts):
        twice = next(t for t in texts if texts.count(t) > 1)
        raise SubjectError(
            f"{path}: two values of slice column '{name}' both read '{twice[:MAX_NAME]}'; rename "
            "one of them"
        )
    coded = coded.renamed(texts)
    if name in section.bins:  # an interval without a row is no slice
        present = np.unique(coded.codes)
        lookup = np.zeros(len(coded.levels), dtype=coded.codes.dtype)
        lookup[present] = np.arange(len(present))
        coded = Coded(tuple(coded.levels[i] for i in present), recode(coded.codes, lookup))
    levels = coded.levels
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
    return coded


def _level(value: Any) -> str:
    return "(missing)" if value is None else printable(as_text(value))


def _no_decimals(batches: Iterable["pa.Array"], name: str, path: Path) -> Iterable["pa.Array"]:
    import pyarrow as pa

    for batch in batches:
        kind = batch.type.value_type if pa.types.is_dictionary(batch.type) else batch.type
        if pa.types.is_floating(kind):
            raise SubjectError(
                f"{path}: slice column '{name}' holds decimal numbers; name edges under "
                f"evaluation.bins, e.g. {{{name}: [1, 2]}}"
            )
        yield batch


def _refuse_unclear(axes: tuple[Axis, ...], path: Path) -> None:
    """Refuse two slices of one name, of which one could answer for the other."""
    slices = [level for axis in axes for level in axis.levels]
    for names in (slices, [" x ".join(axis.attributes) for axis in axes]):
        name, times = max(Counter(names).items(), key=lambda item: item[1], default=("", 0))
        if times > 1:
            raise SubjectError(
                f"{path}: two slices are both called '{name}'; rename a column or a value"
            )


def _axes(
    columns: Mapping[str, Coded], policy: SlicePolicy
) -> tuple[tuple[Axis, ...], tuple[str, ...]]:
    axes: list[Axis] = []
    merged: list[str] = []
    names = list(columns)
    finest = tabulate_all([c.codes for c in columns.values()], _shape(columns.values()))
    for depth in range(1, min(policy.depth, len(columns)) + 1):
        for chosen in combinations(columns, depth):
            part = {name: columns[name] for name in chosen}
            joint = finest.onto([names.index(name) for name in chosen]) if finest else None
            axis, note = axis_of(part, policy.disclosure_floor, joint)
            if axis.levels:
                axes.append(axis)
            if note:
                merged.append(note)
    return tuple(axes), tuple(merged)


def _shape(columns: Iterable[Coded]) -> tuple[int, ...]:
    return tuple(len(c.levels) for c in columns)


def axis_of(
    columns: Mapping[str, Coded], floor: int, joint: Joint | None = None
) -> tuple[Axis, str | None]:
    """Cut by one combination of columns; slices under `floor` rows are merged with their like.

    Args:
        joint: Counts of the combinations, where they are known already.
    """
    chosen, coded = tuple(columns), tuple(columns.values())
    table = joint or tabulate([c.codes for c in coded], _shape(coded))
    parts = np.stack(table.codes(), axis=1)
    names = [
        ",".join(f"{n}={c.levels[i]}" for n, c, i in zip(chosen, coded, row, strict=True))
        for row in parts
    ]
    small = table.counts < floor
    level_of = np.arange(len(names))
    note = None
    if small.any():
        # A table of three people is personal data: such slices are shown together or not at all.
        rows, how_many = int(table.counts[small].sum()), int(small.sum())
        together = " x ".join(chosen) + f"=(under {floor} rows each)"
        keep = rows >= floor and how_many > 1
        note = f"{' x '.join(chosen)}: {how_many} slices under {floor} rows " + (
            f"are judged together ({rows} rows)" if keep else f"are not shown ({rows} rows)"
        )
        order = np.cumsum(~small) - 1
        level_of = np.where(small, int((~small).sum()) if keep else -1, order)
        names = [n for n, s in zip(names, small, strict=True) if not s] + [together] * keep
    axis = Axis(chosen, tuple(names), coded, table.keys, level_of.astype(np.int64))
    return axis, note
