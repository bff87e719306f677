"""The forms in which a cell is read: as it is, normalised, and percent-decoded.

Full-width and other digits, invisible characters and percent signs hide a number from a pattern
but not from a person or a model. A cell is searched in every form that differs.
"""

import re
import unicodedata
from urllib.parse import unquote

ODD = r"[^\t\n\r\x20-\x7e]"
"""A cell with such a character is normalised before it is searched."""

_ODD = re.compile(ODD)
PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f]")
_DASHES = dict.fromkeys(
    map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63"), "-"
)
_ROUNDS = 3  # percent-encoding of percent-encoding, at most this deep


def normalise(text: str) -> str:
    """Return the text in NFKC, with ASCII digits and dashes and without invisible characters."""
    if not _ODD.search(text):
        return text
    folded = unicodedata.normalize("NFKC", text).translate(_DASHES)
    return _INVISIBLE.sub("", "".join(map(_visible, folded)))


def _visible(character: str) -> str:
    if character < "\x7f":
        return character if character >= " " or character in "\t\n\r" else ""
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return "" if category in ("Cf", "Cc") else character


def decoded(text: str) -> str:
    """Return the text percent-decoded, and decoded again while it still changes."""
    for _ in range(_ROUNDS):
        if not PERCENT.search(text):
            break
        text = unquote(text, errors="replace")
    return text


def forms(text: str) -> list[str]:
    """Return every different form of a cell, the cell itself first."""
    found = [text]
    if not _ODD.search(text) and "%" not in text:
        return found
    for form in (normalise(text), normalise(decoded(text)), normalise(decoded(normalise(text)))):
        if form not in found:
            found.append(form)
    return found


def mask(text: str) -> str:
    """Return the shape of a value: `ddd-dd-dddd`. No letter and no digit of it is kept."""
    shape = []
    for character in text[:40]:
        if character.isdecimal():
            shape.append("d")
        elif character.isascii() and not character.isalnum():
            shape.append(character)
        else:
            shape.append("a")
    return "".join(shape) + ("..." if len(text) > 40 else "")
