"""Files that are there as a whole, and outlive a power cut, or are not there at all."""

import os
import secrets
from pathlib import Path


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
