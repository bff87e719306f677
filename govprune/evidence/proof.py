"""Proof that an entry stands in a log whose state a trusted key signed."""

from collections.abc import Sequence

from pydantic import ValidationError

from ..errors import EvidenceError
from ..records import canonical, parse_json
from . import merkle
from .entry import Leaf, Proof, read_entry
from .keys import TrustedKeys
from .note import Checkpoint, verify_note

_LIMIT = 100_000


def verify_proof(
    data: bytes, entry: Leaf, trusted: Sequence[TrustedKeys], *, source: str
) -> tuple[Proof, Checkpoint]:
    """Demand a proof that exactly this entry is in a log which a trusted key signed.

    Raises:
        EvidenceError: It is not.
    """
    at = source
    try:
        proof = Proof.model_validate(parse_json(data, source=at, limit=_LIMIT))
        hashes = [bytes.fromhex(h) for h in proof.hashes]
    except (ValidationError, ValueError) as error:
        raise EvidenceError(f"{at}: not a log proof ({error})") from error
    if canonical(proof) != data:
        raise EvidenceError(f"{at}: not a log proof as the gate writes it")
    leaf = proof.leaf.encode("utf-8")
    if read_entry(leaf, source=at) != entry:
        raise EvidenceError(f"{at}: proves another log entry")
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
