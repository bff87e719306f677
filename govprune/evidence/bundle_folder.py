"""A bundle as files: known names, regular files, each read once, none longer than it may be."""

import os
from pathlib import Path

from ..errors import EvidenceError, InputError
from .consents import LATER_FILE
from .durable import read_whole, write_whole
from .vsa import (
    NAMED_FILES,
    OPTIONAL_FILES,
    PLAN_FILE,
    PLAN_PROOF_FILE,
    PRODUCER_FILE,
    PROOF_FILE,
    TIMESTAMP_FILE,
    VERDICT_FILE,
)

_CAPS = dict.fromkeys(NAMED_FILES, 64_000_000) | {
    VERDICT_FILE: 4_000_000, PROOF_FILE: 100_000, PLAN_FILE: 4_000_000, PLAN_PROOF_FILE: 100_000,
    PRODUCER_FILE: 100_000, TIMESTAMP_FILE: 100_000,
}  # fmt: skip
_LATER_CAP, _MOST_LATER = 100_000, 100


def read_bundle(bundle: Path) -> dict[str, bytes]:
    """Read a folder of known regular files, each once, none longer than it may be."""
    if not os.path.lexists(bundle):
        raise InputError(f"{bundle}: no such bundle")
    try:
        names = sorted(os.listdir(bundle))  # noqa: PTH208 pathlib would hide undecodable names
    except OSError as error:
        raise EvidenceError(
            f"{bundle}: not a bundle ({error.strerror}); give its folder"
        ) from error
    for name in names:
        if name not in _CAPS and not LATER_FILE.fullmatch(name):
            raise EvidenceError(f"{bundle}: holds {name!r}, which is no part of a bundle")
    if len(names) > len(_CAPS) + _MOST_LATER:
        raise EvidenceError(f"{bundle}: {len(names)} files, more than a bundle has; refused")
    for name in _CAPS:
        if name not in names and name not in (*OPTIONAL_FILES, TIMESTAMP_FILE):
            raise EvidenceError(f"{bundle}: not a bundle, or not a whole one: no {name}")
    return {
        name: read_whole(bundle / name, _CAPS.get(name, _LATER_CAP), part_of="a bundle")
        for name in names
    }


def add_file(bundle: Path, name: str, data: bytes) -> Path:
    """Add a file that somebody signed later to a bundle; at once, or not at all.

    Raises:
        InputError: It is there already, or cannot be written.
    """
    place = bundle / name
    try:
        # Not yet in the bundle: a name that is no part of it would make it unverifiable.
        write_whole(place, data, replace=False, beside=bundle.parent)
    except FileExistsError as error:
        raise InputError(f"{place} exists already; nothing was written") from error
    except OSError as error:
        raise InputError(
            f"{place}: cannot be written ({error.strerror}); nothing was left"
        ) from error
    return place
