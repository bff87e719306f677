"""Files by content: `sha256/ab/abcd...`, read-only, hashed while they are copied in and out.

A file that is exchanged between being judged and being copied is caught, because what is compared
is the digest of the very bytes that were written.
"""

import hashlib
import io
import os
import secrets
from pathlib import Path
from typing import BinaryIO

from ..errors import EvidenceError, SubjectError
from ..evidence.durable import sync_folder
from ..subjects import Subject, open_regular

_CHUNK = 1 << 20


class Store:
    """A content-addressed folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def place(self, sha256: str) -> Path:
        """Return where content with this digest lies, or would."""
        return self.path / "sha256" / sha256[:2] / sha256

    def put_file(self, source: Path, subject: Subject) -> Path:
        """Copy a file in, if it is what the subject says, and return its place.

        Raises:
            EvidenceError: It is missing, a link, or its bytes are not those that were judged.
            OSError: It cannot be written; nothing was left.
        """
        try:
            fd = open_regular(source)
        except SubjectError as error:
            raise EvidenceError(f"{subject.role}: {error}") from error
        with os.fdopen(fd, "rb") as stream:
            return self._put(stream, subject.sha256, subject.size, str(source))

    def put_bytes(self, data: bytes) -> str:
        """Write bytes and return their digest."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._put(io.BytesIO(data), sha256, len(data), "bundle")
        return sha256

    def read(self, sha256: str, *, limit: int = 64_000_000) -> bytes:
        """Return content by its digest, hashed again.

        Raises:
            EvidenceError: It is missing, altered, or longer than `limit` bytes.
        """
        place = self.place(sha256)
        try:
            with os.fdopen(open_regular(place), "rb") as stream:
                data = stream.read(limit + 1)
        except (SubjectError, OSError) as error:
            raise EvidenceError(f"registry: {error}") from error
        if len(data) > limit or hashlib.sha256(data).hexdigest() != sha256:
            raise EvidenceError(f"{place}: altered in the registry; do not use it")
        return data

    def check(self, subject: Subject) -> Path:
        """Hash a stored file again and return its place.

        Raises:
            EvidenceError: It is missing or altered.
        """
        place = self.place(subject.sha256)
        try:
            with os.fdopen(open_regular(place), "rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except (SubjectError, OSError) as error:
            raise EvidenceError(f"registry: {error}") from error
        if found != subject.sha256:
            raise EvidenceError(f"{place}: {subject.role} altered in the registry; do not use it")
        return place

    def _put(self, stream: BinaryIO, sha256: str, size: int, source: str) -> Path:
        place = self.place(sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.parent / f".partial-{secrets.token_hex(8)}"
        try:
            if _copy(stream, partial, size) != sha256:
                raise EvidenceError(
                    f"{source}: not the bytes that the gate judged (expected sha256 {sha256}); "
                    "it was exchanged. Restore it, or run the gate again."
                )
            # An older copy is replaced as well: should it have been altered, this one is right.
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(place.parent)
        return place


def _copy(stream: BinaryIO, target: Path, size: int) -> str:
    """Copy at most one byte more than `size`; return the digest of what was written."""
    hashed, left = hashlib.sha256(), size + 1
    with target.open("xb") as out:
        while left > 0 and (chunk := stream.read(min(_CHUNK, left))):
            hashed.update(chunk)
            out.write(chunk)
            left -= len(chunk)
        out.flush()
        os.fchmod(out.fileno(), 0o444)
        os.fsync(out.fileno())
    return hashed.hexdigest()
