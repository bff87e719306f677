"""The registry that needs no server: files by content, and aliases that only move forward.

Every promotion and every rollback is a new row; none is changed or taken away. The bundle is
stored beside the model, so what is served can be verified again at any time.
"""

import re
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from ..errors import EvidenceError, InputError, PromotionRefused
from ..evidence import ledger
from ..records import Record, canonical, parse_json
from .store import Store

_HEX = r"^[0-9a-f]{64}$"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_ROW = (
    "kind, name, alias, candidate, bundle, policy_sha256, restores, who, time"  # and its position
)
_SCHEMA = (
    *ledger.append_only(
        "moves",
        "position INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,"
        " alias TEXT NOT NULL, candidate TEXT NOT NULL, bundle TEXT NOT NULL,"
        " policy_sha256 TEXT NOT NULL, restores INTEGER, who TEXT NOT NULL, time TEXT NOT NULL",
    ),
    *ledger.append_only(
        "pins",
        "position INTEGER PRIMARY KEY, name TEXT NOT NULL, policy_sha256 TEXT NOT NULL,"
        " bundle TEXT NOT NULL",
    ),
    *ledger.append_only("signed", "position INTEGER PRIMARY KEY, envelope BLOB NOT NULL"),
    *ledger.append_only("registry", "only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL"),
)
DEFAULT_ALIAS = "champion"


class Move(Record):
    """One step of an alias: a promotion, a rollback, or back to where it all began."""

    kind: Literal["promote", "rollback", "restore-baseline"]
    name: str
    alias: str
    candidate: str = Field(pattern=_HEX)
    """Digest of the model that is served (of all its files, where it has several): a candidate,
    or after `restore-baseline` the baseline that the bundle names."""
    bundle: str = Field(pattern=_HEX)
    """Digest of the list of the bundle's files."""
    policy_sha256: str = Field(pattern=_HEX)
    restores: int | None = None
    """Position of the promotion that a rollback goes back to; 0 for the baseline."""
    who: str
    """Account that moved it; for people, nothing rests on it."""
    time: str
    """RFC 3339, UTC."""


@dataclass(frozen=True)
class Moved:
    """A move that was made."""

    position: int
    """Grows with every move in the registry."""
    move: Move
    signed: bytes | None = None
    """The same, signed by a registrar; None where nobody did."""

    @property
    def origin(self) -> int:
        """Position of the promotion that put this candidate here."""
        return self.position if self.move.restores is None else self.move.restores


@dataclass(frozen=True)
class Pin:
    """The policy that a name is promoted under."""

    policy_sha256: str
    bundle: str
    """A bundle that holds the policy in full."""


def parse_target(text: str) -> tuple[str, str]:
    """Split NAME[@ALIAS]; the alias is `champion` where none is given.

    Raises:
        InputError: One of them cannot be used.
    """
    name, _, alias = text.partition("@")
    alias = alias if "@" in text else DEFAULT_ALIAS
    if not _NAME.fullmatch(name) or not _NAME.fullmatch(alias):
        raise InputError(
            f"{text!r}: give NAME or NAME@ALIAS in lower-case letters, digits, dots and dashes"
        )
    return name, alias


