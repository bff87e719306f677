"""The trust policy: whose signature counts, for what, until when, and how many are needed.

A signed document with a version that only grows and an end. Its root keys sign it and nothing
else; a new version must be signed by enough roots of the one before and by enough of its own
(The Update Framework, section 5.3). What an account has accepted is remembered, so that neither
an older version nor the silence after an expired one goes unnoticed.
"""

import unicodedata
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from ..errors import EvidenceError, SigningKeyError
from ..records import Record, canonical, parse_json, refusal
from .key_files import parse_trusted_keys
from .keys import TrustedKeys
from .vsa import moment

Role = Literal["root", "gate", "producer", "approver", "waiver-owner", "registrar"]
Hex = Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable characters on one line")
    return text


Sentence = Annotated[StrictStr, Field(min_length=8, max_length=1000), AfterValidator(_on_one_line)]
"""What a person says; printed beside what is asked of others, so it writes no line of its own."""
_LIMIT = 1_000_000


class Holders(Record):
    """Who may act in a role."""

    keys: tuple[Hex, ...] = Field(min_length=1, max_length=40)
    """Key ids."""
    threshold: StrictInt = Field(default=1, ge=1)
    """How many different people must."""


class Roles(Record):
    """Who may do what. A role that nobody holds is one that nobody is asked to fill."""

    root: Holders
    """Sign trust policies, and nothing else."""
    gate: Holders
    """Sign evidence and verdicts."""
    producer: Holders | None = None
    """Say that a candidate is theirs."""
    approver: Holders | None = None
    """Approve evidence; never that of a candidate of their own."""
    waiver_owner: Holders | None = None
    """Accept a finding for a while."""
    registrar: Holders | None = None
    """Move aliases of a registry."""

    def holders(self, role: Role) -> Holders | None:
        """Return who holds a role."""
        found: Holders | None = getattr(self, role.replace("-", "_"))
        return found


class Revoked(Record):
    """A key whose signature counts no more."""

    key: Hex
    since: StrictStr
    """RFC 3339. What was signed before stays good, as far as that can be shown."""
    stolen: StrictBool
    """Whether somebody else may have it: then only a timestamp shows what came before."""
    because: Sentence


class Demands(Record):
    """What must lie in a bundle beside evidence and verdict before it is promoted."""

    plan: StrictBool = False
    """A plan that was signed and logged before anything was measured."""
    timestamp: StrictBool = False
    """The time of an authority over the verdict (RFC 3161)."""


