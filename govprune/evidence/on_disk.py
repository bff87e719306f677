"""The files that evidence speaks of, wherever they are found: hashed again, each time anew."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..errors import EvidenceError, SubjectError
from ..manifest import compare
from ..model_files import inside, manifest_of
from ..model_folder import digest_model
from ..subjects import Subject, open_regular

PARENTS = 4
"""Folders above a bundle in which its files are looked for."""


def _place(subject: Subject, root: Path) -> Path | None:
    """Where a subject would lie; None for what is no file of the job."""
    if subject.name.startswith("pack:") or PurePosixPath(subject.name).is_absolute():
        return None
    return root / subject.name


def guess_root(bundle: Path, subjects: Sequence[Subject]) -> Path | None:
    """Return the current folder or one above the bundle, the first that holds the candidate."""
    files = [s for s in subjects if s.kind != "columns"]
    roles = ("candidate", "predictions")  # where answers were given, their file stands for both
    candidate = next((s for role in roles for s in files if s.role == role), None)
    above = bundle.resolve().parents[:PARENTS]
    for folder in (Path.cwd(), *above):
        place = None if candidate is None else _place(candidate, folder)
        if place is not None and os.path.lexists(place):
            return folder
    return None


def check_subjects(
    subjects: Sequence[Subject], root: Path | None
) -> tuple[tuple[Subject, ...], tuple[Subject, ...]]:
    """Compute the digests of the files that are here again.

    Returns:
        The subjects that are here and unchanged, and those that are not here.

    Raises:
        EvidenceError: One is here and is something else.
    """
    checked: set[Subject] = set()
    absent: set[Subject] = set()
    for subject in sorted(subjects, key=lambda s: s.kind != "folder"):
        # Columns are as true as their file; what lies in a folder was hashed with it.
        if subject.kind == "columns" or subject in checked:
            continue
        place = None if root is None else _place(subject, root)
        if place is None or not os.path.lexists(place):
            absent.add(subject)
        elif subject.kind == "folder":
            _same_folder(subject, place, subjects)
            checked |= {subject, *inside(subject, subjects)}
        else:
            _same(subject, place)
            checked.add(subject)
    return tuple(s for s in subjects if s in checked), tuple(s for s in subjects if s in absent)


def _same_folder(subject: Subject, place: Path, subjects: Sequence[Subject]) -> None:
    """Demand that a folder holds the files it was judged with, and no other."""
    try:
        found = digest_model(place)
    except SubjectError as error:
        raise EvidenceError(f"{subject.role} {subject.name}: {error}") from error
    if found.digest == subject.sha256:
        return
    differs = compare(manifest_of(subject, subjects), found)
    kinds = (("changed", differs.changed), ("missing", differs.missing), ("added", differs.extra))
    said = "; ".join(
        f"{what}: {ascii(names[0])[1:-1]}" + f" and {len(names) - 1} more" * (len(names) > 1)
        for what, names in kinds
        if names
    )
    raise EvidenceError(
        f"{place}: not the folder that the gate judged ({subject.role}); {said}. Restore it, or "
        "run the gate again."
    )


def _same(subject: Subject, place: Path) -> None:
    try:
        with os.fdopen(open_regular(place), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            # A file of another size need not be read: it may be huge.
            same = size == subject.size and (
                hashlib.file_digest(stream, "sha256").hexdigest() == subject.sha256
            )
    except (SubjectError, OSError) as error:
        raise EvidenceError(f"{subject.role} {subject.name}: {error}") from error
    if not same:
        raise EvidenceError(
            f"{place}: changed since the gate judged it ({subject.role}); "
            f"expected sha256 {subject.sha256}. Restore it, or run the gate again."
        )
