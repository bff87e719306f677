"""What a model consists of: each file by name and content. No file is left out.

Written as what OpenSSF model signing signs: an in-toto statement with the predicate
https://model_signing/signature/v1.0, whose subject is the digest over the digests of all files in
order. That root digest does not cover the names; `Manifest.digest` does.
"""

import hashlib
import json
import os
import re
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, StrictBool, ValidationError, model_validator

from .errors import EvidenceError
from .records import Record, parse_json, refusal
from .subjects import open_regular

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
ALONE = "."
"""The name of the one file of a model that is a file and no folder."""

MAX_FILES = 100_000
MAX_DEPTH = 64
"""Folders within folders."""
MAX_NAME = 4096
"""Bytes of a name, with the folders it lies in."""
MAX_BYTES = 64_000_000
"""Of a written manifest."""

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_PLAIN = re.compile(r"[A-Za-z0-9_.+@=,~ -]+")
_UNSEEN = {
    "Cc": "holds a control character",
    "Cf": "holds an invisible character",
    "Cs": "is not UTF-8",
    "Zl": "holds a line separator",
    "Zp": "holds a paragraph separator",
}


def name_problem(part: str) -> str | None:
    """Say why a file or folder cannot bear this name (without the folders above it)."""
    if part in ("", ".", ".."):
        return "is not in its shortest form"
    if _PLAIN.fullmatch(part):
        return None
    if "\\" in part:
        return "holds a backslash, which is a folder elsewhere"
    if "/" in part:
        return "holds a slash"
    kinds = (unicodedata.category(character) for character in part)
    return next((_UNSEEN[kind] for kind in kinds if kind in _UNSEEN), None)


def order(name: str) -> tuple[str, ...]:
    """Return what names are sorted by: folder by folder, each by its code points."""
    return tuple(name.split("/"))


class ManifestFile(Record):
    """One file of a model."""

    name: str
    """Below the model's folder, with forward slashes; `.` for a model that is one file."""

    sha256: Hex
    """Of its bytes."""

    size: NonNegativeInt | None = None
    """Bytes; None where a manifest was read, which does not say."""


class Manifest(Record):
    """All files of a model, in order."""

    model: str
    """The name of its folder. For people; never compared."""

    files: tuple[ManifestFile, ...]

    @property
    def root(self) -> str:
        """Root digest of OpenSSF model signing: SHA-256 over the files' digests, in order.

        Two models whose files have other names in the same order have the same root.
        """
        return hashlib.sha256(bytes.fromhex("".join(f.sha256 for f in self.files))).hexdigest()

    @property
    def listing(self) -> bytes:
        """A line `digest  name` per file, as sha256sum writes."""
        return "".join(f"{f.sha256}  {f.name}\n" for f in self.files).encode()

    @property
    def digest(self) -> str:
        """What the model is: SHA-256 of its listing."""
        return hashlib.sha256(self.listing).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files whose size is known."""
        return sum(f.size or 0 for f in self.files)

    @model_validator(mode="after")
    def _names_each_file_once(self) -> Self:
        if problem := name_problem(self.model):
            raise ValueError(f"the model's name {self.model!a} {problem}")
        if not 0 < len(self.files) <= MAX_FILES:
            raise ValueError(f"{len(self.files)} files; a model has 1 to {MAX_FILES:,}")
        names = [f.name for f in self.files]
        if names == [ALONE]:
            return self
        for name in names:
            _refuse_name(name)
        _refuse_disorder([order(name) for name in names])
        return self


def _refuse_name(name: str) -> None:
    parts = order(name)
    for part in parts:
        if problem := name_problem(part):
            raise ValueError(f"file {name!a} {problem}")
    if len(parts) > MAX_DEPTH or len(name.encode()) > MAX_NAME:
        raise ValueError(f"file {name[:60]!r}… lies too deep, or its name is too long")


def _refuse_disorder(keys: list[tuple[str, ...]]) -> None:
    for before, key in pairwise(keys):
        name = "/".join(key)
        if before == key:
            raise ValueError(f"file {name!r} is named twice")
        if before > key:
            raise ValueError(f"file {name!r} is not in order")
        # What lies in a folder follows directly after a file of the folder's name.
        if key[: len(before)] == before:
            raise ValueError(f"{'/'.join(before)!r} is named as a file and as a folder")


class Difference(Record):
    """How the files of a model differ from its manifest; names in order."""

    changed: tuple[str, ...] = ()
    """In both, with other bytes."""
    missing: tuple[str, ...] = ()
    """In the manifest only."""
    extra: tuple[str, ...] = ()
    """In the folder only."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that differ; empty where the model is the one the manifest names."""
        return self.changed + self.missing + self.extra


def compare(expected: Manifest, found: Manifest) -> Difference:
    """Name every file that differs."""
    was = {f.name: f.sha256 for f in expected.files}
    now = {f.name: f.sha256 for f in found.files}
    return Difference(
        changed=tuple(name for name in was if name in now and now[name] != was[name]),
        missing=tuple(name for name in was if name not in now),
        extra=tuple(name for name in now if name not in was),
    )


# --- as a file


class _Digest(Record):
    sha256: Hex


class _Model(Record):
    name: str
    digest: _Digest


class _Resource(Record):
    name: str
    algorithm: Literal["sha256"]
    digest: Hex


class _Serialization(Record):
    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: StrictBool
    ignore_paths: tuple[str, ...] = ()
    """Files that the signer left out; here they are extra like any other."""


class _Predicate(Record):
    serialization: _Serialization
    resources: tuple[_Resource, ...]


class _Statement(Record):
    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[_Model]
    predicate_type: Literal["https://model_signing/signature/v1.0"] = Field(alias="predicateType")
    predicate: _Predicate


def payload(manifest: Manifest) -> dict[str, Any]:
    """Return the statement that OpenSSF model signing v1.0 signs for these files."""
    return {
        "_type": STATEMENT,
        "subject": [{"name": manifest.model, "digest": {"sha256": manifest.root}}],
        "predicateType": PREDICATE,
        "predicate": {
            # No ignore_paths: where nothing is ignored, that tool writes none.
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [
                {"name": f.name, "algorithm": "sha256", "digest": f.sha256} for f in manifest.files
            ],
        },
    }


def dumps(manifest: Manifest) -> str:
    """Write the statement as JSON for people and for that tool; ends in a line break."""
    return json.dumps(payload(manifest), indent=2, ensure_ascii=True) + "\n"


def loads(data: bytes, *, source: str) -> Manifest:
    """Read a manifest from a hostile source.

    Raises:
        EvidenceError: It is no manifest, uses other algorithms, names a file twice or outside the
            model, or its root digest is not that of its files.
    """
    value = parse_json(data, source=source, limit=MAX_BYTES)
    try:
        said = _Statement.model_validate(value)
        manifest = Manifest(
            model=said.subject[0].name,
            files=tuple(
                ManifestFile(name=r.name, sha256=r.digest) for r in said.predicate.resources
            ),
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise EvidenceError(f"{source}: {ascii(field)[1:-1]}: {refusal(first)}") from error
    if manifest.root != said.subject[0].digest.sha256:
        raise EvidenceError(
            f"{source}: says the root digest {said.subject[0].digest.sha256}, but its files have "
            f"{manifest.root}; it was altered: get it again from who made it"
        )
    return manifest


def read(path: Path) -> Manifest:
    """Read the manifest in a file; see `loads`."""
    with os.fdopen(open_regular(path), "rb") as stream:
        return loads(stream.read(MAX_BYTES + 1), source=str(path))
