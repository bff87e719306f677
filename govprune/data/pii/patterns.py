"""Where in a text personal data is: exact patterns, then the rules of whoever issues the number.

A letter beside a number is no boundary (`SSN536-22-1234Card4111...`), a digit is. What already
belongs to one finding is not found again as another.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from . import numbers
from .entities import national_words, said_before
from .national import IN_CONTEXT, OF_DIGITS, WITH_LETTERS, Patterns, find_national
from .phones import find_phones

How = Literal["shown", "in-text", "number-cell"]
"""What makes it more than a number that passes by chance: its form, its context or its column's
name (`shown`); otherwise the column is asked as a whole, for numbers in text and for cells that
are nothing but a number."""


@dataclass(frozen=True, repr=False)  # a value must never be printed
class Found:
    """A place in a text. Holds the value, so it never leaves the scan."""

    entity: str
    start: int
    end: int
    value: str
    how: How = "shown"
    valid: bool = True
    """False for a bare number that fails its check digit: it counts as a candidate only."""


_SECRETS = (
    ("private-key", "PRIVATE KEY", re.compile(
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----[^-]*(?:-----END)?")),
    ("aws-key", "A", re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Z0-9])")),
    ("github-token", "g", re.compile(
        r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}")),
    ("google-key", "AIza", re.compile(r"AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])")),
    ("json-web-token", "eyJ", re.compile(
        r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")),
    ("slack-token", "xox", re.compile(r"xox[abeoprs]-[A-Za-z0-9-]{10,}")),
)  # fmt: skip
_MAIL = re.compile(
    r"[\w.%+'-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?!(?:png|jpe?g|gif|svg|webp)\b)"
    r"[^\W\d_]{2,24}"
)
_IBAN = re.compile(r"(?<=[A-Za-z]{2})[0-9]{2}(?=(?:[ -]?[A-Za-z0-9]){11})")
_IBAN_REST = re.compile(r"(?:[ -]?[A-Za-z0-9]){1,32}")
_MAC = re.compile(
    r"(?<![0-9A-Za-z:.-])(?:(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}"
    r"|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})(?![0-9A-Za-z:-])"
)
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_IPV4 = re.compile(r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w-]|\.[0-9])")
_VERSION = re.compile(r"(?:\bv|ver|version|release|build|rev|section|chapter|§)[ .:=]{0,2}$", re.I)
_SSN = re.compile(r"(?<![0-9])(?<![0-9]-)([0-9]{3})([ .-]?)([0-9]{2})\2([0-9]{4})(?!-?[0-9])")
_GROUPED = re.compile(
    r"(?<![0-9+])(?:[0-9]{4}([ .-])[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,4}){0,2}"
    r"|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5})(?![0-9])"
)
_BARE = re.compile(r"(?<![0-9+])(?<![0-9]\.)[0-9]{12,19}(?![0-9]|\.[0-9])")
_YEARS = re.compile(r"(?:(?:19|20)[0-9]{2}\D?)+")
# Random identifiers: runs of digits inside them mean nothing.
_OPAQUE = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Za-z])"
    r"|[0-9A-Fa-f]{24,}"
)
_RUN = re.compile(r"[0-9](?:[ ./()-]{0,3}[0-9]){6,}")
_BEFORE, _AFTER = 60, 10  # characters around a number that a pattern or a context may look at


def find(text: str, labels: frozenset[str] = frozenset()) -> list[Found]:
    """Return everything found in one form of a cell, in the order of certainty.

    Args:
        text: The cell.
        labels: Entities that the column's name says it holds.
    """
    found: list[Found] = []
    _take(found, _secrets(text))
    if "@" in text:
        _take(found, _matches("e-mail", _MAIL, text))
    _take(found, _ibans(text))
    blank = _OPAQUE.sub(_blanked, text)
    _take(found, _addresses(blank))
    _take(found, _national(WITH_LETTERS, blank, labels))
    for offset, part in _parts(blank):
        moved = (replace(f, start=f.start + offset, end=f.end + offset)
                 for f in _numbers(part, labels))  # fmt: skip
        _take(found, moved)
    return found


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Yield the surroundings of every number of seven digits, with their offset."""
    start, end = 0, -1
    for match in _RUN.finditer(text):
        if match.start() - _BEFORE > end:
            if end > 0:
                yield start, text[start:end]
            start = max(0, match.start() - _BEFORE)
        end = match.end() + _AFTER
    if end > 0:
        yield start, text[start:end]


def _numbers(text: str, labels: frozenset[str]) -> Iterator[Found]:
    yield from _national(OF_DIGITS, text, labels)
    yield from _ssns(text, labels)
    yield from _cards(text, labels)
    if labels or national_words(text):
        yield from _national(IN_CONTEXT, text, labels, in_context=True)
    for start, end in find_phones(text, labelled="phone" in labels):
        yield Found("phone", start, end, re.sub(r"[^0-9]", "", text[start:end]))


