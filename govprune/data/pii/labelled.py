"""A cell that is nothing but a number, in a column whose name says what the numbers are."""

from .entities import ENTITIES
from .numbers import is_card, is_national, is_ssn

_ANY_NATIONAL = ("us-itin", "br-cpf", "cn-ric", "fr-nir", "gb-nhs", "in-aadhaar", "nl-bsn",
                 "pl-pesel", "se-personnummer")  # fmt: skip


def identify(digits: str, told: frozenset[str]) -> str | None:
    """Return the entity that the digits are valid for among those the column's name tells."""
    return next((e.id for e in ENTITIES if e.id in told and _valid(e.id, digits)), None)


def _valid(entity: str, digits: str) -> bool:
    if entity == "payment-card":
        return is_card(digits)
    if entity == "us-ssn":
        return is_ssn(digits.zfill(9))  # a number has lost its leading zeros
    if entity == "phone":
        return 7 <= len(digits) <= 15
    return entity in _ANY_NATIONAL and is_national(entity, digits)
