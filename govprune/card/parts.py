"""The parts a card is laid out from: words already chosen, numbers already rounded.

Invariant: a template only places these; it neither computes nor decides.
"""

from typing import Literal

from pydantic import Field

from ..records import Record

_KEPT_WHOLE = 12
Tone = Literal["plain", "pass", "fail", "open", "quiet", "strong"]


class Cell(Record):
    """One cell of a table."""

    text: str = ""
    tone: Tone = "plain"
    """How it is set. The words carry the state; the tone only repeats it."""

    svg: str = ""
    """A drawing made by `charts`, in place of text."""


class Column(Record):
    """One column of a table."""

    title: str
    align: Literal["left", "right", "chart"] = "left"
    svg: str = ""
    """The axis, above a column of drawings."""

    width: int | None = Field(default=None, gt=0, le=100)
    """Per cent of the table; the columns without one share what is left."""


class Table(Record):
    """Rows under a caption."""

    kind: Literal["table"] = "table"
    caption: str
    """What it shows; also what a screen reader announces."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    """A sentence below: method, unit, how to read it."""

    caption_shown: bool = True
    """False where the heading above says the same."""

    dense: bool = False
    """Set smaller: many columns, or looked up rather than read."""

    filterable: bool = False
    """Whether the HTML card offers to sort and filter it."""

    @property
    def whole(self) -> bool:
        """Whether it is short enough to be kept on one page."""
        return len(self.rows) <= _KEPT_WHOLE


class Prose(Record):
    """A paragraph."""

    kind: Literal["prose"] = "prose"
    text: str
    tone: Tone = "plain"


class Points(Record):
    """A list of sentences."""

    kind: Literal["points"] = "points"
    items: tuple[str, ...]


class Section(Record):
    """A heading and what stands below it."""

    id: str
    title: str
    parts: tuple[Table | Prose | Points, ...]
    new_page: bool = False


def left(title: str, width: int | None = None) -> Column:
    """Return a column of words."""
    return Column(title=title, width=width)


def right(title: str, width: int | None = None) -> Column:
    """Return a column of numbers."""
    return Column(title=title, align="right", width=width)


def text(value: str, tone: Tone = "plain") -> Cell:
    """Return a cell of words or numbers."""
    return Cell(text=value, tone=tone)


def drawing(svg: str) -> Cell:
    """Return a cell that holds a drawing."""
    return Cell(svg=svg)