def _national(
    patterns: Patterns, text: str, labels: frozenset[str], *, in_context: bool = False
) -> Iterator[Found]:
    for entity, start, end, value in find_national(patterns, text, labels, in_context=in_context):
        yield Found(entity, start, end, value)


def _take(found: list[Found], more: Iterator[Found] | list[Found]) -> None:
    """Add what lies on no place already taken."""
    for new in more:
        if all(new.end <= old.start or old.end <= new.start for old in found if old.valid):
            found.append(new)


def _blanked(match: re.Match[str]) -> str:
    token = match[0]
    letters = sum(c.isalpha() for c in token)
    return "x" * len(token) if letters * 8 >= len(token) or (letters and "-" in token) else token


def _matches(entity: str, pattern: re.Pattern[str], text: str) -> Iterator[Found]:
    for match in pattern.finditer(text):
        yield Found(entity, match.start(), match.end(), match[0].lower())


def _secrets(text: str) -> Iterator[Found]:
    for entity, literal, pattern in _SECRETS:
        if literal in text:
            for match in pattern.finditer(text):
                yield Found(entity, match.start(), match.end(), match[0])


def _ibans(text: str) -> Iterator[Found]:
    for match in _IBAN.finditer(text):
        start = match.start() - 2
        country = text[start : start + 2].upper()
        length = numbers.iban_length(country)
        rest = _IBAN_REST.match(text, start + 2) if length else None
        if rest is None:
            continue
        compact, end = country, rest.start()
        while len(compact) < length and end < rest.end():
            compact += text[end].upper() if text[end].isalnum() else ""
            end += 1
        if numbers.is_iban(compact):
            yield Found("iban", start, end, compact)


def _addresses(text: str) -> Iterator[Found]:
    if ":" in text or "-" in text or "." in text:
        for match in _MAC.finditer(text):
            plain = re.sub(r"[^0-9a-f]", "", match[0].lower())
            # Without a colon it needs a letter: `06-12-34-56-78-90` is a telephone number.
            if plain not in ("0" * 12, "f" * 12) and (":" in match[0] or not plain.isdecimal()):
                yield Found("mac", match.start(), match.end(), plain)
    if text.count(":") >= 2:
        for match in _IPV6.finditer(text):
            if _is_ipv6(match[0]):
                yield Found("ipv6", match.start(), match.end(), match[0].lower())
    if text.count(".") >= 3:
        for match in _IPV4.finditer(text):
            if _is_ipv4(match[0], text, match.start()):
                yield Found("ipv4", match.start(), match.end(), match[0])


def _is_ipv6(token: str) -> bool:
    groups = [group for group in token.split(":") if group]
    # `a::b` is code and `10:20:30` a time, not somebody's address.
    if len(groups) < 2 or sum(map(len, groups)) < 5 or not any(c.isdecimal() for c in token):
        return False
    try:
        address = ipaddress.IPv6Address(token)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _is_ipv4(token: str, text: str, start: int) -> bool:
    try:
        address = ipaddress.IPv4Address(token)
    except ValueError:
        return False
    if address.is_loopback or token.startswith(("0.", "255.255.")):
        return False
    # `2.4.1.0` and `version 10.2.33.4` are numbers of software.
    small = all(len(octet) == 1 for octet in token.split("."))
    return not _VERSION.search(text[max(0, start - 12) : start]) and (
        not small or said_before("ipv4", text, start)
    )


def _ssns(text: str, labels: frozenset[str]) -> Iterator[Found]:
    for match in _SSN.finditer(text):
        digits = match[1] + match[3] + match[4]
        told = match[2] == "-" or "us-ssn" in labels or said_before("us-ssn", text, match.start())
        if told and numbers.is_ssn(digits):
            yield Found("us-ssn", match.start(), match.end(), digits)


def _cards(text: str, labels: frozenset[str]) -> Iterator[Found]:
    for match in _GROUPED.finditer(text):
        if _YEARS.fullmatch(match[0]):
            continue
        separator = match[1] or match[2]
        groups = match[0].split(separator)
        for kept in range(len(groups), 2, -1):  # a security code may follow the number
            digits = "".join(groups[:kept])
            if numbers.is_card(digits):
                end = match.start() + len(digits) + kept - 1
                yield Found("payment-card", match.start(), end, digits)
                break
    for match in _BARE.finditer(text):
        told = "payment-card" in labels or said_before("payment-card", text, match.start())
        valid = numbers.is_card(match[0])
        how: How = "shown" if told else "in-text"
        if valid or not told:
            yield Found("payment-card", match.start(), match.end(), match[0], how, valid)
