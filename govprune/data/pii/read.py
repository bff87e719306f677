"""Tables as they are written: every cell of a CSV or JSON Lines file stays the text it was.

Parsing `0536221234` as a number would lose what is looked for. Messages never quote the data.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SubjectError
from ...subjects import read_subject

if TYPE_CHECKING:
    import polars as pl

MAX_COLUMNS = 20_000
Nested = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Cells:
    """The cells of one file."""

    frame: "pl.DataFrame"
    sha256: str
    nested: Nested
    """Cells and bytes per column that are objects or arrays (JSON Lines; null in `frame`)."""


def read_cells(path: Path) -> Cells:
    """Read a .parquet, .csv, .jsonl or .ndjson file in one go.

    Raises:
        SubjectError: Missing, empty, of another kind, or broken.
    """
    readers = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines}
    kind = path.suffix.lower()
    if kind not in readers:
        raise SubjectError(
            f"{path}: give a .parquet, .csv or .jsonl file, not '{kind or 'no suffix'}'"
        )
    subject, data = read_subject(path, role="fine-tuning", root=path.parent)
    if not data:
        raise SubjectError(f"{path}: is empty; declare the file the model was tuned on")
    frame, nested = readers[kind](path, data)
    if frame.height == 0:
        raise SubjectError(f"{path}: holds no rows; an empty table shows nothing")
    return Cells(frame=frame, sha256=subject.sha256, nested=nested)


def _parquet(path: Path, data: bytes) -> "tuple[pl.DataFrame, Nested]":
    import polars as pl

    try:
        return pl.read_parquet(io.BytesIO(data)), {}
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        # Not `from error`: the reader's own message may quote a cell.
        raise SubjectError(
            f"{path}: not a readable Parquet file ({type(error).__name__}); write it again"
        ) from None


def _csv(path: Path, data: bytes) -> "tuple[pl.DataFrame, Nested]":
    import polars as pl

    try:
        return pl.read_csv(io.BytesIO(data), infer_schema=False), {}
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        # Not `from error`: the reader's own message quotes the cell it stumbled over.
        raise SubjectError(
            f"{path}: not a readable CSV file ({type(error).__name__}); it must be UTF-8, have a "
            "header, as many fields in every line, and quotes that close"
        ) from None


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, in order, repeated keys kept."""


class _Word(str):
    """A JSON number, true, false or NaN, as it was written."""

    __slots__ = ()


def _json_lines(path: Path, data: bytes) -> "tuple[pl.DataFrame, Nested]":
    import polars as pl

    nested: Nested = {}
    columns: dict[str, list[str | None]] = {}
    rows = 0
    for pairs in _objects(path, data):
        for key, value in pairs:
            cells = columns.setdefault(key, [])
            if len(columns) > MAX_COLUMNS:
                raise SubjectError(f"{path}: more than {MAX_COLUMNS} different keys; not a table")
            cells.extend([None] * (rows - len(cells)))
            cells.append(_cell(key, value, nested))
        rows += 1
    for cells in columns.values():
        cells.extend([None] * (rows - len(cells)))
    if not columns:
        raise SubjectError(f"{path}: holds no fields; an empty table shows nothing")
    series = [pl.Series(key, cells, dtype=pl.String) for key, cells in columns.items()]
    return pl.DataFrame(series), nested


def _objects(path: Path, data: bytes) -> Iterator[_Pairs]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_Pairs, parse_int=_Word, parse_float=_Word, parse_constant=_Word
    )
    number = 0
    try:
        for number, line in enumerate(data.decode("utf-8-sig").split("\n"), start=1):
            if not line.strip():
                continue
            value = decoder.decode(line.strip())
            if not isinstance(value, _Pairs):
                raise SubjectError(f"{path}:{number}: not a JSON object; give one per line")
            if len({key for key, _ in value}) != len(value):
                raise SubjectError(f"{path}:{number}: a key is given twice; keep one")
            yield value
    except UnicodeDecodeError:
        raise SubjectError(f"{path}: not UTF-8 text; convert it") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else "not JSON"
        raise SubjectError(f"{path}:{number}: {reason}; give one JSON object per line") from None


def _cell(key: str, value: Any, nested: Nested) -> str | None:
    if isinstance(value, list):
        cells, size = nested.get(key, (0, 0))
        nested[key] = (cells + 1, size + len(json.dumps(value, ensure_ascii=False).encode()))
        return None
    if value is None or isinstance(value, bool):
        return None
    # A lone surrogate cannot be stored; what is around it can still be searched.
    return str(value).encode("utf-8", "replace").decode("utf-8")
