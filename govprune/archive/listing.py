"""Every bundle below a folder, each verified by itself: one bad one hides none of the others."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..errors import GovpruneError, InputError
from ..evidence.keys import TrustedKeys
from ..evidence.trust import TrustPolicy
from ..evidence.verify import Verified, verify_bundle
from ..evidence.vsa import EVIDENCE_FILE, PROOF_FILE, VERDICT_FILE
from ..policy import Outcome
from ..records import Record

_MARKS = {EVIDENCE_FILE, PROOF_FILE, VERDICT_FILE}
"""A folder that holds one of these is a bundle, or was one."""
MOST_FOLDERS = 200_000


@dataclass(frozen=True)
class Relied:
    """On whom somebody relies who looks at an archive."""

    trusted: Sequence[TrustedKeys]
    """Whose signature counts, where no trust policy says so."""
    under: TrustPolicy | None
    now: datetime


class Listed(Record):
    """What a genuine bundle says, in one line."""

    path: str
    date: str
    """When its measurements were finished; RFC 3339, UTC."""
    result: Outcome
    candidate: str
    """Name of its first file."""
    candidate_sha256: str
    attempt: int
    policy: str
    """Name and version."""
    expires: str
    expired: bool
    signer: str
    """Owner of the gate's key."""
    key: str
    """Id of it."""
    entry: int
    """Place in the log, from 0."""
    log: str
    """Name of the log."""
    lacks: tuple[str, ...] = ()
    """What the trust policy demands and is not there."""


class Refused(Record):
    """A folder that is no genuine bundle. What it claims is not repeated."""

    path: str
    reason: str


def verified(bundle: Path, relied: Relied) -> Verified:
    """Verify a bundle by itself; the models and data it speaks of are not looked for.

    Raises:
        InputError: There is no such folder.
        EvidenceError: Anything at all is wrong.
    """
    return verify_bundle(
        bundle, trusted=relied.trusted, root=bundle, now=relied.now, under=relied.under
    )


def listing(folder: Path, relied: Relied) -> Iterator[Listed | Refused]:
    """Verify every bundle below a folder, in the order of their paths.

    Hidden folders are left out, links are not followed.

    Raises:
        InputError: There is no such folder.
    """
    for bundle in _bundles(folder):
        if isinstance(bundle, Refused):
            yield bundle
            continue
        try:
            yield line_of(bundle, verified(bundle, relied), relied)
        except (GovpruneError, OSError) as error:
            yield Refused(path=str(bundle), reason=str(error))
        except Exception as error:  # whatever one provokes, the others are still looked at
            yield Refused(path=str(bundle), reason=f"malformed ({error!r})")


def line_of(bundle: Path, found: Verified, relied: Relied) -> Listed:
    """Sum a verified bundle up."""
    said = found.summary
    name, sha256 = said.candidate[0]
    return Listed(
        path=str(bundle),
        date=said.issued,
        result=found.result,
        candidate=name,
        candidate_sha256=sha256,
        attempt=said.attempt,
        policy=said.policy.replace(":", " "),
        expires=said.expires,
        expired=relied.now > said.expires_at,
        signer=found.signer.owner,
        key=found.signer.key_id,
        entry=found.index + 1,
        log=found.checkpoint.origin,
        lacks=() if found.standing is None else found.standing.lacks,
    )


def _bundles(folder: Path) -> Iterator[Path | Refused]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one that holds the bundles")
    unread: list[OSError] = []
    for number, (place, below, names) in enumerate(os.walk(folder, onerror=unread.append)):
        if number >= MOST_FOLDERS:
            raise InputError(f"{folder}: more than {MOST_FOLDERS} folders; give one of them")
        if _MARKS & {*names, *below}:
            below.clear()
            yield Path(place)
        else:
            below[:] = sorted(name for name in below if not name.startswith("."))
        while unread:
            error = unread.pop()
            yield Refused(path=str(error.filename), reason=f"cannot be read ({error.strerror})")