class LocalRegistry:
    """A registry in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path)
        self._file = path / "moves.sqlite"

    def history(self, name: str, alias: str) -> tuple[Moved, ...]:
        """Return every move of an alias, the oldest first."""
        with ledger.reading(self._file) as db:
            return () if db is None else _history(db, name, alias)

    def current(self, name: str, alias: str) -> Moved:
        """Return the last move of an alias.

        Raises:
            InputError: It was never promoted.
        """
        moves = self.history(name, alias)
        if not moves:
            raise InputError(f"{self.path}: nothing was ever promoted to {name}@{alias}")
        return moves[-1]

    def pin(self, name: str) -> Pin | None:
        """Return the policy that a name is promoted under; None before its first promotion."""
        with ledger.reading(self._file) as db:
            return None if db is None else _pin(db, name)

    def put_bundle(self, files: Mapping[str, bytes]) -> str:
        """Store the files of a bundle; return the digest of their list."""
        return self.store.put_bytes(
            canonical({name: self.store.put_bytes(data) for name, data in files.items()})
        )

    def bundle(self, sha256: str) -> dict[str, bytes]:
        """Return the files of a stored bundle, each hashed again.

        Raises:
            EvidenceError: One is missing or altered.
        """
        source = f"registry: bundle {sha256[:16]}…"
        listed = parse_json(self.store.read(sha256), source=source, limit=100_000)
        try:
            names = _Listing(files=listed).files
        except ValidationError as error:
            raise EvidenceError(f"{source}: not a list of files") from error
        return {name: self.store.read(digest) for name, digest in names.items()}

    @property
    def id(self) -> str:
        """Name of this registry, drawn with its first signed move; empty before."""
        with ledger.reading(self._file) as db:
            return "" if db is None else _id(db)

    def before(self, moved: Moved) -> int:
        """Return the position of the move before this one of the same alias; 0 where none was."""
        history = self.history(moved.move.name, moved.move.alias)
        return max((m.position for m in history if m.position < moved.position), default=0)

    def move(
        self,
        move: Move,
        *,
        after: Moved | None,
        policy_sha256: str | None = None,
        sign: Callable[[str, Moved, int], bytes] | None = None,
    ) -> Moved:
        """Move an alias, if nobody else has moved it meanwhile.

        Args:
            move: What to record.
            after: The last move of this alias that the caller has seen; None for none.
            policy_sha256: A policy to pin from now on, said by a person.
            sign: Signs the move, given the id of the registry, it, and the position before.

        Raises:
            PromotionRefused: It moved meanwhile, or the policy is not the pinned one.
        """
        with ledger.appending(self._file, _SCHEMA) as db:
            moves = _history(db, move.name, move.alias)
            if (moves[-1] if moves else None) != after:
                raise PromotionRefused(
                    f"{move.name}@{move.alias} was moved by somebody else meanwhile; look at it "
                    "and try again"
                )
            if move.kind == "promote":
                _hold_policy(db, move, policy_sha256)
            marks = ", ".join("?" * 9)
            position = db.execute(
                f"INSERT INTO moves ({_ROW}) VALUES ({marks})",  # noqa: S608 constants of this file
                tuple(move.model_dump().values()),
            ).lastrowid
            moved = Moved(position=int(position or 0), move=move)
            if sign is not None:
                db.execute("INSERT OR IGNORE INTO registry VALUES (1, ?)", (secrets.token_hex(16),))
                envelope = sign(_id(db), moved, after.position if after else 0)
                db.execute("INSERT INTO signed VALUES (?, ?)", (moved.position, envelope))
                moved = replace(moved, signed=envelope)
        return moved


class _Listing(Record):
    files: dict[str, str]


def _history(db: sqlite3.Connection, name: str, alias: str) -> tuple[Moved, ...]:
    rows = db.execute(
        f"SELECT position, {_ROW} FROM moves"  # noqa: S608 a constant of this file
        " WHERE name = ? AND alias = ? ORDER BY position",
        (name, alias),
    )
    fields = tuple(Move.model_fields)
    signed = _signed(db)
    try:
        return tuple(
            Moved(
                position=row[0],
                move=Move(**dict(zip(fields, row[1:], strict=True))),
                signed=signed.get(row[0]),
            )
            for row in rows
        )
    except ValidationError as error:
        raise EvidenceError(f"registry: a move of {name}@{alias} was edited") from error


def _id(db: sqlite3.Connection) -> str:
    made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'registry'").fetchone()
    row = db.execute("SELECT id FROM registry").fetchone() if made else None
    return "" if row is None else str(row[0])


def _signed(db: sqlite3.Connection) -> dict[int, bytes]:
    """Return the envelopes by position; a registry of an older version has none."""
    made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'signed'").fetchone()
    rows = db.execute("SELECT position, envelope FROM signed") if made else ()
    return {row[0]: bytes(row[1]) if isinstance(row[1], bytes) else b"" for row in rows}


def _pin(db: sqlite3.Connection, name: str) -> Pin | None:
    row = db.execute(
        "SELECT policy_sha256, bundle FROM pins WHERE name = ? ORDER BY position DESC LIMIT 1",
        (name,),
    ).fetchone()
    return None if row is None else Pin(*row)


def _hold_policy(db: sqlite3.Connection, move: Move, said: str | None) -> None:
    """Demand the pinned policy; pin it at the first promotion, or when a person says so."""
    pinned = _pin(db, move.name)
    if said is not None and said != move.policy_sha256:
        raise PromotionRefused(
            f"the bundle was judged under policy {move.policy_sha256}, not under {said}"
        )
    if pinned is not None and pinned.policy_sha256 == move.policy_sha256:
        return
    if pinned is not None and said is None:
        raise PromotionRefused(
            f"{move.name} is promoted under policy {pinned.policy_sha256}, but this bundle was "
            f"judged under {move.policy_sha256}. If the change of policy is meant: "
            f"--policy-sha256 {move.policy_sha256}"
        )
    db.execute(
        "INSERT INTO pins (name, policy_sha256, bundle) VALUES (?, ?, ?)",
        (move.name, move.policy_sha256, move.bundle),
    )
