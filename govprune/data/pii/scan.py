"""The pattern scan: every cell of a table, exhaustively, by pattern and check digit.

A gate in Rust throws out the cells that can hold nothing; what is left is read in every form
(as it is, normalised, percent-decoded) and searched exactly. Cells that are nothing but a number
are judged differently from text: their column's name must say what they are, or they have 13 to
19 digits and most of such cells in the column pass the check digit. Column names are searched
too, because a file without a header has its first row there.

Not searched: nested and binary values (counted and named as unscanned), base64 and other
encodings, images, Parquet metadata. Names and places of people need a model, not a pattern.
"""

import hmac
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .entities import labels
from .gate import digits_of, may_hold, split_numbers
from .labelled import identify
from .numbers import are_cards
from .patterns import Found, find
from .piles import Piles
from .read import read_cells
from .report import ColumnScan, PiiReport, merge
from .text import forms

if TYPE_CHECKING:
    import polars as pl

Progress = Callable[[int, int], None]
"""Called with the cells done and the cells in all."""

CHUNK = 100_000  # rows


def scan_file(
    path: Path, *, progress: Progress | None = None, secret: bytes | None = None
) -> PiiReport:
    """Scan a .parquet, .csv, .jsonl or .ndjson file.

    Args:
        path: The file; read once, its SHA-256 is in the report.
        progress: Called after each part of a column.
        secret: Key of the tokens, 32 bytes. By default a fresh one that is thrown away.

    Raises:
        SubjectError: The file is missing, empty, of another kind, or broken.
    """
    cells = read_cells(path)
    report = scan_frame(cells.frame, secret=secret or secrets.token_bytes(32), progress=progress)
    columns = []
    for column, name in zip(report.columns, cells.frame.columns, strict=True):
        count, size = cells.nested.get(name, (0, 0))
        update = {
            "scanned_cells": column.scanned_cells - count,
            "unscanned_cells": column.unscanned_cells + count,
            "unscanned_bytes": column.unscanned_bytes + size,
        }
        columns.append(column.model_copy(update=update))
    return report.model_copy(update={"files": (cells.sha256,), "columns": tuple(columns)})


def scan_frame(
    frame: "pl.DataFrame",
    *,
    secret: bytes,
    first_row: int = 1,
    progress: Progress | None = None,
) -> PiiReport:
    """Scan the rows of a frame; frames of one table scanned with one secret can be merged.

    Args:
        frame: Any columns.
        secret: Key of the tokens.
        first_row: Number of the frame's first row in the table, counted from 1.
        progress: Called after each part of a column.
    """
    run = hmac.digest(secret, b"govprune run", "sha256").hex()[:16]
    report = PiiReport(run=run, rows=frame.height)
    total, done = frame.height * frame.width, 0
    for number, (name, shown) in enumerate(zip(frame.columns, _names(frame.columns), strict=True)):
        piles = Piles(shown, secret)
        if first_row == 1:
            for form, found in _search(name, frozenset()):
                piles.add(found, row=0, form=form, text=forms(name)[form])
        column = ColumnScan(name=shown)
        part = PiiReport(run=run, columns=(column,), tallies=piles.tallies())
        for offset in range(0, frame.height, CHUNK):
            chunk = frame.to_series(number).slice(offset, CHUNK)
            scan = _scan_chunk(chunk, name, shown, secret, first_row + offset)
            part = merge(part, scan.model_copy(update={"run": run}))
            done += len(chunk)
            if progress is not None:
                progress(done, total)
        report = merge(report, part)
    return report


def _names(columns: list[str]) -> list[str]:
    """Return how columns are called in the report: a name that holds something is withheld."""
    names: list[str] = []
    for number, column in enumerate(columns, start=1):
        shown = column
        if any(found.valid for _, found in _search(column, frozenset())):
            shown = f"column {number} (name withheld)"
        elif len(column) > 80:
            shown = f"{column[:60]}... (column {number})"
        while shown in names:
            shown += "'"
        names.append(shown)
    return names


