"""The log as plain files that never change: hashes and entries, 256 to a file (C2SP tlog-tiles).

Whoever serves the log's folder over HTTP serves a tiled transparency log. Without its index, the
log can be read and proved from these files and the file `checkpoint` alone.
Source: https://c2sp.org/tlog-tiles, version 1.
"""

import os
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import EvidenceError, InputError
from . import merkle
from .durable import read_whole, write_whole
from .keys import TrustedKeys
from .note import Checkpoint, verify_note

WIDTH = 256
"""Hashes in a full tile, entries in a full bundle."""
ENTRIES = "entries"
_HASH = 32
_LONGEST_ENTRY = 10_000
_LONGEST_BUNDLE = WIDTH * (_LONGEST_ENTRY + 2)
_LONGEST_NOTE = 10_000
_MOST_ENTRIES = 10_000_000


def path_of(level: int | str, index: int, width: int) -> str:
    """Return where a tile lies below the log's folder.

    Args:
        level: From 0, whose hashes are the entries' own; or `ENTRIES`, the entries themselves.
        index: Place in its level, from 0.
        width: Hashes it holds, up to `WIDTH`; a tile with fewer is partial.
    """
    parts = [f"{index % 1000:03d}"]
    while index := index // 1000:
        parts.insert(0, f"x{index % 1000:03d}")
    partial = f".p/{width}" * (width < WIDTH)
    return f"tile/{level}/{'/'.join(parts)}{partial}"


@dataclass(frozen=True)
class _Tile:
    level: int | str
    index: int
    hashes: Sequence[bytes]
    """Of the entries, where it holds those."""

    @property
    def path(self) -> str:
        return path_of(self.level, self.index, len(self.hashes))


def _tiles(hashes: Sequence[bytes]) -> Iterator[_Tile]:
    """Name every tile of a log with these leaf hashes, the entries first."""
    level: int = 0
    for index in range(0, len(hashes), WIDTH):
        yield _Tile(ENTRIES, index // WIDTH, hashes[index : index + WIDTH])
    while hashes:
        for index in range(0, len(hashes), WIDTH):
            yield _Tile(level, index // WIDTH, hashes[index : index + WIDTH])
        level, hashes = level + 1, merkle.full_roots(hashes, WIDTH)


# --- writing


def write(folder: Path, hashes: Sequence[bytes], leaf: Callable[[int], bytes]) -> None:
    """Write, durably, every tile of a log that is not there yet.

    Args:
        folder: Of the log.
        hashes: Of its entries, in order.
        leaf: Returns the entry at a position.

    Raises:
        OSError: A tile could not be written; no half tile is left.
    """
    for tile in _tiles(hashes):
        place = folder / tile.path
        if place.exists():
            continue
        _put(place, _bytes(tile, leaf))
        if len(tile.hashes) == WIDTH:
            # Whoever asks for a part of it finds the whole.
            shutil.rmtree(place.with_name(f"{place.name}.p"), ignore_errors=True)


def _bytes(tile: _Tile, leaf: Callable[[int], bytes]) -> bytes:
    if tile.level != ENTRIES:
        return b"".join(tile.hashes)
    first = tile.index * WIDTH
    entries = [leaf(first + i) for i in range(len(tile.hashes))]
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def refuse_forked(folder: Path, hashes: Sequence[bytes]) -> None:
    """Refuse a log whose last tile was written for other entries: it was cut off and continued.

    Raises:
        EvidenceError: It was.
    """
    if not hashes:
        return
    index = (len(hashes) - 1) // WIDTH
    last = _Tile(0, index, hashes[index * WIDTH :])
    place = folder / last.path
    if os.path.lexists(place) and read_whole(place, WIDTH * _HASH, part_of="a log") != b"".join(
        last.hashes
    ):
        raise EvidenceError(
            f"{place}: was written for other entries than the log has; the log was truncated or "
            "forked. Restore it from a copy."
        )


def _put(place: Path, data: bytes) -> None:
    """Write a file that is there as a whole, or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, data)


# --- reading


@dataclass(frozen=True)
class Tiled:
    """A log, as its tiles say and its checkpoint proves."""

    checkpoint: Checkpoint
    note: str
    """The same, as signed."""
    signer: TrustedKeys
    leaves: tuple[bytes, ...]
    """The entries, in order: as many as the checkpoint describes."""
    hashes: tuple[bytes, ...]
    """Of the entries."""


def files_of(tiled: Tiled) -> dict[str, bytes]:
    """Return the files of a log as of its checkpoint, by their names below its folder."""
    made = {tile.path: _bytes(tile, tiled.leaves.__getitem__) for tile in _tiles(tiled.hashes)}
    return {"checkpoint": tiled.note.encode(), **made}


def read(folder: Path, trusted: Sequence[TrustedKeys]) -> Tiled:
    """Read a log from its tiles and its checkpoint, with no index; check every hash.

    Raises:
        InputError: There is no log here, or one without tiles.
        EvidenceError: A tile is missing, damaged or edited, or nobody trusted signed the root.
    """
    at = folder / "checkpoint"
    if not os.path.lexists(at):
        raise InputError(f"{at}: no such file; give the folder of a log that was signed")
    note = read_whole(at, _LONGEST_NOTE, part_of="a log").decode("utf-8", errors="replace")
    checkpoint, signer = verify_note(note, trusted, source=str(at))
    if checkpoint.size > _MOST_ENTRIES:
        raise EvidenceError(f"{at}: {checkpoint.size} entries are more than can be read")
    leaves: list[bytes] = []
    for first in range(0, checkpoint.size, WIDTH):
        width = min(WIDTH, checkpoint.size - first)
        leaves += _entries(folder, first // WIDTH, width)
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    _must_equal(folder, hashes)
    if merkle.root(hashes).hex() != checkpoint.root:
        raise EvidenceError(
            f"{folder}/tile: not the {checkpoint.size} entries that were signed; edited or forked"
        )
    return Tiled(checkpoint, note, signer, tuple(leaves), tuple(hashes))


def _must_equal(folder: Path, hashes: Sequence[bytes]) -> None:
    """Demand that every tile of hashes says what the entries say."""
    for tile in _tiles(hashes):
        if tile.level == ENTRIES:
            continue
        data = b"".join(tile.hashes)
        found = _tile(folder, tile.level, tile.index, len(tile.hashes), cap=WIDTH * _HASH)
        if found[: len(data)] != data:
            raise EvidenceError(
                f"{folder / tile.path}: its hashes are not those of the entries; it was edited"
            )


def _entries(folder: Path, index: int, width: int) -> list[bytes]:
    """Read the first `width` entries of a bundle."""
    data = _tile(folder, ENTRIES, index, width, cap=_LONGEST_BUNDLE)
    entries: list[bytes] = []
    at = 0
    while len(entries) < width:
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            raise EvidenceError(
                f"{folder / path_of(ENTRIES, index, width)}: ends after {len(entries)} of {width} "
                "entries; it was cut off"
            )
        entries.append(entry)
        at += 2 + length
    return entries


def _tile(folder: Path, level: int | str, index: int, width: int, *, cap: int) -> bytes:
    """Read a tile; where a partial one is gone, the full one that took its place."""
    places = [folder / path_of(level, index, w) for w in dict.fromkeys((width, WIDTH))]
    there = next((place for place in places if os.path.lexists(place)), None)
    if there is None:
        raise EvidenceError(f"{places[0]}: no such file; the tiles of the log are not complete")
    return read_whole(there, cap, part_of="a log")
