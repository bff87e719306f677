"""An SQLite file that only grows: one writer at a time, a transaction on disk or not at all."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from ..errors import EvidenceError, GovpruneError, InputError

_WAIT_SECONDS = 60.0
_FULL = "make room"
_SHUT = "make the folder writable for this account"
_REMEDIES = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _FULL,
    sqlite3.SQLITE_TOOBIG: _FULL,
    sqlite3.SQLITE_CANTOPEN: _SHUT,
    sqlite3.SQLITE_READONLY: _SHUT,
    sqlite3.SQLITE_PERM: _SHUT,
    sqlite3.SQLITE_BUSY: "wait until nobody else writes there",
    sqlite3.SQLITE_LOCKED: "wait until nobody else writes there",
}
"""What to do where the file itself is sound, by SQLite's primary result code."""


def append_only(table: str, columns: str) -> tuple[str, ...]:
    """Return the statements that make a table whose rows cannot be changed or taken away."""
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
    return (
        f"CREATE TABLE IF NOT EXISTS {table} ({columns})",
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_edit BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_loss BEFORE DELETE ON {table} {refuse}",
    )


@contextmanager
def appending(file: Path, schema: Sequence[str]) -> Iterator[sqlite3.Connection]:
    """Open for one transaction, alone, in which `schema` is in place.

    Raises:
        InputError: There is no room, or no permission.
        EvidenceError: The file is damaged.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        # SQLite waits for another writer, but not for one that is making the database.
        with file.with_suffix(".lock").open("a") as lock:
            flock(lock, LOCK_EX)
            with closing(_connect(file)) as db, db:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                db.execute("BEGIN IMMEDIATE")
                for statement in schema:
                    db.execute(statement)
                yield db
    except (sqlite3.Error, UnicodeDecodeError) as error:  # its messages quote a damaged file
        raise _explain(file, error) from error


@contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection | None]:
    """Open at one moment in time; None where nothing was ever written.

    Raises:
        InputError: The file cannot be opened.
        EvidenceError: The file is damaged.
    """
    if not file.is_file():
        yield None
        return
    try:
        with closing(_connect(file)) as db:
            db.execute("BEGIN")
            # A view can compute for ever; nothing here ever made one.
            if db.execute("SELECT 1 FROM sqlite_master WHERE type = 'view' LIMIT 1").fetchone():
                raise EvidenceError(f"{file}: holds a view, which nobody wrote here; it was edited")
            made = db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            yield db if made else None
    except (sqlite3.Error, UnicodeDecodeError) as error:  # its messages quote a damaged file
        raise _explain(file, error) from error


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=_WAIT_SECONDS, isolation_level=None)


def _explain(file: Path, error: sqlite3.Error | UnicodeDecodeError) -> GovpruneError:
    remedy = _REMEDIES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if remedy is not None:
        return InputError(f"{file}: {error}; nothing was entered: {remedy}, then run again.")
    return EvidenceError(f"{file}: damaged or edited ({error}). Restore it from a copy.")