def _scan_chunk(
    series: "pl.Series", name: str, shown: str, secret: bytes, first_row: int
) -> PiiReport:
    import polars as pl

    kind = series.dtype
    present = len(series) - series.null_count()
    piles = Piles(shown, secret)
    scan = ColumnScan(name=shown, scanned_cells=len(series), scanned_bytes=8 * present)
    if kind.is_numeric() and not kind.is_decimal():
        _scan_numbers(*digits_of(series), labels(name), piles, first_row)
    elif kind == pl.String or kind.is_decimal() or kind in (pl.Categorical, pl.Enum):
        text = series.cast(pl.String)
        size = int(text.str.len_bytes().sum())
        scan = scan.model_copy(update={"scanned_bytes": size})
        number_rows, digits, rest = split_numbers(text)
        _scan_numbers(number_rows, digits, labels(name), piles, first_row)
        _scan_text(text, rest, labels(name), piles, first_row)
    elif not (kind.is_temporal() or kind in (pl.Boolean, pl.Null)):
        scan = ColumnScan(
            name=shown,
            scanned_cells=len(series) - present,
            unscanned_cells=present,
            unscanned_bytes=_leaf_bytes(series),
        )
    return PiiReport(run="", columns=(scan,), tallies=piles.tallies())


def _leaf_bytes(series: "pl.Series") -> int:
    """Bytes of all text, binary values and numbers inside a nested column."""
    import polars as pl

    if isinstance(series.dtype, pl.Struct):
        return sum(_leaf_bytes(field) for field in series.drop_nulls().struct.unnest())
    if series.dtype.is_nested():
        return _leaf_bytes(series.drop_nulls().explode())
    if series.dtype == pl.Binary:
        return int(series.bin.size().sum())
    if series.dtype == pl.String:
        return int(series.str.len_bytes().sum())
    return 8 * (len(series) - series.null_count())


def _scan_numbers(
    rows: "pl.Series", digits: "pl.Series", told: frozenset[str], piles: Piles, first_row: int
) -> None:
    """Judge cells that are nothing but a number: 7 to 19 digits each."""
    import polars as pl

    if told:
        pairs = zip(rows.to_list(), digits.to_list(), strict=True)
        named = [identify(value, told) for value in digits.to_list()]
        for (row, value), entity in zip(pairs, named, strict=True):
            if entity is not None:
                found = Found(entity, 0, len(value), value)
                piles.add(found, row=first_row + row, form=0, text=value)
        unnamed = pl.Series([entity is None for entity in named], dtype=pl.Boolean)
        rows, digits = rows.filter(unnamed), digits.filter(unnamed)
    long = digits.str.len_bytes() >= 13
    rows, digits = rows.filter(long), digits.filter(long)
    if not len(digits):
        return
    passing = pl.Series(are_cards(digits.cast(pl.UInt64).to_numpy()))
    piles.count("payment-card", "number-cell", candidates=len(digits) - int(passing.sum()))
    for row, value in zip(rows.filter(passing), digits.filter(passing), strict=True):
        found = Found("payment-card", 0, len(value), value, "number-cell")
        piles.add(found, row=first_row + row, form=0, text=value)


def _scan_text(
    text: "pl.Series", rest: "pl.Series", told: frozenset[str], piles: Piles, first_row: int
) -> None:
    rows = may_hold(text, rest)
    known: dict[str, list[tuple[int, Found]]] = {}
    for row, cell in zip(rows.to_list(), text.gather(rows).to_list(), strict=True):
        if cell not in known:
            known[cell] = _search(cell, told)
        if known[cell]:
            shapes = forms(cell)
            for form, found in known[cell]:
                piles.add(found, row=first_row + row, form=form, text=shapes[form])


def _search(cell: str, told: frozenset[str]) -> list[tuple[int, Found]]:
    """Search every form of a cell; what an earlier form showed is not counted again."""
    shapes = forms(cell)
    if len(shapes) == 1:
        return [(0, found) for found in find(cell, told)]
    result: list[tuple[int, Found]] = []
    seen: Counter[tuple[str, str]] = Counter()
    for number, form in enumerate(shapes):
        here: Counter[tuple[str, str]] = Counter()
        for found in find(form, told):
            key = (found.entity, found.value)
            here[key] += 1
            if here[key] > seen[key]:
                seen[key] += 1
                result.append((number, found))
    return result
