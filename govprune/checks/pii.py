"""Whether personal data or secrets are in the data that touched the candidate's weights.

Every cell of every declared fine-tuning table is scanned, so the counts have no sampling error.
What is measured holds counts, column names, rows and shapes, never a value.
"""

from collections.abc import Iterator

from ..data.pii import PiiReport, Tally, scan_file
from ..data.pii.entities import BY_ID, CONTACT, IDENTITY, NETWORK, SECRETS
from ..data.pii.report import distinct
from ..errors import CheckError, SubjectError
from ..measurements import Exact, Figure, Measurement
from .base import Case, Check, NoParams

_ID = "pii"
_COUNTED = (IDENTITY, CONTACT, NETWORK, SECRETS)
_UNTOUCHED = "no data touched the weights, none was scanned"
_LIMITS = "found by pattern and check digit; names and places of people are not looked for"
_MOST_ROWS = 300  # of the figure; every finding is in the counts
_COLUMNS = ("Data", "Column", "What", "Found", "Distinct", "Where first")


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Scan the fine-tuning data.

    Raises:
        CheckError: The step says that it retrained, and no data is declared.
        SubjectError: A file is broken, or not the one that was digested.
    """
    if not case.fine_tuning:
        if case.step.retrains:
            raise CheckError(
                "no fine-tuning data is declared although the step retrains; "
                "list its files under fine_tuning in govprune.yaml"
            )
        for metric in (*_COUNTED, "unscanned-share"):
            yield _measurement(metric, 0, 0, (_UNTOUCHED,))
        return
    reports = []
    for table in case.fine_tuning:
        report = scan_file(table.path)
        if report.files != (table.subject.sha256,):
            raise SubjectError(f"{table.path}: changed since it was digested; run the gate again")
        reports.append((table.name, report))
    yield from _measurements([report for _, report in reports])
    if rows := _table(reports):
        yield Figure(
            check=_ID, title="Personal data and secrets, by column", columns=_COLUMNS, rows=rows
        )


def _measurements(reports: list[PiiReport]) -> Iterator[Measurement]:
    cells = sum(report.scanned_cells for report in reports)
    unscanned = sum(report.unscanned_cells for report in reports)
    dismissed = sum(tally.hits for report in reports for tally in report.dismissed)
    for metric in _COUNTED:
        notes = [_LIMITS]
        if metric == IDENTITY and dismissed:
            notes.append(
                f"{dismissed} numbers pass the check digit of a payment card as often as chance "
                "lets identifiers pass it; not counted"
            )
        yield _measurement(metric, sum(r.count(metric) for r in reports), cells, tuple(notes))
    closed = [c.name for report in reports for c in report.columns if c.unscanned_cells]
    notes = [f"nested or binary, not scanned: {', '.join(closed[:20])}"] if closed else []
    share = unscanned / max(1, unscanned + cells)
    yield _measurement("unscanned-share", share, cells + unscanned, tuple(notes))


def _measurement(metric: str, value: float, cells: int, notes: tuple[str, ...]) -> Measurement:
    return Measurement(check=_ID, metric=metric, basis=Exact(value=value, n=cells), notes=notes)


def _table(reports: list[tuple[str, PiiReport]]) -> tuple[tuple[str, ...], ...]:
    rows = [row for name, report in reports for row in _rows(name, report)]
    left = len(rows) - _MOST_ROWS
    more = ("", "", f"{left:,} more rows of this kind", "", "", "")
    return (*rows[:_MOST_ROWS], more) if left > 0 else tuple(rows)


def _rows(name: str, report: PiiReport) -> Iterator[tuple[str, ...]]:
    for tally in report.tallies:
        if tally.hits and tally.believed:
            found, where = f"{tally.hits:,}", _where(tally)
            yield _row(name, tally, found, f"{distinct([tally.tokens]):,}", where)
    for tally in report.dismissed:
        where = f"{tally.hits:,} of {tally.candidates:,} numbers pass by chance"
        yield _row(name, tally, "0", "0", where)
    for column in report.columns:
        if column.unscanned_cells:
            where = f"{column.unscanned_cells:,} cells are nested or binary"
            yield (name, column.name, "Not scanned", "-", "-", where)


def _row(
    name: str, tally: Tally, found: str, different: str, where: str
) -> tuple[str, str, str, str, str, str]:
    return (name, tally.column, BY_ID[tally.entity].title, found, different, where)


def _where(tally: Tally) -> str:
    places = [
        f"row {place.row} ({place.mask})" if place.row else f"the column's name ({place.mask})"
        for place in tally.places[:3]
    ]
    return ", ".join(places)


PII = Check(id=_ID, params=NoParams, measure=measure)
