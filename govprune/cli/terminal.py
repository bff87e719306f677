"""How wide the terminal is, and how a text is fitted to it."""

import shutil
from textwrap import wrap

NARROWEST = 40
"""Columns below which nothing is fitted any more."""


def width() -> int:
    """Columns to write in: the terminal's, 80 where nobody knows."""
    return max(NARROWEST, shutil.get_terminal_size((80, 24)).columns)


def paragraph(text: str, indent: str = "") -> str:
    """Wrap a text; lines after the first start with `indent`. Paths and names stay whole.

    A no-break space keeps a count beside what it counts and is written as a plain one.
    """
    lines = wrap(text, width(), subsequent_indent=indent, break_on_hyphens=False,
                 break_long_words=False)  # fmt: skip
    return "\n".join(lines).replace("\u00a0", " ")


def shortened(name: str, room: int) -> str:
    """Cut the middle out of a name that is longer than its column."""
    if len(name) <= room:
        return name
    head = room // 2
    return name[:head] + "…" + name[len(name) - (room - head - 1) :]
