"""Telephone numbers, conservatively: a form no other number has, or a word that says so.

No numbering plan is consulted (the plans of all countries accept almost every run of digits);
a number counts when it is written the way people write telephone numbers.
"""

import re
from collections.abc import Iterator

from .entities import said_before

_EDGE = r"(?<![0-9A-Za-z_+.,])(?<![0-9][-/ ])"
# Written internationally. Without any separator it needs ten digits: `+12345678` may be a sum.
_INTERNATIONAL = re.compile(
    r"(?<![0-9+])\+[1-9](?:[0-9]{9,14}|[0-9]{0,2}(?:[ .\-/]?\(?[0-9]{1,5}\)?){2,6})(?![0-9])"
)
# North America: area and exchange start with 2 to 9.
_AMERICAN = re.compile(
    r"(?<![0-9.+])(?<![0-9][-/ ])(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[.-])"
    r"[2-9][0-9]{2}[ .-][0-9]{4}(?![0-9]|-[0-9]|\.[0-9])"
)
# National form with a leading zero: `07700 900 123`, `01 23 45 67 89`, `090-1234-5678`.
_TRUNK = re.compile(
    _EDGE + r"(?:(?:\(0[0-9]{1,4}\)|0[0-9]{1,4})(?: [0-9]{2,4}){2,4}"
    r"|0[0-9]{1,3}-[0-9]{3,4}-[0-9]{4})(?![0-9]|[-.,/:][0-9])"
)
# Any of the ways to write one; only where a word or the column's name says what it is.
_ANY = re.compile(
    r"(?<![0-9A-Za-z_.])(?<![0-9][-/ ])\+?\(?[0-9](?:[ .\-/()]{0,2}[0-9]){6,14}(?![0-9]|[.,][0-9])"
)
_DATE = re.compile(
    r"(?:19|20)[0-9]{2}[-./ ]?[0-9]{1,2}[-./ ]?[0-9]{1,2}"
    r"|[0-9]{1,2}[-./ ][0-9]{1,2}[-./ ](?:19|20)[0-9]{2}"
)
_WORD_RIGHT_BEFORE = re.compile(
    r"(?:phone|tel|mobile|cell|fax|desk|whats ?app|messages? to|call|contact|dial|reach|text|sms|"
    r"ring)[a-z]{0,9}(?:[^0-9a-z]{1,3}(?:number|no|nr|num|me|us|is|at|on|to|him|her|them|please|you|the|"
    r"my|a|our|home|work|office)){0,4}[^0-9a-z+]{0,4}$"
)
_WORD_RIGHT_AFTER = re.compile(r"[-, (]{1,2}(?:office|fax|mobile|cell|desk|home|work)\b", re.I)


def find_phones(text: str, *, labelled: bool) -> Iterator[tuple[int, int]]:
    """Yield start and end of every telephone number in a text.

    Args:
        text: The cell.
        labelled: Whether the column's name says that it holds telephone numbers.
    """
    for pattern in (_INTERNATIONAL, _AMERICAN, _TRUNK):
        for match in pattern.finditer(text):
            count = _count(match[0])
            floor = 9 if pattern is _TRUNK else 8
            if floor <= count <= 15 and not _sum(match):
                yield match.start(), match.end()
    for match in _ANY.finditer(text):
        if not 7 <= _count(match[0]) <= 15 or _DATE.fullmatch(match[0]):
            continue
        followed = _WORD_RIGHT_AFTER.match(text, match.end())
        if labelled or followed or _told(text, match.start(), match[0]):
            yield match.start(), match.end()


def _count(text: str) -> int:
    return sum(c.isdecimal() for c in text)


def _sum(match: re.Match[str]) -> bool:
    """`+1234567` without a separator and with few digits is a signed number."""
    return match[0].startswith("+") and match[0][1:].isdecimal() and len(match[0]) < 11


def _told(text: str, start: int, number: str) -> bool:
    if _WORD_RIGHT_BEFORE.search(text[max(0, start - 48) : start].lower()):
        return True
    # Further away the word must be there and the number written in groups.
    groups = re.split(r"[ .\-/()]+", number.strip("+() "))
    return len(groups) >= 3 and said_before("phone", text, start)
