"""Columns of values turned into small codes, batch by batch, so that rows stay cheap to hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError

if TYPE_CHECKING:
    import pyarrow as pa

Column = npt.NDArray[np.integer]
CHUNK = 1 << 20
LARGEST = 1e100
"""Numbers beyond which squares and cubes would overflow."""
MAX_DISTINCT = 1_000_000
"""Different values of one column beyond which it names rows, not groups."""


@dataclass(frozen=True)
class Coded:
    """A column as codes."""

    levels: tuple[Any, ...]
    """Values in the order of their codes; None where a value is missing."""
    codes: Column
    """Shape (rows,): index into `levels`, in the smallest integers that hold it."""

    @property
    def first_missing(self) -> int | None:
        """Number of the first row without a value, from 1; None where all have one."""
        if None not in self.levels:
            return None
        return int(np.argmax(self.codes == self.levels.index(None))) + 1

    def renamed(self, levels: list[str]) -> "Coded":
        """Give each level a text, and one code to levels of one text; sorted."""
        ordered = sorted(set(levels))
        index = {level: i for i, level in enumerate(ordered)}
        lookup = np.array([index[level] for level in levels], dtype=_smallest(len(ordered)))
        return Coded(tuple(ordered), recode(self.codes, lookup))


def encode(batches: Iterable["pa.Array"], *, name: str, path: Path) -> Coded:
    """Code a column of any type.

    Raises:
        SubjectError: It holds more different values than a column of groups or labels can.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    known: dict[Any, int] = {}
    parts: list[Column] = []
    for batch in batches:
        try:
            coded = _dictionary(batch)
            values = coded.dictionary.to_pylist()
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise SubjectError(_unreadable(path, name, batch)) from error
        lookup = [known.setdefault(value, len(known)) for value in values]
        if coded.null_count:
            lookup.append(known.setdefault(None, len(known)))
        if len(known) > MAX_DISTINCT:
            raise SubjectError(
                f"{path}: column '{name}' has more than {MAX_DISTINCT:,} different values; it "
                "names rows, not groups"
            )
        indices = coded.indices
        if coded.null_count:
            indices = pc.fill_null(indices, pa.scalar(len(values), indices.type))
        table = np.array(lookup, dtype=_smallest(len(known)))
        parts.append(table[indices.to_numpy(zero_copy_only=False)])
    return Coded(tuple(known), _joined(parts, _smallest(len(known))))


def recode(codes: Column, lookup: Column) -> Column:
    """Look every code up, a million at a time: numpy makes eight bytes of each index."""
    result = np.empty(len(codes), dtype=lookup.dtype)
    for start in range(0, len(codes), CHUNK):
        result[start : start + CHUNK] = lookup[codes[start : start + CHUNK]]
    return result


def _joined(parts: list[Column], kind: Any) -> Column:
    """Join the parts, giving each back as soon as it is copied."""
    result = np.empty(sum(map(len, parts)), dtype=kind)
    end = len(result)
    while parts:
        part = parts.pop()
        result[end - len(part) : end] = part
        end -= len(part)
    return result


def _dictionary(batch: "pa.Array") -> "pa.DictionaryArray":
    """Code a batch; a category without a row is no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(batch.type):
        raise TypeError("nested values")
    if not pa.types.is_dictionary(batch.type):
        return pc.dictionary_encode(batch)
    used = pc.unique(batch.indices.drop_null())
    if len(used) == len(batch.dictionary):
        return batch
    return pc.dictionary_encode(batch.dictionary_decode())


def _unreadable(path: Path, name: str, batch: "pa.Array") -> str:
    return (
        f"{path}: column '{name}' holds {str(batch.type)[:60]}, which is no group, label or "
        "answer; write it as text or whole numbers"
    )


def encode_bins(
    batches: Iterable["pa.Array"], edges: tuple[float, ...], *, name: str, path: Path
) -> Coded:
    """Code a column of numbers by the interval that each lies in.

    Raises:
        SubjectError: The column is no number, or the edges do not rise.
    """
    import pyarrow as pa

    wrong = f"{path}: bins of '{name}' need a numeric column and rising edges"
    if not edges or any(a >= b for a, b in pairwise(edges)):
        raise SubjectError(wrong)
    # Enough digits that two edges never read alike.
    ends = [f"{edge:.15g}" for edge in edges]
    bounds = [
        f"under {ends[0]}",
        *(f"{a} to {b}" for a, b in pairwise(ends)),
        f"{ends[-1]} and over",
        "(missing)",
    ]
    parts: list[Column] = []
    for batch in batches:
        kind = batch.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise SubjectError(wrong)
        numbers = batch.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        # A missing number is NaN here, and NaN would lie above every edge.
        cut = np.where(np.isnan(numbers), len(edges) + 1, np.digitize(numbers, edges))
        parts.append(cut.astype(_smallest(len(bounds))))
    return Coded(tuple(bounds), _joined(parts, _smallest(len(bounds))))


def numbers(batches: Iterable["pa.Array"], *, name: str, path: Path) -> npt.NDArray[np.float64]:
    """Read a column of numbers.

    Raises:
        SubjectError: A value is missing, no number or not finite; names its row.
    """
    import pyarrow as pa

    parts = []
    for batch in batches:
        kind = batch.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise SubjectError(f"{path}: column '{name}' is {kind}, not a number")
        wide = batch.cast(pa.float64(), safe=False)
        parts.append(wide.to_numpy(zero_copy_only=False))
    values = np.concatenate(parts)
    broken = ~(np.abs(values) <= LARGEST)
    if broken.any():
        row = int(np.argmax(broken)) + 1
        raise SubjectError(
            f"{path}: row {row}, column '{name}' is missing, not finite or beyond {LARGEST:g}; "
            "fill it in or drop it"
        )
    return values


def _smallest(count: int) -> Any:
    return next(t for t in (np.uint8, np.uint16, np.uint32) if count <= np.iinfo(t).max + 1)
