"""What is judged: files, named by content. A file is hashed from the bytes that were read."""

import hashlib
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field, FiniteFloat, NonNegativeInt

from .errors import SubjectError
from .records import Record

Sha256 = str
Task = Literal["classification", "multi-label", "regression", "ranking"]
"""What a model answers: a class, several labels, a number, or an order."""
InputKind = Literal["numbers", "texts"]
"""What a model takes."""


class Subject(Record):
    """One file (in-toto: ResourceDescriptor)."""

    role: str
    """What it is in this gate: `baseline`, `candidate`, `evaluation`, `fine-tuning`, ..."""

    name: str
    """Where it lay, relative to the job file. For people and for look-up; never compared."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """What it is."""

    size: int = Field(ge=0)
    """Bytes."""

    kind: Literal["file", "folder", "columns"] = "file"
    """A file; a folder, named by the digest of its manifest; or columns of a file, named by their
    values. Each file of a folder, or with columns, is a subject of its own."""


def open_regular(path: Path) -> int:
    """Open a regular file for reading, without following a symbolic link in its last part.

    Raises:
        SubjectError: It is missing, a link, a device, a folder, or not readable.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise SubjectError(f"{path}: no such file") from error
    except OSError as error:
        reason = "is a symbolic link" if path.is_symlink() else error.strerror
        raise SubjectError(f"{path}: {reason}; give a regular file") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise SubjectError(f"{path}: not a regular file")
    return fd


PIECE = 1 << 20
"""Bytes that are read at once: what fits beside the hash in a core's cache."""


def reading_buffer() -> memoryview:
    """Return memory for one piece, at the start of a page.

    Some processors copy from the page cache at a sixth of their speed to an address a few bytes
    past the start of a page, which is where Python's own large buffers begin.
    """
    return memoryview(mmap.mmap(-1, PIECE))


State = tuple[int, ...]


def state_of(info: os.stat_result) -> State:
    """Return what tells whether a file is still the one it was: device, inode, size, times."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def digest_open(
    fd: int, name: str, *, buffer: memoryview, counted: Callable[[int], None] | None = None
) -> tuple[str, State]:
    """Hash an open file from its start to the size it has, through a buffer that is used again.

    Args:
        fd: The file, opened for reading.
        name: What to call it in an error.
        buffer: Where pieces are read to; its length is the size of a piece.
        counted: Told the bytes of each piece once they are hashed; what it raises ends the reading.

    Returns:
        SHA-256 (hex), and the state the file was in before and after.

    Raises:
        SubjectError: It changed meanwhile, or cannot be read.
    """
    before = os.fstat(fd)
    sha256, size = hashlib.sha256(), 0
    try:
        # The size that was promised and not a byte more: a file that grows has an end, too.
        while size < before.st_size and (read := os.readv(fd, (buffer,))):
            sha256.update(buffer[:read])
            size += read
            if counted is not None:
                counted(read)
    except OSError as error:
        raise SubjectError(f"{name}: cannot be read ({error.strerror}); restore it") from error
    state = state_of(before)
    if size != before.st_size or state_of(os.fstat(fd)) != state:
        raise SubjectError(
            f"{name}: changed while it was read; stop what writes there, then run again"
        )
    return sha256.hexdigest(), state


def describe(path: Path, *, role: str, root: Path) -> Subject:
    """Hash the file at `path` in one pass and return it as a subject named relative to `root`.

    Raises:
        SubjectError: It is no regular file, cannot be read, or changed meanwhile.
    """
    fd = open_regular(path)
    try:
        sha256, (_, _, size, *_) = digest_open(fd, str(path), buffer=reading_buffer())
    finally:
        os.close(fd)
    name = os.path.relpath(path.resolve(), root.resolve()).replace(os.sep, "/")
    return Subject(role=role, name=name, sha256=sha256, size=size)


def expect(subject: Subject, sha256: str | None) -> None:
    """Refuse a file that is not the one that was asked for.

    Raises:
        SubjectError: The digest differs.
    """
    if sha256 is not None and subject.sha256 != sha256:
        raise SubjectError(
            f"{subject.name}: is sha256 {subject.sha256}, not {sha256}; restore the file, or say "
            "the new digest"
        )


def read_subject(path: Path, *, role: str, root: Path) -> tuple[Subject, bytes]:
    """Read a file once and return its subject with the very bytes that were hashed."""
    fd = open_regular(path)
    with os.fdopen(fd, "rb") as stream:
        data = stream.read()
    name = os.path.relpath(path.resolve(), root.resolve()).replace(os.sep, "/")
    sha256 = hashlib.sha256(data).hexdigest()
    return Subject(role=role, name=name, sha256=sha256, size=len(data)), data


CONFIDENCE = "baseline confidence"
"""The attribute of slices that no column names: how sure the baseline was."""


class SliceProfile(Record):
    """How many rows of each label a slice holds. Known before any model has seen a row."""

    name: str
    """`all`, `sex=Female`, `sex=Female,race=Black`, ..."""

    attributes: tuple[str, ...]
    """The columns that define it; empty for `all`."""

    by_label: tuple[tuple[str, int], ...]
    """Label and count, in the order of the classes; empty where the label is a number."""

    rows: NonNegativeInt | None = None
    """How many rows the slice holds, where labels do not add up to it."""

    design_effect: FiniteFloat = Field(default=1.0, ge=1)
    """Rows that count as one, were all rows of a cluster alike (sum of squared sizes / rows)."""

    @property
    def n(self) -> int:
        """Rows."""
        return sum(count for _, count in self.by_label) if self.rows is None else self.rows

    def count(self, label: str) -> int:
        """Rows with this label."""
        return dict(self.by_label).get(label, 0)


class Profile(Record):
    """What the evaluation data holds: the plan is made from this and the policy alone."""

    task: Task = "classification"

    labels: tuple[str, ...]
    """All classes, in the order of the model's outputs; empty where the label is a number."""

    positive: str | None = None
    """The favourable class: the others together are its opposite; None where none is named."""

    cluster: str | None = None
    """The column whose rows depend on each other; None where rows are independent."""

    slices: tuple[SliceProfile, ...]
    """The first is `all`."""

    merged: tuple[str, ...] = ()
    """Sentences on slices too small to be shown on their own."""

    @property
    def attributes(self) -> tuple[tuple[str, ...], ...]:
        """Every combination of columns that defines slices, once, in order."""
        return tuple(dict.fromkeys(s.attributes for s in self.groups))

    @property
    def groups(self) -> tuple[SliceProfile, ...]:
        """Slices that columns of the data name."""
        return tuple(s for s in self.slices if s.attributes and s.attributes != (CONFIDENCE,))
