"""The log: every verdict ever given here, in order. It grows and does nothing else.

A Merkle tree over the entries (RFC 6962) with signed checkpoints. SQLite holds the entries and
the last checkpoint; the file `checkpoint` holds a copy, to be kept elsewhere, and `tile/` holds
the entries as plain files. Before anything is appended the whole log is checked, so a gate never
signs a log that was truncated or edited.
"""

import re
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import EvidenceError, InputError
from ..records import canonical
from . import ledger, merkle, tiles
from .durable import write_whole
from .entry import Entry, Leaf, Proof, read_entry
from .keys import SigningKeys, TrustedKeys
from .note import ORIGIN, Checkpoint, read_note, sign_note, verify_note

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS log"
    " (only INTEGER PRIMARY KEY CHECK (only = 1), origin TEXT NOT NULL, note TEXT)",
    *ledger.append_only(
        "leaves",
        "position INTEGER PRIMARY KEY, leaf BLOB NOT NULL, baseline TEXT NOT NULL,"
        " evaluation TEXT NOT NULL, candidate TEXT NOT NULL, result TEXT NOT NULL",
    ),
    "CREATE INDEX IF NOT EXISTS tried ON leaves (baseline, evaluation, candidate)",
)


@dataclass(frozen=True)
class LogState:
    """What a whole log turned out to be."""

    origin: str
    entries: tuple[Leaf, ...]
    checkpoint: Checkpoint | None
    """The last one signed; entries after it stem from unsigned runs."""


