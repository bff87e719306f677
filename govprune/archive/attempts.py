"""What a log remembers, read by whoever audits it: every attempt, and what each was charged.

Who tries until the gate opens is found here, not in the bundles he shows.
"""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import Literal

from ..errors import EvidenceError, GovpruneError, InputError, SubjectError
from ..evidence import merkle, tiles
from ..evidence.entry import Entry, Leaf, read_entry
from ..evidence.keys import TrustedKeys
from ..evidence.log import Log
from ..evidence.note import Checkpoint, verify_note
from ..policy import Policy, Result, charged_alpha
from ..records import Record, canonical, parse_json
from ..subjects import open_regular

_LIMIT = 100_000


@dataclass(frozen=True)
class Ledger:
    """A whole log, checked against the checkpoints that somebody trusted signed."""

    origin: str
    entries: tuple[Leaf, ...]
    checkpoint: Checkpoint | None
    """The last one signed; entries after it stem from unsigned runs."""
    source: Literal["index and tiles", "index", "tiles"]
    """What it was read from."""

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Of the entries, in order."""
        return tuple(merkle.leaf_hash(canonical(entry)) for entry in self.entries)


class Attempt(Record):
    """One candidate that was gated on one baseline and data."""

    number: int
    """Counted from 1, as the log counts."""
    candidate: str
    """Digest."""
    entries: tuple[int, ...]
    """Places in the log of its verdicts, from 0."""
    results: tuple[Result, ...]
    policies: tuple[str, ...]
    """Digests of the policies it was judged under, one for each result."""
    share: float
    """Of the policy's alpha, if that charges for attempts: 6 / (pi k)^2."""
    levels: tuple[float | None, ...]
    """What each result was tested at; None where nobody here knows the policy."""


class Tried(Record):
    """Everything that was gated on one baseline and one set of evaluation data."""

    baseline: str
    evaluation: str
    attempts: tuple[Attempt, ...]
    plans: tuple[int, ...]
    """Places in the log of plans that were signed beforehand."""


class Consistency(Record):
    """That a log still begins with what an earlier checkpoint describes."""

    old_size: int
    new_size: int
    old_root: str
    new_root: str
    proof: tuple[str, ...]
    """Hashes (hex), RFC 6962, section 2.1.2."""


def read_ledger(folder: Path, trusted: Sequence[TrustedKeys]) -> Ledger:
    """Read and check a whole log; from its tiles alone where its index cannot be read.

    Raises:
        InputError: There is no log here.
        EvidenceError: It was truncated, edited or forked, or index and tiles disagree.
    """
    tiled = tiles.read(folder, trusted) if (folder / "tile").is_dir() else None
    try:
        if tiled is not None and not os.path.lexists(folder / "log.sqlite"):
            return _from_tiles(tiled, folder)
        state = Log(folder).check(trusted, remembered=[] if tiled is None else [tiled.note])
    except GovpruneError as error:
        # Who can be read and contradicts himself was edited: that is no reason to look elsewhere.
        if tiled is None or not isinstance(error.__cause__, sqlite3.Error | UnicodeDecodeError):
            raise
        return _from_tiles(tiled, folder)
    return Ledger(
        origin=state.origin,
        entries=state.entries,
        checkpoint=state.checkpoint,
        source="index" if tiled is None else "index and tiles",
    )


def _from_tiles(tiled: tiles.Tiled, folder: Path) -> Ledger:
    return Ledger(
        origin=tiled.checkpoint.origin,
        entries=tuple(
            read_entry(leaf, source=f"{folder}/tile: entry {i}")
            for i, leaf in enumerate(tiled.leaves)
        ),
        checkpoint=tiled.checkpoint,
        source="tiles",
    )


def tried(ledger: Ledger, policies: Mapping[str, Policy]) -> tuple[Tried, ...]:
    """Group the entries of a log by what was tried on what, in the order they began.

    Args:
        ledger: The log.
        policies: Those that are known, by digest; they say what an attempt was charged.
    """
    order: dict[tuple[str, str], dict[str, list[int]]] = {}
    plans: dict[tuple[str, str], list[int]] = {}
    for place, entry in enumerate(ledger.entries):
        key = (entry.baseline, entry.evaluation)
        candidates = order.setdefault(key, {})
        if isinstance(entry, Entry):
            candidates.setdefault(entry.candidate, []).append(place)
        else:
            plans.setdefault(key, []).append(place)
    return tuple(
        Tried(
            baseline=key[0],
            evaluation=key[1],
            attempts=tuple(
                _attempt(number, candidate, places, ledger, policies)
                for number, (candidate, places) in enumerate(candidates.items(), 1)
            ),
            plans=tuple(plans.get(key, ())),
        )
        for key, candidates in order.items()
    )


def _attempt(
    number: int,
    candidate: str,
    places: Sequence[int],
    ledger: Ledger,
    policies: Mapping[str, Policy],
) -> Attempt:
    verdicts = [e for e in (ledger.entries[p] for p in places) if isinstance(e, Entry)]
    known = [policies.get(verdict.policy) for verdict in verdicts]
    return Attempt(
        number=number,
        candidate=candidate,
        entries=tuple(places),
        results=tuple(verdict.result for verdict in verdicts),
        policies=tuple(verdict.policy for verdict in verdicts),
        share=6.0 / (pi * number) ** 2,
        levels=tuple(None if p is None else charged_alpha(p, number) for p in known),
    )


def read_checkpoint(path: Path) -> str:
    """Return the signed note in a file: a checkpoint, or that of a bundle's proof.json.

    Raises:
        InputError: There is no such file, or it holds neither.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            data = stream.read(_LIMIT + 1)
    except SubjectError as error:
        raise InputError(f"checkpoint {error}") from error
    if data.startswith(b"{"):
        proof = parse_json(data, source=str(path), limit=_LIMIT)
        note = proof.get("checkpoint")
        if not isinstance(note, str):
            raise InputError(f"{path}: holds no checkpoint; give a signed bundle's proof.json")
        return note
    return data.decode("utf-8", errors="replace")


def consistency(
    ledger: Ledger, note: str, trusted: Sequence[TrustedKeys], *, source: str
) -> Consistency:
    """Prove that a log only grew since a checkpoint that somebody kept.

    Raises:
        EvidenceError: It was truncated, edited or forked, or the checkpoint is of another log.
    """
    old, new = verify_note(note, trusted, source=source)[0], ledger.checkpoint
    if new is None:
        raise EvidenceError(f"{source}: the log has no signed checkpoint any more")
    if old.origin != new.origin:
        raise EvidenceError(f"{source}: is of {old.origin}, but this log is {new.origin}")
    if old.size > new.size:
        raise EvidenceError(
            f"{source}: covers {old.size} entries, but the log has {new.size}: it was truncated. "
            "Ask for the entries that are missing"
        )
    proof = merkle.consistency_proof(ledger.hashes[: new.size], old.size)
    merkle.verify_consistency(
        old_size=old.size,
        new_size=new.size,
        old_root=bytes.fromhex(old.root),
        new_root=bytes.fromhex(new.root),
        proof=proof,
    )
    return Consistency(
        old_size=old.size,
        new_size=new.size,
        old_root=old.root,
        new_root=new.root,
        proof=tuple(h.hex() for h in proof),
    )
