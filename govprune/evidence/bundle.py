"""The bundle: evidence, card, verdict and log proof in one folder, there as a whole or not at all.

The order is fixed: each piece names the digests of those before it, so the card shows what was
signed and the verdict names the card. Nothing appears at the given place before all of it is on
disk; an entry in the log without a bundle is a run that died, and counts as an attempt.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..records import canonical
from . import dsse
from .durable import sync_folder
from .entry import Entry, identity, tried
from .keys import SigningKeys, TrustedKeys
from .log import Log
from .statement import Evidence, to_statement
from .vsa import (
    EVIDENCE_FILE,
    NAMED_FILES,
    PROOF_FILE,
    TIMESTAMP_FILE,
    VERDICT_FILE,
    Summary,
    candidate_of,
    summarise,
    to_vsa,
)

_README = """\
{title}
{underline}

This folder is the evidence of one decision: whether a compressed model may replace the model
it came from. The decision was {result}.{unsigned}

card.html, card.pdf   for people: what was asked, what was found, what follows
{evidence}    for machines: everything the card was made from, signed
{verdict}     for machines: the decision, until when it holds, and the digest of
                      every other file here, signed
{proof}            that the decision is entered in the gate's log
README.txt            this text

To verify all of it, with no network and no model:

    govprune verify FOLDER --key GATE.pub

GATE.pub is the public key of whoever you trust to decide. Get it from them, not from here.
Whatever this folder says, it says nothing until that command has said VERIFIED.
"""


@dataclass(frozen=True)
class CardFiles:
    """The card as bytes."""

    html: bytes
    pdf: bytes | None
    """None where PDFs cannot be made on this machine."""


def seal(
    evidence: Evidence,
    *,
    keys: SigningKeys | None,
    render: Callable[[bytes], CardFiles],
    out: Path,
    log: Log,
    trusted: Sequence[TrustedKeys] = (),
    extra: Mapping[str, bytes] | None = None,
    timestamp: Callable[[bytes], bytes | None] | None = None,
) -> Path:
    """Sign the evidence, log the verdict, and write the bundle.

    Args:
        evidence: What was found.
        keys: Who signs. None makes a bundle that `verify` always refuses.
        render: Makes the card from the bytes of evidence.dsse.json.
        out: Where the bundle shall lie; must not exist.
        log: Where the verdict is entered.
        trusted: Earlier gates whose log may be continued (after a change of keys).
        extra: Further files that the verdict names: a signed plan, a producer's statement.
        timestamp: Gets an authority's token over the verdict; None where it could not.

    Returns:
        `out`.

    Raises:
        InputError: `out` exists, a name is taken, or the folder cannot be written.
        EvidenceError: The evidence cannot be written down, or the log was tampered with.
    """
    _refuse_taken(evidence, out)
    envelope = dsse.sign(to_statement(evidence), keys)
    card = render(envelope)
    files = {EVIDENCE_FILE: envelope, "card.html": card.html}
    if card.pdf is not None:
        files["card.pdf"] = card.pdf
    files["README.txt"] = _readme(evidence, signed=keys is not None)
    files |= extra or {}
    summary = summarise(evidence, files=_digests(files), nonce=secrets.token_hex(16))
    files[VERDICT_FILE] = dsse.sign(to_vsa(summary), keys)
    if timestamp is not None and (token := timestamp(files[VERDICT_FILE])) is not None:
        files[TIMESTAMP_FILE] = token
    try:
        entry = entry_of(evidence, summary, files)
        proof = log.append(entry, keys, attempt=evidence.plan.attempt, trusted=trusted)
        files[PROOF_FILE] = canonical(proof)
        write_folder(out, files)
    except OSError as error:
        raise InputError(
            f"{out}: the bundle could not be written ({error.strerror or error}); nothing was left "
            "there. Make room or choose another --out, then run again."
        ) from error
    return out


def _refuse_taken(evidence: Evidence, out: Path) -> None:
    if os.path.lexists(out):
        raise InputError(f"{out} exists; a bundle is never replaced: choose another --out")
    for name, _ in candidate_of(evidence.subjects):
        if name in NAMED_FILES:
            raise InputError(f"{name}: a candidate cannot have this name; put it into a folder")


def _readme(evidence: Evidence, *, signed: bool) -> bytes:
    title = " ".join(evidence.title.split())
    text = _README.format(
        title=title,
        underline="=" * len(title),
        result=evidence.verdict.result,
        unsigned="" if signed else "\nNobody signed it: it proves nothing and cannot be verified.",
        evidence=EVIDENCE_FILE,
        verdict=VERDICT_FILE,
        proof=PROOF_FILE,
    )
    return text.encode("utf-8")


def _digests(files: Mapping[str, bytes]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, hashlib.sha256(files[name]).hexdigest()) for name in NAMED_FILES if name in files
    )


def entry_of(evidence: Evidence, summary: Summary, files: Mapping[str, bytes]) -> Entry:
    """Return what the log must say of this verdict."""
    return Entry(
        verdict_sha256=hashlib.sha256(files[VERDICT_FILE]).hexdigest(),
        evidence_sha256=hashlib.sha256(files[EVIDENCE_FILE]).hexdigest(),
        baseline=tried(evidence.subjects, "baseline"),
        evaluation=tried(evidence.subjects, "evaluation"),
        candidate=tried(evidence.subjects, "candidate"),
        artefact=identity(evidence.subjects, "candidate"),
        policy=evidence.plan.policy_sha256,
        result=evidence.verdict.result,
        time=summary.issued,
    )


def write_folder(out: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a new folder that appears complete, or not at all.

    Raises:
        OSError: It could not be written; what was begun has been removed.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = out.parent / f".{out.name}.partial-{secrets.token_hex(8)}"
    staging.mkdir()
    try:
        for name, data in files.items():
            with (staging / name).open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        sync_folder(staging)
        staging.rename(out)
    finally:
        # Gone if all went well; otherwise, or when interrupted, half a bundle is of no use.
        shutil.rmtree(staging, ignore_errors=True)
    with contextlib.suppress(OSError):
        # It is there and whole; only whether it outlives a power cut is still open.
        sync_folder(out.parent)
