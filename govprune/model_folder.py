"""A model's files, hashed where they lie. A link is followed nowhere, and nothing is left out.

The folder is listed, its files are hashed by several threads, and it is listed again: what changed
meanwhile is refused, so that a manifest tells of one state that the folder really was in.
"""

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from threading import Event
from typing import NamedTuple

from .errors import SubjectError
from .manifest import ALONE, MAX_DEPTH, MAX_FILES, MAX_NAME, Manifest, ManifestFile, name_problem
from .subjects import PIECE, State, digest_open, open_regular, reading_buffer, state_of

Progress = Callable[[int, int], None]
"""Told bytes hashed and bytes in all: before the first file is opened, then again and again."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BATCH = 64
"""Small files of one folder that a thread takes at once."""
_LARGE = 4 * PIECE
"""Bytes from which a thread takes a file alone, and before the small ones."""
_AGAIN = "stop what writes there, then run again"
_SECONDS = 0.2


class _Listed(NamedTuple):
    """A file as the listing found it."""

    folder: str
    """Where it lies below the model's folder; ends in a slash, or is empty."""
    leaf: str
    state: State

    @property
    def name(self) -> str:
        return self.folder + self.leaf

    @property
    def size(self) -> int:
        return self.state[2]


def cores() -> int:
    """How many threads this process may run at once."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def digest_model(
    path: Path, *, threads: int | None = None, progress: Progress | None = None
) -> Manifest:
    """Hash every file of a model.

    Args:
        path: A folder, or a single file.
        threads: How many files are hashed at once; by default one per core.
        progress: Told how far it is.

    Raises:
        SubjectError: A symbolic link, device, socket, empty folder, unreadable file or unsafe name
            is among the files, there are too many, or something changed meanwhile.
    """
    name = path.name if path.name not in ("", "..") else path.resolve().name
    if problem := name_problem(name):
        raise SubjectError(f"{ascii(str(path))[1:-1]}: its name {problem}; rename it")
    if path.is_symlink():
        raise SubjectError(f"{path}: is a symbolic link; give what it points to")
    if not path.is_dir():
        return _single(path, name, progress)
    root = _open(str(path), _FOLDER, None, str(path))
    try:
        files = tuple(_listing(root, str(path)))
        digests = _Hashing(root, str(path), files).run(threads or cores(), progress)
        _refuse_change(files, tuple(_listing(root, str(path))), str(path))
    finally:
        os.close(root)
    return Manifest(
        model=name,
        files=tuple(
            ManifestFile(name=f.name, sha256=sha256, size=f.size)
            for f, sha256 in zip(files, digests, strict=True)
        ),
    )


def _single(path: Path, name: str, progress: Progress | None) -> Manifest:
    fd = open_regular(path)
    try:
        total, done = os.fstat(fd).st_size, 0

        def counted(read: int) -> None:
            nonlocal done
            done += read
            if progress is not None:
                progress(done, total)

        sha256, state = digest_open(fd, str(path), buffer=reading_buffer(), counted=counted)
    finally:
        os.close(fd)
    return Manifest(model=name, files=(ManifestFile(name=ALONE, sha256=sha256, size=state[2]),))


# --- listing


def _listing(root: int, place: str) -> Iterator[_Listed]:
    """Yield every file below an open folder in the order of a manifest."""
    for count, found in enumerate(_below(root, "", 1, place)):
        if count == MAX_FILES:
            raise SubjectError(f"{place}: more than {MAX_FILES:,} files; this is no model's folder")
        yield found


def _below(fd: int, folder: str, depth: int, place: str) -> Iterator[_Listed]:
    if depth > MAX_DEPTH:
        raise SubjectError(f"{place}/{folder[:60]}…: more than {MAX_DEPTH} folders deep")
    with os.scandir(fd) as found:
        entries = sorted(islice(found, MAX_FILES + 1), key=lambda entry: entry.name)
    if not entries:
        at = f"{place}/{folder}".rstrip("/")
        raise SubjectError(f"{at}: an empty folder, which no manifest can name; remove it")
    for entry in entries:
        leaf = entry.name
        at = f"{place}/{folder}{leaf}"
        if problem := name_problem(leaf):
            raise SubjectError(f"{ascii(at)[1:-1]}: this name {problem}; rename it")
        if len(f"{folder}{leaf}".encode()) > MAX_NAME:
            raise SubjectError(f"{at[:60]}…: a name of more than {MAX_NAME:,} bytes")
        info = _looked_at(entry, at)
        if stat.S_ISREG(info.st_mode):
            yield _Listed(folder, leaf, state_of(info))
        elif stat.S_ISDIR(info.st_mode):
            inner = _open(leaf, _FOLDER, fd, at)
            try:
                yield from _below(inner, f"{folder}{leaf}/", depth + 1, place)
            finally:
                os.close(inner)
        elif stat.S_ISLNK(info.st_mode):
            raise SubjectError(
                f"{at}: is a symbolic link; digest a copy that holds the files themselves (cp -rL)"
            )
        else:
            raise SubjectError(f"{at}: neither a file nor a folder; remove it")


def _looked_at(entry: os.DirEntry[str], at: str) -> os.stat_result:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError as error:
        raise SubjectError(f"{at}: {error.strerror}; {_AGAIN}") from error


def _open(leaf: str, flags: int, folder: int | None, at: str) -> int:
    """Open a file or folder in an open folder, never where its last part is a link."""
    try:
        return os.open(leaf, flags, dir_fd=folder)
    except PermissionError as error:
        raise SubjectError(f"{at}: {error.strerror}; make it readable") from error
    except OSError as error:
        raise SubjectError(f"{at}: {error.strerror}: it changed meanwhile; {_AGAIN}") from error


def _refuse_change(before: Sequence[_Listed], after: Sequence[_Listed], place: str) -> None:
    if before == after:
        return
    names = sorted(found.name for found in set(before) ^ set(after))
    raise SubjectError(f"{place}/{names[0]}: changed while the folder was read; {_AGAIN}")


# --- hashing


class _Stopped(Exception):  # noqa: N818 no error: another thread met one
    """Ends a thread's work in the middle of a file."""


