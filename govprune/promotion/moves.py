"""Moves of an alias that a registrar signs: who let a model serve, and in which order."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from pydantic import Field, ValidationError

from ..errors import EvidenceError, InputError
from ..evidence import dsse
from ..evidence.keys import SigningKeys
from ..evidence.statement import STATEMENT_TYPE, statement_of
from ..evidence.trust import TrustPolicy
from ..evidence.vsa import moment
from ..records import Record, canonical, to_json
from ..registries.local import LocalRegistry, Move, Moved

MOVE_TYPE = "urn:govprune:move:v1"


class SignedMove(Record):
    """A move, and the one of the same alias before it."""

    schema_version: Literal[1] = 1
    registry: str
    """Its id, drawn at random: a move of one registry is none of another."""
    position: int = Field(ge=1)
    after: int = Field(ge=0)
    """Position of the move before; 0 for the first of the alias."""
    move: Move


def registrar(
    under: TrustPolicy | None, keys: SigningKeys | None, now: datetime
) -> Callable[[str, Moved, int], bytes] | None:
    """Return what signs a move; None where no trust policy asks for a registrar.

    Raises:
        InputError: It asks, and the keys are missing or not a registrar's.
    """
    if under is None or under.threshold("registrar") == 0:
        return None
    holders = {key.key_id: key for key in under.holders("registrar")}
    if keys is None or keys.key_id not in holders:
        who = ", ".join(sorted(key.owner for key in holders.values()))
        raise InputError(
            f"trust policy '{under.name}' has registrars move aliases ({who}): give the key of one "
            "with --registrar-key"
        )
    under.refuse_revoked(holders[keys.key_id], said=now, shown=None)
    return lambda registry, moved, after: dsse.sign(_statement(registry, moved, after), keys)


def verify_move(place: LocalRegistry, moved: Moved, under: TrustPolicy, *, source: str) -> None:
    """Demand that a registrar signed this very move, behind this very one before it.

    Raises:
        EvidenceError: Nobody did, somebody else did, or the key was revoked by then.
    """
    if under.threshold("registrar") == 0:
        return
    if moved.signed is None:
        raise EvidenceError(f"{source}: no registrar signed this move")
    payload, by = dsse.verify(moved.signed, under.holders("registrar"), source=source)
    try:
        said = SignedMove.model_validate(
            statement_of(payload, MOVE_TYPE, source=source)["predicate"]
        )
    except ValidationError as error:
        raise EvidenceError(f"{source}: not a signed move ({error.errors()[0]['msg']})") from error
    expected = _statement(place.id, moved, place.before(moved))
    if expected != payload or said.position != moved.position:
        raise EvidenceError(f"{source}: the registry says something else than a registrar signed")
    under.refuse_revoked(by, said=moment(moved.move.time, field="time"), shown=None)


def _statement(registry: str, moved: Moved, after: int) -> bytes:
    signed = SignedMove(registry=registry, position=moved.position, after=after, move=moved.move)
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {
                    "name": f"{moved.move.name}@{moved.move.alias}",
                    "digest": {"sha256": moved.move.candidate},
                }
            ],
            "predicateType": MOVE_TYPE,
            "predicate": to_json(signed),
        }
    )