class Log:
    """A log in a folder. Made by its first entry."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path / "log.sqlite"

    @property
    def origin(self) -> str | None:
        """Name of the log, drawn at random when it was made; None before."""
        with self._reading() as db:
            return None if db is None else _origin(db)

    def append(
        self,
        entry: Leaf,
        keys: SigningKeys | None,
        *,
        attempt: int | None = None,
        trusted: Sequence[TrustedKeys] = (),
    ) -> Proof:
        """Add an entry, durably; return the proof that it is in.

        Args:
            entry: What to remember.
            keys: Who signs the new checkpoint; None adds the entry and signs nothing.
            attempt: The number of the attempt that the entry was judged as.
            trusted: Whose checkpoints may be continued besides the signer's own.

        Raises:
            EvidenceError: The log was truncated, edited or rewritten since its last checkpoint.
            InputError: More candidates were tried meanwhile than `attempt` counts.
        """
        leaf = canonical(entry)
        allowed = (*trusted, *(() if keys is None else (_public(keys),)))
        copy = self._copy()
        with self._appending() as db:
            state, hashes = self._read(db, copy, allowed if keys is not None else None)
            tried = entry.candidate if isinstance(entry, Entry) else ""
            now = _attempt(db, entry.baseline, entry.evaluation, tried)
            if attempt is not None and now > attempt:
                raise InputError(
                    f"judged as attempt {attempt}, but the log {self.path} counts {now} by now: "
                    "other candidates were judged on the same data. Run the gate again."
                )
            tiles.refuse_forked(self.path, hashes)
            hashes.append(merkle.leaf_hash(leaf))
            tiles.refuse_forked(self.path, hashes)
            size, note = len(hashes), None
            if keys is not None:
                root = merkle.root(hashes).hex()
                note = sign_note(Checkpoint(origin=state.origin, size=size, root=root), keys)
                db.execute("UPDATE log SET note = ?", (note,))
            db.execute(
                "INSERT INTO leaves VALUES (?, ?, ?, ?, ?, ?)", (size - 1, leaf, *_columns(entry))
            )
        # Never behind the checkpoint that promises them.
        entries = (*state.entries, entry)
        tiles.write(self.path, hashes, lambda position: canonical(entries[position]))
        if note is not None:
            self._publish(note)
        proof = merkle.inclusion_proof(hashes, size - 1)
        return Proof(
            leaf=leaf.decode("utf-8"),
            index=size - 1,
            size=size,
            hashes=tuple(h.hex() for h in proof),
            checkpoint=note,
        )

    def attempt(self, baseline: str, evaluation: str, candidate: str) -> int:
        """Say the how-manieth candidate this is for the same baseline and evaluation data.

        A candidate that was judged before keeps its number.
        """
        with self._reading() as db:
            return 1 if db is None else _attempt(db, baseline, evaluation, candidate)

    def entries(self) -> tuple[Leaf, ...]:
        """Return what the log says, its signatures unchecked: whoever appends checks them."""
        with self._reading() as db:
            return () if db is None else self._read(db, None, None)[0].entries

    def check(self, trusted: Sequence[TrustedKeys], *, remembered: Sequence[str] = ()) -> LogState:
        """Check the whole log against its last checkpoint and those that somebody remembered.

        Args:
            trusted: Whose checkpoints count.
            remembered: Signed notes kept elsewhere, e.g. in the proof.json of a bundle.

        Raises:
            EvidenceError: The log was truncated, edited or forked.
        """
        copy = self._copy()
        with self._reading() as db:
            if db is None:
                raise InputError(f"{self.path}: no log here; give the folder of one")
            state, hashes = self._read(db, copy, trusted)
        for note in remembered:
            source = f"{self.path}: remembered checkpoint"
            self._must_hold(verify_note(note, trusted, source=source)[0], state.origin, hashes)
        return state

    # --- inside

    def _copy(self) -> str | None:
        """Return the file `checkpoint`. Read before the index, it is never ahead of it."""
        file = self.path / "checkpoint"
        if not file.is_file():
            return None
        return file.read_bytes()[:10_000].decode("utf-8", errors="replace")

    def _read(
        self, db: sqlite3.Connection, copy: str | None, trusted: Sequence[TrustedKeys] | None
    ) -> tuple[LogState, list[bytes]]:
        """Read and check everything; `trusted` None leaves signatures unchecked."""
        entries, hashes = [], []
        for position, row in enumerate(db.execute("SELECT * FROM leaves ORDER BY position")):
            leaf = bytes(row[1]) if isinstance(row[1], bytes) else b""
            entry = read_entry(leaf, source=f"{self.path}: entry {position}")
            if row[0] != position or tuple(row[2:]) != _columns(entry):
                raise EvidenceError(
                    f"{self.path}: entry {position} is indexed as something else than it says; "
                    "the log was edited. Restore it from a copy."
                )
            entries.append(entry)
            hashes.append(merkle.leaf_hash(leaf))
        origin, checkpoint = _origin(db), None
        (own,) = db.execute("SELECT note FROM log").fetchone()
        own = None if own is None else str(own)  # a column of SQLite holds whatever was put there
        if copy is not None and own is None:
            raise EvidenceError(f"{self.path}: the index lost its checkpoint. Restore the log.")
        for source, note in ((f"{self.path}/checkpoint", copy), (str(self._file), own)):
            if note is not None:
                checkpoint = (
                    read_note(note, source=source)
                    if trusted is None
                    else verify_note(note, trusted, source=source)[0]
                )
                self._must_hold(checkpoint, origin, hashes)
        return LogState(origin=origin, entries=tuple(entries), checkpoint=checkpoint), hashes

    def _must_hold(self, checkpoint: Checkpoint, origin: str, hashes: Sequence[bytes]) -> None:
        """Demand that the log begins with what the checkpoint describes."""
        if checkpoint.origin != origin:
            raise EvidenceError(
                f"{self.path}: is {origin}, but the checkpoint is of {checkpoint.origin}"
            )
        if checkpoint.size > len(hashes):
            raise EvidenceError(
                f"{self.path}: truncated: {len(hashes)} entries, but a checkpoint over "
                f"{checkpoint.size} was signed. Restore it from a copy."
            )
        if merkle.root(hashes[: checkpoint.size]).hex() != checkpoint.root:
            raise EvidenceError(
                f"{self.path}: edited or forked: the first {checkpoint.size} entries are not those "
                "that were signed. Restore it from a copy."
            )

    def _publish(self, note: str) -> None:
        """Replace the file `checkpoint`; should two writers cross, the older one stays valid."""
        write_whole(self.path / "checkpoint", note.encode("utf-8"))

    @contextmanager
    def _appending(self) -> Iterator[sqlite3.Connection]:
        with ledger.appending(self._file, _SCHEMA) as db:
            name = f"govprune/log/{secrets.token_hex(16)}"
            db.execute("INSERT OR IGNORE INTO log VALUES (1, ?, NULL)", (name,))
            yield db

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Open for reading; None where no entry was ever written."""
        with ledger.reading(self._file) as db:
            if db is None and (self.path / "checkpoint").exists():
                raise EvidenceError(
                    f"{self.path}: truncated: a checkpoint was signed, but no entry is left. "
                    "Restore the log from a copy."
                )
            yield db


def _columns(entry: Leaf) -> tuple[str, str, str, str]:
    if not isinstance(entry, Entry):  # a plan tries nothing
        return (entry.baseline, entry.evaluation, "", "PLAN")
    return (entry.baseline, entry.evaluation, entry.candidate, entry.result)


def _origin(db: sqlite3.Connection) -> str:
    row = db.execute("SELECT origin FROM log").fetchone()
    if row is None or re.fullmatch(ORIGIN, str(row[0])) is None:
        raise EvidenceError("the log has lost its name; restore it from a copy")
    return str(row[0])


def _attempt(db: sqlite3.Connection, baseline: str, evaluation: str, candidate: str) -> int:
    (earlier,) = db.execute(
        "SELECT COUNT(DISTINCT candidate) FROM leaves WHERE baseline = :b AND evaluation = :e"
        " AND candidate NOT IN (:c, '')"
        " AND position < COALESCE((SELECT MIN(position) FROM leaves"
        " WHERE baseline = :b AND evaluation = :e AND candidate = :c), 9e18)",
        {"b": baseline, "e": evaluation, "c": candidate},
    ).fetchone()
    return 1 + int(earlier)


def _public(keys: SigningKeys) -> TrustedKeys:
    return TrustedKeys(keys.gate.public_key(), keys.certificate, "the signing key itself")