class TrustPolicy(Record):
    """Whose signature counts, for what, until when."""

    schema_version: Literal[1] = 1
    name: Annotated[StrictStr, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
    """Stays the same through all versions."""
    version: StrictInt = Field(ge=1, le=10**9)
    issued: StrictStr
    """RFC 3339."""
    expires: StrictStr
    """From then on it says nothing; a new version is due before."""
    keys: tuple[StrictStr, ...] = Field(min_length=2, max_length=200)
    """Public key files as text, in the order of their ids."""
    roles: Roles
    revoked: tuple[Revoked, ...] = Field(default=(), max_length=200)
    timestamp_authorities: tuple[StrictStr, ...] = Field(default=(), max_length=10)
    """Certificates (PEM) of those whose time counts."""
    demands: Demands = Demands()

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        ids = [keys.key_id for keys in self._parsed]
        if ids != sorted(set(ids)):
            raise ValueError("a key is named twice, or keys are not in the order of their ids")
        for role in ROLES:
            self._refuse_role(role, self.roles.holders(role), set(ids))
        others = {
            key for role in ROLES if role != "root"
            for key in (self._ids(role))
        }  # fmt: skip
        if both := sorted(others & set(self.roles.root.keys)):
            owner = self.key(both[0]).owner
            raise ValueError(f"the root key of {owner} has another role too; roots sign roots only")
        self._refuse_people()
        for revoked in self.revoked:
            moment(revoked.since, field="revoked.since")
            if revoked.key in self.roles.root.keys:
                raise ValueError(
                    f"the root key of {self.key(revoked.key).owner} is revoked and still a root; "
                    "take it out of the roots"
                )
        if moment(self.issued, field="issued") >= moment(self.expires, field="expires"):
            raise ValueError("expires before it is issued")
        if self.demands.timestamp and not self.timestamp_authorities:
            raise ValueError("demands a timestamp, but names no timestamp_authorities")
        return self

    def _refuse_people(self) -> None:
        """Refuse roles in which one person, or one machine, would answer to itself."""
        one_each: tuple[Role, ...] = ("gate", "producer", "registrar")
        for role in one_each:
            if self.threshold(role) > 1:
                raise ValueError(f"{role}: one of them signs; its threshold is 1")
        personal: tuple[Role, ...] = ("producer", "approver", "waiver-owner")
        for role in personal:
            if both := sorted(set(self.roles.gate.keys) & set(self._ids(role))):
                owner = self.key(both[0]).owner
                raise ValueError(f"{role}: {owner} is a gate; a gate does not speak for people")
        if self.roles.producer is None and (self.roles.approver or self.roles.waiver_owner):
            raise ValueError(
                "approvers or waiver-owners without producers: nobody could tell that they are not "
                "who made the candidate. Name producers"
            )
        spelt: dict[str, str] = {}
        for keys in self._parsed:
            known = spelt.setdefault(alike(keys.owner), keys.owner)
            if known != keys.owner:
                raise ValueError(f"'{known}' and '{keys.owner}' look alike: write one name one way")

    def _refuse_role(self, role: Role, holders: Holders | None, known: set[str]) -> None:
        if holders is None:
            return
        if len(set(holders.keys)) != len(holders.keys):
            raise ValueError(f"{role}: a key is named twice")
        if not set(holders.keys) <= known:
            raise ValueError(f"{role}: a key is not among the keys of this policy")
        people = {self.key(key_id).owner for key_id in holders.keys}
        if holders.threshold > len(people):
            raise ValueError(
                f"{role}: {holders.threshold} people are needed, but {len(people)} hold the role"
            )

    def _ids(self, role: Role) -> tuple[str, ...]:
        holders = self.roles.holders(role)
        return () if holders is None else holders.keys

    @cached_property
    def _parsed(self) -> tuple[TrustedKeys, ...]:
        source = f"trust policy {self.name} {self.version}"
        try:
            return tuple(parse_trusted_keys(text, source=source) for text in self.keys)
        except SigningKeyError as error:
            raise ValueError(str(error)) from error

    def key(self, key_id: str) -> TrustedKeys:
        """Return a key by its id."""
        return next(keys for keys in self._parsed if keys.key_id == key_id)

    def holders(self, role: Role) -> tuple[TrustedKeys, ...]:
        """Return the keys of those who hold a role, revoked ones too."""
        return tuple(self.key(key_id) for key_id in self._ids(role))

    def in_hand(self, role: Role) -> tuple[TrustedKeys, ...]:
        """Return the keys of those who hold a role, without those that somebody else may have."""
        stolen = {revoked.key for revoked in self.revoked if revoked.stolen}
        return tuple(key for key in self.holders(role) if key.key_id not in stolen)

    def threshold(self, role: Role) -> int:
        """How many people must act in a role; 0 where nobody holds it."""
        holders = self.roles.holders(role)
        return 0 if holders is None else holders.threshold

    def refuse_revoked(self, key: TrustedKeys, *, said: datetime, shown: datetime | None) -> None:
        """Demand that a key was good when it signed.

        Args:
            key: Whose signature it is.
            said: When the signer says that it was. A thief says what he likes.
            shown: By when an authority has seen it; None where none has.

        Raises:
            EvidenceError: It was revoked by then, or may have been.
        """
        for revoked in self.revoked:
            if revoked.key != key.key_id:
                continue
            since = moment(revoked.since, field="revoked.since")
            at = shown if revoked.stolen else said
            if at is None or at >= since:
                unproved = at is None and said < since
                more = "; nothing but a timestamp could show that it was signed before"
                raise EvidenceError(
                    f"the key of {key.owner} ({key.key_id[:16]}…) was revoked on {revoked.since}: "
                    f"{revoked.because}{more if unproved else ''}"
                )


ROLES: tuple[Role, ...] = ("root", "gate", "producer", "approver", "waiver-owner", "registrar")


def parse_trust_policy(payload: bytes, *, source: str) -> TrustPolicy:
    """Read a trust policy from canonical JSON.

    Raises:
        EvidenceError: It is none, contradicts itself, or is written in another way.
    """
    values: Any = parse_json(payload, source=source, limit=_LIMIT)
    try:
        policy = TrustPolicy.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        said = f"{field}: {refusal(first)}" if field else refusal(first)
        raise EvidenceError(f"{source}: not a trust policy ({said})") from error
    if canonical(policy) != payload:
        raise EvidenceError(f"{source}: not a trust policy in canonical form")
    return policy


def alike(owner: str) -> str:
    """Return what a name looks like: without case, width and space at its ends."""
    return " ".join(unicodedata.normalize("NFKC", owner).casefold().split())


def people(keys: Iterable[TrustedKeys]) -> frozenset[str]:
    """Return who these keys belong to: a person with two keys is one."""
    return frozenset(key.owner for key in keys)
