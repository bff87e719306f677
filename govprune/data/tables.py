"""Tables from CSV and Parquet, hashed from the bytes that were read."""

import fnmatch
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SubjectError
from ..subjects import Subject, read_subject

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl


@dataclass(frozen=True)
class Table:
    """A file of rows that belongs to the gate."""

    path: Path
    name: str
    subject: Subject
    key: bytes
    """BLAKE2b-256 of the file, which no card shows: only who holds the file can make row ids."""


def row_key(data: bytes) -> bytes:
    """Key of the ids of a file's rows: HMAC-SHA-256 of the row's number, from 1, under this."""
    return hashlib.blake2b(data, digest_size=32).digest()


def read_table(path: Path, *, role: str, root: Path) -> "tuple[Table, pl.DataFrame]":
    """Read a CSV or Parquet file in one go.

    Raises:
        SubjectError: Missing, empty, of another kind, or broken.
    """
    subject, data = read_subject(path, role=role, root=root)
    table = Table(path=path, name=subject.name, subject=subject, key=row_key(data))
    return table, read_frame(data, path)


def read_frame(data: bytes, path: Path) -> "pl.DataFrame":
    """Parse the bytes of a CSV or Parquet file; raises as `read_table` does."""
    import polars as pl

    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            frame = pl.read_parquet(io.BytesIO(data))
        elif kind == ".csv":
            frame = pl.read_csv(io.BytesIO(data), infer_schema_length=10_000)
        else:
            raise SubjectError(f"{path}: give a .csv or .parquet file, not '{kind or 'no suffix'}'")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        # The reader's own message may quote a cell, and a cell may be personal data.
        raise SubjectError(
            f"{path}: not a readable {kind[1:]} file ({type(error).__name__}); open it to see why"
        ) from None
    if frame.height == 0:
        raise SubjectError(f"{path}: holds no rows; an empty table decides nothing")
    return frame


def select(columns: Sequence[str], patterns: Sequence[str], *, path: Path) -> tuple[str, ...]:
    """Expand patterns such as `workclass=*` to column names, in the order of the patterns.

    Raises:
        SubjectError: A pattern matches nothing, or two match the same column.
    """
    chosen: list[str] = []
    for pattern in patterns:
        exact = [pattern] if pattern in columns else []
        found = exact or [c for c in columns if fnmatch.fnmatchcase(c, pattern)]
        if not found:
            known = ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "")
            raise SubjectError(f"{path}: no column '{pattern}'. It has: {known}")
        chosen.extend(found)
    if len(set(chosen)) != len(chosen):
        twice = next(c for c in chosen if chosen.count(c) > 1)
        raise SubjectError(f"{path}: features name the column '{twice}' twice")
    return tuple(chosen)


def read_features(
    frame: "pl.DataFrame", names: Sequence[str], *, path: Path
) -> "npt.NDArray[np.float32]":
    """Return the feature columns as a matrix, shape (rows, features).

    Raises:
        SubjectError: A column is not numeric, or holds a missing or infinite value.
    """
    import numpy as np

    schema = frame.schema  # made anew at every access
    for name in names:
        kind = schema[name]
        if not (kind.is_numeric() or str(kind) == "Boolean"):
            raise SubjectError(
                f"{path}: feature '{name}' is {kind}, not a number; encode it in the file "
                "(one column per value, named like workclass=Private)"
            )
    matrix = frame.select(names).cast(_float32()).to_numpy()
    broken = ~np.isfinite(matrix)
    if broken.any():
        row, column = (int(i) for i in np.argwhere(broken)[0])
        raise SubjectError(
            f"{path}: row {row + 1}, feature '{names[column]}' is missing or not finite; "
            "fill it in or drop the row"
        )
    # A copy: polars may lend its own memory, which nobody may write to, torch says.
    return np.array(matrix, dtype=np.float32, order="C")


def read_texts(
    frame: "pl.DataFrame", names: Sequence[str], *, path: Path
) -> "npt.NDArray[np.object_]":
    """Return columns of texts, shape (rows, columns), each a str.

    Raises:
        SubjectError: A column holds no text, or lacks one.
    """
    import numpy as np

    texts = np.empty((frame.height, len(names)), dtype=object)
    for i, name in enumerate(names):
        kind = str(frame.schema[name])
        if kind != "String":
            raise SubjectError(f"{path}: column '{name}' is {kind}, not text")
        texts[:, i] = frame[name].to_numpy()
        if missing := frame[name].null_count():
            row = frame[name].is_null().arg_max()
            raise SubjectError(
                f"{path}: row {(row or 0) + 1} has no text in '{name}' ({missing} rows lack one); "
                "fill it in or drop the row"
            )
    return texts


def _float32() -> Any:
    import polars as pl

    return pl.Float32
