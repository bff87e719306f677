"""Files written and read as a whole: durable and complete, or not there at all."""

import os
import secrets
from pathlib import Path

from ..errors import EvidenceError, SubjectError
from ..subjects import open_regular


def write_whole(
    place: Path, data: bytes, *, replace: bool = True, beside: Path | None = None
) -> None:
    """Write a file at once.

    Args:
        place: Where; its folder must exist.
        data: All of it.
        replace: Whether a file that is there gives way; otherwise it is kept.
        beside: Folder for the unfinished file, on the same disk; by default that of `place`.

    Raises:
        FileExistsError: It is there, and must not be replaced.
        OSError: It cannot be written; what was begun has been removed.
    """
    folder = beside or place.parent
    partial = folder / f".{place.name}.partial-{secrets.token_hex(8)}"
    try:
        with partial.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            partial.replace(place)
        else:
            place.hardlink_to(partial)  # unlike a rename, it replaces nothing
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_whole(path: Path, cap: int, *, part_of: str) -> bytes:
    """Read a regular file that is no longer than it may be, following no link.

    Raises:
        EvidenceError: It is missing, a link, too long, or cannot be read.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            data = stream.read(cap + 1)
    except (SubjectError, OSError) as error:
        raise EvidenceError(f"cannot be read as part of {part_of}: {error}") from error
    if len(data) > cap:
        raise EvidenceError(f"{path}: longer than {cap} bytes; refused")
    return data
