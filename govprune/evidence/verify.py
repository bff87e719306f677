"""Verification: from the bytes and the trusted keys alone, offline, every time anew.

Verified first, parsed second. Each step rests on the one before: the verdict's signature, the
digests it names, the evidence's signature, the findings computed again from their counts, the
card, the log, and last the files on disk. Raises at the first thing that is wrong.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import EvidenceError
from ..model_files import refuse_open_folders
from ..policy import Outcome
from ..subjects import Subject
from . import dsse
from .bundle import entry_of
from .bundle_folder import read_bundle
from .consents import LATER_FILE
from .entry import Proof
from .keys import TrustedKeys
from .note import Checkpoint
from .on_disk import check_subjects, guess_root
from .proof import verify_proof
from .signed_plan import SignedPlan, from_plan, plan_entry, refuse_other_plan
from .standing import CLOCKS_DIFFER, Looked, Standing, stand
from .statement import Evidence, from_statement, recompute
from .trust import TrustPolicy
from .vsa import (
    EVIDENCE_FILE,
    PDF_FILE,
    PLAN_FILE,
    PLAN_PROOF_FILE,
    PROOF_FILE,
    TIMESTAMP_FILE,
    VERDICT_FILE,
    Summary,
    from_vsa,
    moment,
    summarise,
)


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
    standing: Standing | None = None
    """What it comes to under a trust policy; None where bare keys were trusted."""
    timestamp: datetime | None = None
    """When an authority that the trust policy names saw the verdict."""
    planned: SignedPlan | None = None
    """The plan that was signed and logged before anything was measured."""
    plan_note: str | None = None
    """The log as it was when the plan was entered, as signed."""

    @property
    def result(self) -> Outcome:
        """What the verdict comes to, with waivers where a trust policy says who may waive."""
        return self.evidence.verdict.result if self.standing is None else self.standing.result


def verify_bundle(
    bundle: Path,
    *,
    trusted: Sequence[TrustedKeys],
    root: Path | None,
    now: datetime,
    under: TrustPolicy | None = None,
) -> Verified:
    """Verify a bundle, and the files it speaks of wherever they are to be found.

    Args:
        bundle: The folder.
        trusted: Whose signature counts.
        root: Folder that the subjects' names are relative to. None: the current folder or
            one above the bundle, the first that holds the candidate.
        now: The time, with its offset from UTC.
        under: The trust policy; then its gates are trusted, and not `trusted`.

    Raises:
        InputError: There is no such folder.
        EvidenceError: Anything at all is wrong.
    """
    files = read_bundle(bundle)
    found = verify_files(files, trusted=trusted, now=now, source=str(bundle), under=under)
    place = root if root is not None else guess_root(bundle, found.evidence.subjects)
    checked, absent = check_subjects(found.evidence.subjects, place)
    return Verified(**{**vars(found), "checked": checked, "absent": absent, "root": place})


def verify_files(
    files: Mapping[str, bytes],
    *,
    trusted: Sequence[TrustedKeys],
    now: datetime,
    source: str,
    under: TrustPolicy | None = None,
    as_of: datetime | None = None,
) -> Verified:
    """Verify the files of a bundle by themselves; no subject is looked up.

    Args:
        files: By name.
        trusted: Whose signature counts, where no trust policy says so.
        now: The time, with its offset from UTC.
        source: What the bundle is called in messages.
        under: The trust policy.
        as_of: Ask what it came to then, instead of now; never later than now.

    Raises:
        EvidenceError: Anything at all is wrong.
    """
    at = f"{source}/{VERDICT_FILE}"
    gates = trusted if under is None else under.holders("gate")
    payload, signer = dsse.verify(_part(files, VERDICT_FILE, source), gates, source=at)
    summary, statement = from_vsa(payload, source=at)
    _manifest(files, summary, source)
    evidence = _evidence(files, summary, signer, source)
    issued = moment(summary.issued, field="issued")
    if issued > now + CLOCKS_DIFFER:
        raise EvidenceError(f"{at}: issued {summary.issued}, in the future; is the clock right?")
    if PDF_FILE in files:
        from .pdf import verify_pdf

        verify_pdf(
            files[PDF_FILE],
            certificate=signer.certificate,
            envelope=files[EVIDENCE_FILE],
            authorities=None if under is None else under.timestamp_authorities,
        )
    entry = entry_of(evidence, summary, files)
    proof, checkpoint = verify_proof(
        _part(files, PROOF_FILE, source), entry, [signer], source=f"{source}/{PROOF_FILE}"
    )
    planned = _planned(files, evidence, gates, (proof, checkpoint), source, under)
    standing = shown = None
    if under is not None:
        shown = _shown(files, under, source)
        under.refuse_revoked(signer, said=issued, shown=shown)
        if shown is not None and shown < issued - CLOCKS_DIFFER:
            raise EvidenceError(f"{at}: issued {summary.issued}, after an authority had seen it")
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        standing = stand(
            Looked(files, digests, evidence, summary, under, shown, min(as_of or now, now), source)
        )
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
        standing=standing,
        timestamp=shown,
        planned=planned[0] if planned else None,
        plan_note=planned[1] if planned else None,
    )


def _shown(files: Mapping[str, bytes], under: TrustPolicy, source: str) -> datetime | None:
    """Return when an authority of the trust policy saw the verdict."""
    if TIMESTAMP_FILE not in files or not under.timestamp_authorities:
        return None
    from .timestamp import verify_timestamp

    return verify_timestamp(
        files[TIMESTAMP_FILE],
        files[VERDICT_FILE],
        authorities=under.timestamp_authorities,
        source=f"{source}/{TIMESTAMP_FILE}",
    )


def _planned(
    files: Mapping[str, bytes],
    evidence: Evidence,
    gates: Sequence[TrustedKeys],
    logged: tuple[Proof, Checkpoint],
    source: str,
    under: TrustPolicy | None,
) -> tuple[SignedPlan, str] | None:
    """Demand that a plan is that of this evidence, and stands in the same log before it."""
    if PLAN_FILE not in files:
        return None
    at = f"{source}/{PLAN_FILE}"
    payload, by = dsse.verify(files[PLAN_FILE], gates, source=at)
    plan = from_plan(payload, source=at)
    if under is not None:
        under.refuse_revoked(by, said=moment(plan.time, field="time"), shown=None)
    refuse_other_plan(plan, evidence)
    entry = plan_entry(plan, hashlib.sha256(files[PLAN_FILE]).hexdigest())
    at = f"{source}/{PLAN_PROOF_FILE}"
    proof, checkpoint = verify_proof(_part(files, PLAN_PROOF_FILE, source), entry, [by], source=at)
    if checkpoint.origin != logged[1].origin or proof.index >= logged[0].index:
        raise EvidenceError(f"{at}: the plan does not stand before the verdict in the same log")
    return plan, str(proof.checkpoint)


def _part(files: Mapping[str, bytes], name: str, source: str) -> bytes:
    if name not in files:
        raise EvidenceError(f"{source}: not a whole bundle: no {name}")
    return files[name]


def _manifest(files: Mapping[str, bytes], summary: Summary, source: str) -> None:
    """Demand exactly the files that the verdict names, byte for byte."""
    named = dict(summary.files)
    own = {VERDICT_FILE, PROOF_FILE, TIMESTAMP_FILE}
    if surplus := sorted(
        name for name in set(files) - set(named) - own if not LATER_FILE.fullmatch(name)
    ):
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
