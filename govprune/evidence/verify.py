"""Verification: from the bytes and the trusted keys alone, offline, every time anew.

Verified first, parsed second. Each step rests on the one before: the verdict's signature, the
digests it names, the evidence's signature, the findings computed again from their counts, the
card, the log, and last the files on disk. Raises at the first thing that is wrong.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import EvidenceError, InputError, SubjectError
from ..model_files import refuse_open_folders
from ..records import canonical, parse_json
from ..subjects import Subject, open_regular
from . import dsse, merkle
from .bundle import entry_of
from .entry import Entry, Proof, read_entry
from .keys import TrustedKeys
from .note import Checkpoint, verify_note
from .on_disk import check_subjects, guess_root
from .statement import Evidence, from_statement, recompute
from .vsa import (
    EVIDENCE_FILE,
    NAMED_FILES,
    PDF_FILE,
    PROOF_FILE,
    VERDICT_FILE,
    Summary,
    from_vsa,
    moment,
    summarise,
)

_CAPS = dict.fromkeys(NAMED_FILES, 64_000_000) | {VERDICT_FILE: 4_000_000, PROOF_FILE: 100_000}
_CLOCKS_DIFFER = timedelta(minutes=10)


@dataclass(frozen=True)
class Verified:
    """What a verified bundle says."""

    evidence: Evidence
    envelope: bytes
    """evidence.dsse.json."""
    vsa: dict[str, Any]
    """The verdict statement, as plain JSON values."""
    signer: TrustedKeys
    checked: tuple[Subject, ...]
    """Files on disk whose digests were computed again."""
    absent: tuple[Subject, ...]
    """Files that are not here."""
    summary: Summary
    """The verdict statement, read."""
    checkpoint: Checkpoint
    """The log as it was when the verdict was entered."""
    note: str
    """The same, as signed."""
    index: int
    """Position of the verdict in the log, from 0."""
    files: Mapping[str, bytes]
    """Every file of the bundle: the very bytes that were verified."""
    root: Path | None
    """Folder that the subjects' names were looked up in; None where none was found."""


def verify_bundle(
    bundle: Path, *, trusted: Sequence[TrustedKeys], root: Path | None, now: datetime
) -> Verified:
    """Verify a bundle, and the files it speaks of wherever they are to be found.

    Args:
        bundle: The folder.
        trusted: Whose signature counts.
        root: Folder that the subjects' names are relative to. None: the current folder or
            one above the bundle, the first that holds the candidate.
        now: The time, with its offset from UTC.

    Raises:
        InputError: There is no such folder.
        EvidenceError: Anything at all is wrong.
    """
    files = read_bundle(bundle)
    found = verify_files(files, trusted=trusted, now=now, source=str(bundle))
    place = root if root is not None else guess_root(bundle, found.evidence.subjects)
    checked, absent = check_subjects(found.evidence.subjects, place)
    return Verified(**{**vars(found), "checked": checked, "absent": absent, "root": place})


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
        if name not in _CAPS:
            raise EvidenceError(f"{bundle}: holds {name!r}, which is no part of a bundle")
    for name in _CAPS:
        if name not in names and name != PDF_FILE:
            raise EvidenceError(f"{bundle}: not a bundle, or not a whole one: no {name}")
    return {name: _read(bundle / name, _CAPS[name]) for name in names}


def _read(path: Path, cap: int) -> bytes:
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            data = stream.read(cap + 1)
    except (SubjectError, OSError) as error:
        raise EvidenceError(f"cannot be read as part of a bundle: {error}") from error
    if len(data) > cap:
        raise EvidenceError(f"{path}: longer than {cap} bytes; refused")
    return data


