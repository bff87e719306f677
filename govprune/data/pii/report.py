"""What a scan found: counts, shapes and places, never a value. Reports of shards add up exactly.

Whether a bare number is believed is decided from the whole column, after adding up: one number
in ten passes the check digit of a payment card by chance.
"""

from collections.abc import Iterable
from math import sqrt

from pydantic import Field, NonNegativeInt

from ...errors import CheckError
from ...records import Record
from .entities import BY_ID, ENTITIES
from .patterns import How

PLACES = 5
TOKENS = 1024
CHANCE = 0.1
"""Share of random numbers that pass the Luhn check."""
FEW = 10
"""Below so many bare numbers in a text column nothing can be said about chance."""


class Location(Record):
    """Where one finding is and what it looks like."""

    row: NonNegativeInt
    """Counted from 1; 0 is the column's name."""
    start: NonNegativeInt
    """First character, in the form of the cell that was searched."""
    end: NonNegativeInt
    form: NonNegativeInt
    """0: the cell as it is; 1 and up: normalised, percent-decoded."""
    mask: str
    """Shape, e.g. `ddd-dd-dddd`."""
    token: str
    """The same value has the same token within one run, and nobody can go back (HMAC-SHA-256)."""

    @property
    def order(self) -> tuple[int, int, int, int, str]:
        """Sorts by place."""
        return (self.row, self.form, self.start, self.end, self.token)


class Tally(Record):
    """What one column holds of one entity, with what makes it believable."""

    entity: str
    column: str
    how: How
    hits: NonNegativeInt
    """Findings that are valid."""
    candidates: NonNegativeInt
    """Numbers of this kind, valid or not."""
    tokens: tuple[str, ...]
    """The smallest `TOKENS` different tokens."""
    places: tuple[Location, ...]
    """The first `PLACES` findings."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What adds up with what."""
        return (self.entity, self.column, self.how)

    @property
    def believed(self) -> bool:
        """Whether the hits are findings, or as many as chance alone gives."""
        if self.how == "shown":
            return self.hits > 0
        if self.how == "number-cell":  # most of the column, or it is a column of identifiers
            return self.hits * 2 > self.candidates
        spread = sqrt(self.candidates * CHANCE * (1 - CHANCE))
        by_chance = self.candidates * CHANCE + 3 * spread
        return self.hits > 0 and (self.candidates < FEW or self.hits > by_chance)


class ColumnScan(Record):
    """How much of a column was looked at."""

    name: str
    """Withheld where the name itself holds personal data."""
    scanned_cells: NonNegativeInt = 0
    unscanned_cells: NonNegativeInt = 0
    """Nested and binary values."""
    scanned_bytes: NonNegativeInt = 0
    unscanned_bytes: NonNegativeInt = 0


class EntityFinding(Record):
    """One entity over all columns."""

    entity: str
    title: str
    count: NonNegativeInt
    distinct: NonNegativeInt
    """Different values; an estimate where there are more than `TOKENS`."""
    columns: tuple[str, ...]
    places: tuple[Location, ...]


class PiiReport(Record):
    """The outcome of a scan of one table, or of a part of it."""

    run: str
    """Names the secret of the run, without giving it away."""
    files: tuple[str, ...] = ()
    """SHA-256 of every file read."""
    rows: NonNegativeInt = 0
    columns: tuple[ColumnScan, ...] = ()
    tallies: tuple[Tally, ...] = Field(default=())

    @property
    def scanned_cells(self) -> int:
        """Cells looked at; a missing value is looked at."""
        return sum(c.scanned_cells for c in self.columns)

    @property
    def unscanned_cells(self) -> int:
        """Cells nobody looked into."""
        return sum(c.unscanned_cells for c in self.columns)

    @property
    def unscanned_share(self) -> float:
        """Unscanned cells of all cells."""
        return self.unscanned_cells / max(1, self.unscanned_cells + self.scanned_cells)

    @property
    def dismissed(self) -> tuple[Tally, ...]:
        """Numbers that pass a check digit as often as chance lets them: listed, not counted."""
        return tuple(t for t in self.tallies if t.hits and not t.believed)

    def count(self, group: str) -> int:
        """Findings of all entities of one metric."""
        return sum(t.hits for t in self.tallies if t.believed and BY_ID[t.entity].group == group)

    def findings(self) -> tuple[EntityFinding, ...]:
        """Return what was found, per entity, in the order of the table of entities."""
        result = []
        for entity in ENTITIES:
            tallies = [t for t in self.tallies if t.entity == entity.id and t.believed]
            if tallies:
                result.append(
                    EntityFinding(
                        entity=entity.id,
                        title=entity.title,
                        count=sum(t.hits for t in tallies),
                        distinct=distinct(t.tokens for t in tallies),
                        columns=tuple(dict.fromkeys(t.column for t in tallies)),
                        places=_first(p for t in tallies for p in t.places),
                    )
                )
        return tuple(result)


def distinct(tokens: Iterable[tuple[str, ...]]) -> int:
    """Count different values from their tokens: exact up to `TOKENS`, then estimated.

    Source: k minimum values, Bar-Yossef et al. 2002; the standard error is 3 % at 1,024 tokens.
    """
    smallest = _smallest(token for several in tokens for token in several)
    if len(smallest) < TOKENS:
        return len(smallest)
    largest = int(smallest[-1], 16) / 2.0 ** (4 * len(smallest[-1]))
    return round((TOKENS - 1) / largest)


def merge(a: PiiReport, b: PiiReport) -> PiiReport:
    """Add two reports of different rows of a table: the report of all of them.

    Raises:
        CheckError: They come from runs with different secrets.
    """
    if a.run != b.run:
        raise CheckError("reports of different runs do not add up; scan with one secret")
    columns = {c.name: c for c in a.columns}
    for c in b.columns:
        columns[c.name] = _add(columns[c.name], c) if c.name in columns else c
    tallies = {t.key: t for t in a.tallies}
    for t in b.tallies:
        tallies[t.key] = add_tallies(tallies[t.key], t) if t.key in tallies else t
    return PiiReport(
        run=a.run,
        files=tuple(sorted({*a.files, *b.files})),
        rows=a.rows + b.rows,
        columns=tuple(columns.values()),
        tallies=tuple(tallies[key] for key in sorted(tallies)),
    )


def add_tallies(a: Tally, b: Tally) -> Tally:
    """Add two tallies of the same key."""
    return Tally(
        entity=a.entity,
        column=a.column,
        how=a.how,
        hits=a.hits + b.hits,
        candidates=a.candidates + b.candidates,
        tokens=_smallest((*a.tokens, *b.tokens)),
        places=_first((*a.places, *b.places)),
    )


def _add(a: ColumnScan, b: ColumnScan) -> ColumnScan:
    return ColumnScan(
        name=a.name,
        scanned_cells=a.scanned_cells + b.scanned_cells,
        unscanned_cells=a.unscanned_cells + b.unscanned_cells,
        scanned_bytes=a.scanned_bytes + b.scanned_bytes,
        unscanned_bytes=a.unscanned_bytes + b.unscanned_bytes,
    )


def _smallest(tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(tokens))[:TOKENS])


def _first(places: Iterable[Location]) -> tuple[Location, ...]:
    return tuple(sorted(places, key=lambda place: place.order)[:PLACES])
