"""A model as subjects: a file, or a folder with every file in it.

The folder is a subject of its own, whose digest is that of its manifest (`Manifest.digest`): names
and contents. It closes the set: a file that is added, taken away or renamed later is another model.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from .errors import EvidenceError, SubjectError
from .manifest import Manifest, ManifestFile, order
from .model_folder import digest_model
from .subjects import Subject, describe


def describe_model(path: Path, *, role: str, root: Path) -> tuple[Subject, ...]:
    """Hash a model and return what ships: its file, or the folder and then each file in it.

    Raises:
        SubjectError: Something is missing, is no regular file, or changed meanwhile.
    """
    if path.is_symlink() or not path.is_dir():
        return (describe(path, role=role, root=root),)
    return folder_subjects(digest_model(path), path, role=role, root=root)


def folder_subjects(
    manifest: Manifest, path: Path, *, role: str, root: Path
) -> tuple[Subject, ...]:
    """Return a folder as a subject, and then each of its files, named relative to `root`.

    Raises:
        SubjectError: The folder is `root` itself, or lies above it.
    """
    name = os.path.relpath(path.resolve(), root.resolve()).replace(os.sep, "/")
    if set(name.split("/")) <= {".", ".."}:
        raise SubjectError(
            f"{path}: holds the job itself; give the model a folder of its own, with its files only"
        )
    folder = Subject(
        role=role, name=name, sha256=manifest.digest, size=manifest.size, kind="folder"
    )
    files = (
        Subject(role=role, name=f"{name}/{f.name}", sha256=f.sha256, size=f.size or 0)
        for f in manifest.files
    )
    return (folder, *files)


def inside(folder: Subject, subjects: Iterable[Subject]) -> tuple[Subject, ...]:
    """Return the files of a folder, in the order of its manifest."""
    found = (
        s for s in subjects
        if s.kind == "file" and s.role == folder.role and s.name.startswith(f"{folder.name}/")
    )  # fmt: skip
    return tuple(sorted(found, key=lambda s: order(s.name)))


def manifest_of(folder: Subject, subjects: Iterable[Subject]) -> Manifest:
    """Return the manifest of a folder from the subjects that are its files.

    Raises:
        EvidenceError: It is not the one the folder's digest names.
    """
    start = len(folder.name) + 1
    try:
        manifest = Manifest(
            model=folder.name.rsplit("/", 1)[-1],
            files=tuple(
                ManifestFile(name=s.name[start:], sha256=s.sha256, size=s.size)
                for s in inside(folder, subjects)
            ),
        )
    except ValueError as error:
        raise EvidenceError(f"{folder.role} {folder.name}: its files are no model's") from error
    if (manifest.digest, manifest.size) != (folder.sha256, folder.size):
        raise EvidenceError(
            f"{folder.role} {folder.name}: its digest is not that of the files named with it"
        )
    return manifest


def refuse_open_folders(subjects: Sequence[Subject]) -> None:
    """Demand that the digest of every folder follows from the files named with it.

    Raises:
        EvidenceError: One does not.
    """
    for subject in subjects:
        if subject.kind == "folder":
            manifest_of(subject, subjects)
