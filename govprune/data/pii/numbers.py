"""Which numbers are valid: check digits and the rules of those who issue them.

Sources: ISO/IEC 7812-1 (Luhn), ISO 13616 (IBAN), SSA POMS RM 10201 (SSN), python-stdnum.
"""

import re
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_NATIONAL = {
    "us-itin": ("us.itin",),
    "br-cpf": ("br.cpf",),
    "cn-ric": ("cn.ric",),
    "es-dni": ("es.dni", "es.nie"),
    "fi-hetu": ("fi.hetu",),
    "fr-nir": ("fr.nir",),
    "gb-nhs": ("gb.nhs",),
    "in-aadhaar": ("in_.aadhaar",),
    "it-codice-fiscale": ("it.codicefiscale",),
    "mx-curp": ("mx.curp",),
    "nl-bsn": ("nl.bsn",),
    "pl-pesel": ("pl.pesel",),
    "se-personnummer": ("se.personnummer",),
}


def is_card(digits: str) -> bool:
    """Whether 12 to 19 digits could be a payment card: Luhn, not one digit repeated, not padding.

    No list of issuers: those lists age, and a card of tomorrow is personal data too.
    """
    if not 12 <= len(digits) <= 19 or digits.startswith("000") or len(set(digits)) == 1:
        return False
    total = sum(int(d) for d in digits[-1::-2])
    return (total + sum(_DOUBLED[int(d)] for d in digits[-2::-2])) % 10 == 0


def are_cards(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Apply the same rule to many numbers of 12 to 19 digits without leading zeros at once.

    Args:
        numbers: Shape (n,).

    Returns:
        Shape (n,).
    """
    rest = numbers.copy()
    total = np.zeros(len(numbers), dtype=np.uint64)
    last = numbers % 10
    same = np.ones(len(numbers), dtype=np.bool_)
    doubled = np.array(_DOUBLED, dtype=np.uint64)
    for position in range(19):
        digit = rest % 10
        same &= (digit == last) | (rest == 0)
        total += doubled[digit.astype(np.intp)] if position % 2 else digit
        rest //= 10
    return np.asarray((total % 10 == 0) & ~same & (numbers >= 10**11) & (numbers < 10**19))


def is_ssn(digits: str) -> bool:
    """Whether nine digits follow the rules for area, group and serial number."""
    return (
        len(digits) == 9
        and digits[:3] not in ("000", "666")
        and digits[0] != "9"
        and digits[3:5] != "00"
        and digits[5:] != "0000"
    )


@lru_cache(maxsize=1024)
def iban_length(country: str) -> int:
    """Characters of an IBAN of this country; 0 where the country issues none."""
    numdb: Any = import_module("stdnum.numdb")
    fields = numdb.get("iban").info(country)[0][1].get("bban", "")
    return 4 + sum(int(n) for n in re.findall(r"([0-9]+)!", fields)) if fields else 0


def is_iban(compact: str) -> bool:
    """Whether it has the country's structure and the check digits of ISO 7064 mod 97-10."""
    iban: Any = import_module("stdnum.iban")
    return bool(iban.is_valid(compact))


def is_national(entity: str, text: str) -> bool:
    """Whether a national number is valid by the rules of the authority that issues it."""
    return any(import_module(f"stdnum.{name}").is_valid(text) for name in _NATIONAL[entity])
