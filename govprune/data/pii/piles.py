"""Where findings are piled up during a scan: values go in, counts and tokens come out."""

import hmac
from dataclasses import dataclass, field

from .patterns import Found, How
from .report import PLACES, TOKENS, Location, Tally
from .text import mask


@dataclass
class _Pile:
    hits: int = 0
    candidates: int = 0
    tokens: set[str] = field(default_factory=set)
    places: list[Location] = field(default_factory=list)

    def trim(self) -> None:
        if len(self.tokens) > 4 * TOKENS:
            self.tokens = set(sorted(self.tokens)[:TOKENS])
        self.places = sorted(self.places, key=lambda place: place.order)[:PLACES]


class Piles:
    """The findings of one column."""

    def __init__(self, column: str, secret: bytes) -> None:
        self._column = column
        self._secret = secret
        self._piles: dict[tuple[str, How], _Pile] = {}

    def count(self, entity: str, how: How, *, candidates: int) -> None:
        """Count numbers that are no findings but say how much chance there was."""
        self._piles.setdefault((entity, how), _Pile()).candidates += candidates

    def add(self, found: Found, *, row: int, form: int, text: str) -> None:
        """Count one finding; of its value only a token and a shape are kept."""
        pile = self._piles.setdefault((found.entity, found.how), _Pile())
        pile.candidates += 1
        if not found.valid:
            return
        pile.hits += 1
        message = f"{found.entity}\0{found.value}".encode("utf-8", "replace")
        token = hmac.digest(self._secret, message, "sha256").hex()[:16]
        pile.tokens.add(token)
        if len(pile.places) < PLACES or row <= pile.places[-1].row:
            place = Location(
                row=row,
                start=found.start,
                end=found.end,
                form=form,
                mask=mask(text[found.start : found.end]),
                token=token,
            )
            pile.places.append(place)
            pile.trim()
        elif len(pile.tokens) > 4 * TOKENS:
            pile.trim()

    def tallies(self) -> tuple[Tally, ...]:
        """Return what was found, sorted by entity."""
        return tuple(
            Tally(
                entity=entity,
                column=self._column,
                how=how,
                hits=pile.hits,
                candidates=pile.candidates,
                tokens=tuple(sorted(pile.tokens)[:TOKENS]),
                places=tuple(sorted(pile.places, key=lambda place: place.order)[:PLACES]),
            )
            for (entity, how), pile in sorted(self._piles.items())
            if pile.candidates
        )
