"""National identity numbers: those that are cheap to recognise and precise.

A number with a form of its own counts wherever it stands; one that looks like any other number
counts only where its column's name or a word before it says what it is.
"""

import re
from collections.abc import Iterator

from .entities import said_before
from .numbers import is_national

Patterns = tuple[tuple[str, re.Pattern[str]], ...]

# fmt: off
WITH_LETTERS: Patterns = (
    ("it-codice-fiscale", re.compile(
        r"(?<![A-Z0-9])[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{3}[A-Z](?![A-Z0-9])", re.I)),
    ("mx-curp", re.compile(
        r"(?<![A-Z0-9])[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[0-9A-Z][0-9](?![A-Z0-9])", re.I)),
    ("fi-hetu", re.compile(r"(?<![\w-])[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y](?![\w-])")),
)
OF_DIGITS: Patterns = (
    ("cn-ric", re.compile(r"(?<![0-9])[1-8][0-9]{16}[0-9Xx](?![0-9A-Za-z])")),
    ("fr-nir", re.compile(
        r"(?<![0-9])[12] ?[0-9]{2} ?[0-9]{2} ?[0-9][0-9AB] ?(?:[0-9]{3} ?){2}[0-9]{2}(?![0-9])")),
    ("br-cpf", re.compile(r"(?<![0-9])[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}(?![0-9])")),
    ("us-itin", re.compile(r"(?<![0-9-])9[0-9]{2}-[0-9]{2}-[0-9]{4}(?![0-9-])")),
)
IN_CONTEXT: Patterns = (
    ("es-dni", re.compile(r"(?<![\w-])[0-9XYZ][0-9]{7}-?[A-Z](?![\w-])", re.I)),
    ("se-personnummer", re.compile(r"(?<![0-9])(?:[0-9]{2})?[0-9]{6}[-+]?[0-9]{4}(?![0-9])")),
    ("gb-nhs", re.compile(r"(?<![0-9])[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}(?![0-9])")),
    ("in-aadhaar", re.compile(r"(?<![0-9])[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9])")),
    ("pl-pesel", re.compile(r"(?<![0-9])[0-9]{11}(?![0-9])")),
    ("nl-bsn", re.compile(r"(?<![0-9])[0-9]{9}(?![0-9])")),
    ("br-cpf", re.compile(r"(?<![0-9])[0-9]{11}(?![0-9])")),
)
# fmt: on


def find_national(
    patterns: Patterns, text: str, labels: frozenset[str], *, in_context: bool
) -> Iterator[tuple[str, int, int, str]]:
    """Yield entity, start, end and compact value of every valid national number.

    Args:
        patterns: Which ones.
        text: The cell, or a part of it.
        labels: Entities that the column's name says it holds.
        in_context: Whether the column's name or a word must say what the number is.
    """
    for entity, pattern in patterns:
        for match in pattern.finditer(text):
            told = not in_context or entity in labels or said_before(entity, text, match.start())
            if told and is_national(entity, match[0].upper()):
                value = re.sub(r"[^0-9A-Z]", "", match[0].upper())
                yield entity, match.start(), match.end(), value
