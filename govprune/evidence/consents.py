"""What people sign about evidence: that a candidate is theirs, that they approve, what they waive.

Each is an in-toto statement in an envelope of its own, in a file of its own beside the verdict.
It names the evidence by digest: any change to that, and it says nothing.
"""

import hashlib
import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, StrictBool, StrictStr, ValidationError

from ..errors import EvidenceError, InputError
from ..policy.waivers import Waiver
from ..records import Record, canonical, refusal, to_json
from .statement import STATEMENT_TYPE, read_predicate
from .trust import Sentence
from .vsa import moment

APPROVAL_TYPE = "urn:govprune:approval:v1"
WAIVER_TYPE = "urn:govprune:waiver:v1"
PRODUCER_TYPE = "urn:govprune:producer:v1"
LATER_FILE = re.compile(r"(approval|waiver)-[0-9a-f]{16}\.dsse\.json")
"""Names of files that may be added to a bundle after its verdict."""

LONGEST = timedelta(days=366)
Hex = Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]


class Approval(Record):
    """One person has looked at the evidence and wants this candidate to serve."""

    evidence_sha256: Hex
    """Of evidence.dsse.json."""
    verdict_sha256: Hex
    """Of verdict.dsse.json."""
    waivers: tuple[Hex, ...] = Field(default=(), max_length=100)
    """SHA-256 of the waivers that it was given with: it covers these and no others."""
    because: Sentence
    time: StrictStr
    """RFC 3339, UTC."""


class SignedWaiver(Record):
    """One person answers for one finding, for a while."""

    evidence_sha256: Hex
    verdict_sha256: Hex
    candidate: Hex
    """What was judged, by its digest."""
    baseline: Hex
    evaluation: Hex
    """On what; all three as the log names them."""
    policy_sha256: Hex
    waiver: Waiver
    later: StrictBool = False
    """Whether it also holds for later evidence of the same candidate, baseline and data under the
    same policy, as long as that is no worse than what is accepted."""
    because: Sentence
    time: StrictStr
    expires: StrictStr
    """At most a year later."""


class Producer(Record):
    """Whoever made a candidate says so."""

    candidate: Hex
    """The digest of the file, or of the folder's manifest."""
    name: Annotated[StrictStr, Field(min_length=1, max_length=400)]
    """What the file was called; for people."""
    time: StrictStr


Consent = Approval | SignedWaiver | Producer
_TYPES: dict[str, type[Approval] | type[SignedWaiver] | type[Producer]] = {
    APPROVAL_TYPE: Approval,
    WAIVER_TYPE: SignedWaiver,
    PRODUCER_TYPE: Producer,
}


Made = TypeVar("Made", Approval, SignedWaiver, Producer)


def make_consent(record: type[Made], **values: Any) -> Made:
    """Make a statement of what a person typed.

    Raises:
        InputError: Names the field that cannot be used.
    """
    try:
        return record.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{field}: {refusal(first)}; nothing was signed") from error


def to_consent(consent: Consent) -> bytes:
    """Return the in-toto statement as canonical JSON bytes."""
    kind = next(name for name, record in _TYPES.items() if isinstance(consent, record))
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": _subjects(consent),
            "predicateType": kind,
            "predicate": to_json(consent),
        }
    )


def from_consent(payload: bytes, kind: str, *, source: str) -> Consent:
    """Read the statement back from bytes whose signature has been verified.

    Raises:
        EvidenceError: It is not written exactly as `to_consent` writes.
    """
    record: type[Consent] = _TYPES[kind]
    consent = read_predicate(payload, kind, record, to_consent, source=source)
    moment(consent.time, field=f"{source}: time")
    if isinstance(consent, SignedWaiver):
        days = moment(consent.expires, field=f"{source}: expires") - moment(
            consent.time, field="time"
        )
        if days > LONGEST:
            raise EvidenceError(f"{source}: a waiver holds for at most {LONGEST.days} days")
    return consent


def kind_of(name: str) -> str:
    """Return the predicate type that a file of this name must have."""
    return APPROVAL_TYPE if name.startswith("approval-") else WAIVER_TYPE


def file_of(envelope: bytes, kind: Literal["approval", "waiver"]) -> str:
    """Return what an envelope is called in a bundle."""
    return f"{kind}-{hashlib.sha256(envelope).hexdigest()[:16]}.dsse.json"


def in_force(waiver: SignedWaiver, now: datetime) -> bool:
    """Whether a waiver has not ended."""
    return now <= moment(waiver.expires, field="expires")


def _subjects(consent: Consent) -> list[dict[str, Any]]:
    if isinstance(consent, Producer):
        named = [(consent.name, consent.candidate)]
    else:
        named = [
            ("evidence.dsse.json", consent.evidence_sha256),
            ("verdict.dsse.json", consent.verdict_sha256),
        ]
    return [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in named]