class _Hashing:
    """Threads that take batches of files from one queue until it is empty."""

    def __init__(self, root: int, place: str, files: Sequence[_Listed]) -> None:
        self._root = root
        self._place = place
        self._files = files
        self._digests = [""] * len(files)
        self._batches = deque(_batches(files))
        self._stop = Event()
        self._done: list[int] = []

    def run(self, threads: int, progress: Progress | None) -> list[str]:
        """Return the digests of the files, in their order."""
        total = sum(f.size for f in self._files)
        self._done = [0] * threads
        if progress is not None:
            progress(0, total)
        with ThreadPoolExecutor(threads) as pool:
            running = [pool.submit(self._work, slot) for slot in range(threads)]
            try:
                while wait(running, timeout=_SECONDS).not_done:
                    if progress is not None:
                        progress(sum(self._done), total)
            finally:
                self._stop.set()
        failed = [error for f in running if (error := f.exception()) is not None]
        for error in sorted(failed, key=lambda e: isinstance(e, _Stopped)):
            raise error
        return self._digests

    def _work(self, slot: int) -> None:
        buffer = reading_buffer()

        def counted(read: int) -> None:
            self._done[slot] += read
            if self._stop.is_set():
                raise _Stopped

        try:
            while not self._stop.is_set():
                try:
                    batch = self._batches.popleft()
                except IndexError:
                    return
                self._hash(batch, buffer, counted)
        except BaseException:
            self._stop.set()
            raise

    def _hash(self, batch: range, buffer: memoryview, counted: Callable[[int], None]) -> None:
        """Hash files that lie side by side in one folder."""
        folder = self._folder(self._files[batch[0]].folder)
        try:
            for index in batch:
                listed = self._files[index]
                at = f"{self._place}/{listed.name}"
                fd = _open(listed.leaf, _FILE, folder, at)
                try:
                    found, state = digest_open(fd, at, buffer=buffer, counted=counted)
                finally:
                    os.close(fd)
                if state != listed.state:
                    raise SubjectError(f"{at}: changed while the folder was read; {_AGAIN}")
                self._digests[index] = found
        finally:
            os.close(folder)

    def _folder(self, name: str) -> int:
        """Open a folder from the model's own downwards, each level without following a link."""
        fd = os.dup(self._root)
        for part in name.split("/")[:-1]:
            try:
                inner = _open(part, _FOLDER, fd, f"{self._place}/{name}")
            finally:
                os.close(fd)
            fd = inner
        return fd


def _batches(files: Sequence[_Listed]) -> Iterator[range]:
    """Yield ranges of files: the large ones alone, the largest first; then small neighbours."""
    large = sorted(
        (i for i, f in enumerate(files) if f.size >= _LARGE), key=lambda i: -files[i].size
    )
    yield from (range(i, i + 1) for i in large)
    start = 0
    for i in range(len(files) + 1):
        ends = (
            i == len(files)
            or files[i].size >= _LARGE
            or files[i].folder != files[start].folder
            or i - start == _BATCH
        )
        if ends:
            if i > start:
                yield range(start, i)
            start = i + 1 if i < len(files) and files[i].size >= _LARGE else i