def verify_files(
    files: Mapping[str, bytes], *, trusted: Sequence[TrustedKeys], now: datetime, source: str
) -> Verified:
    """Verify the files of a bundle by themselves; no subject is looked up.

    Raises:
        EvidenceError: Anything at all is wrong.
    """
    at = f"{source}/{VERDICT_FILE}"
    payload, signer = dsse.verify(_part(files, VERDICT_FILE, source), trusted, source=at)
    summary, statement = from_vsa(payload, source=at)
    _manifest(files, summary, source)
    evidence = _evidence(files, summary, signer, source)
    if moment(summary.issued, field="issued") > now + _CLOCKS_DIFFER:
        raise EvidenceError(f"{at}: issued {summary.issued}, in the future; is the clock right?")
    if PDF_FILE in files:
        from .pdf import verify_pdf

        verify_pdf(files[PDF_FILE], certificate=signer.certificate, envelope=files[EVIDENCE_FILE])
    entry = entry_of(evidence, summary, files)
    proof, checkpoint = _logged(_part(files, PROOF_FILE, source), entry, trusted, source)
    return Verified(
        evidence=evidence,
        envelope=files[EVIDENCE_FILE],
        vsa=statement,
        signer=signer,
        checked=(),
        absent=evidence.subjects,
        summary=summary,
        checkpoint=checkpoint,
        note=str(proof.checkpoint),
        index=proof.index,
        files=dict(files),
        root=None,
    )


def _part(files: Mapping[str, bytes], name: str, source: str) -> bytes:
    if name not in files:
        raise EvidenceError(f"{source}: not a whole bundle: no {name}")
    return files[name]


def _manifest(files: Mapping[str, bytes], summary: Summary, source: str) -> None:
    """Demand exactly the files that the verdict names, byte for byte."""
    named = dict(summary.files)
    if surplus := sorted(set(files) - set(named) - {VERDICT_FILE, PROOF_FILE}):
        raise EvidenceError(f"{source}: the verdict names no {surplus[0]}; it was added later")
    for name, sha256 in named.items():
        if hashlib.sha256(_part(files, name, source)).hexdigest() != sha256:
            raise EvidenceError(
                f"{source}/{name}: changed since it was signed. Do not use it; get it again."
            )


def _evidence(
    files: Mapping[str, bytes], summary: Summary, signer: TrustedKeys, source: str
) -> Evidence:
    """Read the evidence and demand that the verdict is the summary of it."""
    at = f"{source}/{EVIDENCE_FILE}"
    payload, _ = dsse.verify(files[EVIDENCE_FILE], [signer], source=at)
    evidence = from_statement(payload, source=at)
    try:
        recompute(evidence)
        refuse_open_folders(evidence.subjects)
    except EvidenceError as error:
        raise EvidenceError(f"{at}: {error}") from error
    expected = summarise(evidence, files=summary.files, nonce=summary.nonce)
    for field in Summary.model_fields:
        if getattr(summary, field) != getattr(expected, field):
            raise EvidenceError(
                f"{source}: verdict and evidence disagree about {field.replace('_', ' ')}"
            )
    return evidence


def _logged(
    data: bytes, entry: Entry, trusted: Sequence[TrustedKeys], source: str
) -> tuple[Proof, Checkpoint]:
    """Demand a proof that exactly this verdict is in a log which a trusted key signed."""
    at = f"{source}/{PROOF_FILE}"
    try:
        proof = Proof.model_validate(parse_json(data, source=at, limit=_CAPS[PROOF_FILE]))
        hashes = [bytes.fromhex(h) for h in proof.hashes]
    except (ValidationError, ValueError) as error:
        raise EvidenceError(f"{at}: not a log proof ({error})") from error
    if canonical(proof) != data:
        raise EvidenceError(f"{at}: not a log proof as the gate writes it")
    leaf = proof.leaf.encode("utf-8")
    if read_entry(leaf, source=at) != entry:
        raise EvidenceError(f"{at}: proves the log entry of another verdict")
    if proof.checkpoint is None:
        raise EvidenceError(f"{at}: the log entry was not signed")
    checkpoint, _ = verify_note(proof.checkpoint, trusted, source=at)
    if checkpoint.size != proof.size:
        raise EvidenceError(f"{at}: the checkpoint is of a log of another size")
    root = bytes.fromhex(checkpoint.root)
    try:
        merkle.verify_inclusion(
            merkle.leaf_hash(leaf), index=proof.index, size=proof.size, proof=hashes, expected=root
        )
    except EvidenceError as error:
        raise EvidenceError(f"{at}: {error}") from error
    return proof, checkpoint
