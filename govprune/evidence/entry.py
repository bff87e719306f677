"""What the log remembers of a verdict, and the proof that it does."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from ..errors import EvidenceError
from ..policy import Result
from ..records import Record, canonical, digest, parse_json
from ..subjects import Subject

_HEX = r"^[0-9a-f]{64}$"


class Entry(Record):
    """One verdict as the log remembers it; its canonical JSON is the leaf."""

    kind: Literal["verdict"] = "verdict"
    verdict_sha256: str = Field(pattern=_HEX)
    """Of verdict.dsse.json."""
    evidence_sha256: str = Field(pattern=_HEX)
    """Of evidence.dsse.json."""
    baseline: str = Field(pattern=_HEX)
    evaluation: str = Field(pattern=_HEX)
    candidate: str = Field(pattern=_HEX)
    """These three as `tried` gives them."""
    artefact: str = Field(pattern=_HEX)
    """What ships, as `identity` gives the candidate: its file where one was named."""
    policy: str = Field(pattern=_HEX)
    """Digest of the resolved policy."""
    result: Result
    time: str
    """RFC 3339, UTC."""


class PlanEntry(Record):
    """A plan that was signed before anything was measured; its canonical JSON is the leaf."""

    kind: Literal["plan"] = "plan"
    plan_sha256: str = Field(pattern=_HEX)
    """Of plan.dsse.json."""
    baseline: str = Field(pattern=_HEX)
    evaluation: str = Field(pattern=_HEX)
    policy: str = Field(pattern=_HEX)
    time: str
    """RFC 3339, UTC."""


Leaf = Entry | PlanEntry
"""What may stand in a log."""


class Proof(Record):
    """That an entry is in the log: proof.json of a bundle."""

    leaf: str
    """The entry as canonical JSON text."""
    index: int = Field(ge=0)
    """Position, from 0."""
    size: int = Field(ge=1)
    """Entries in the log when this was proved."""
    hashes: tuple[Annotated[str, Field(pattern=_HEX)], ...] = Field(max_length=64)
    """Siblings from the leaf to the root (hex)."""
    checkpoint: str | None
    """Signed note over size and root; None in a run that nobody signed."""


def identity(subjects: Iterable[Subject], role: str) -> str:
    """Return one digest for everything in a role: the file's own, or that of all their digests.

    Raises:
        EvidenceError: Nothing has this role.
    """
    found = sorted(s.sha256 for s in subjects if s.role == role)
    if not found:
        raise EvidenceError(f"the evidence names no {role}")
    return found[0] if len(found) == 1 else digest(found)


def tried(subjects: Sequence[Subject], role: str) -> str:
    """Return what makes an attempt: the answers where they were given, else as `identity`.

    Whatever file the answers are said to be of: who names another one has not tried another model.

    Raises:
        EvidenceError: Nothing has this role.
    """
    answers = f"{role}-answers"
    given = any(s.role == answers for s in subjects)
    return identity(subjects, answers if given else role)


def read_entry(leaf: bytes, *, source: str) -> Leaf:
    """Read a leaf strictly: canonical JSON of an entry and nothing else.

    Raises:
        EvidenceError: It is not.
    """
    values = parse_json(leaf, source=source, limit=10_000)
    plan = isinstance(values, dict) and values.get("kind") == "plan"
    try:
        entry: Leaf = PlanEntry.model_validate(values) if plan else Entry.model_validate(values)
    except ValidationError as error:
        raise EvidenceError(f"{source}: not an entry ({error.errors()[0]['msg']})") from error
    if canonical(entry) != leaf:
        raise EvidenceError(f"{source}: not in canonical form")
    return entry
