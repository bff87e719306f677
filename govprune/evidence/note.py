"""Checkpoints: the size and root of a log, signed (C2SP signed-note and tlog-checkpoint).

Exactly one signature, Ed25519, by the gate's key under the log's own name.
Source: https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint, version 1.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import Field

from ..errors import EvidenceError
from ..records import Record
from .keys import SigningKeys, TrustedKeys

ORIGIN = r"govprune/log/[0-9a-f]{32}"
_ED25519 = b"\x01"  # the signature type's number in signed-note
_NOTE = re.compile(
    rf"({ORIGIN})\n(0|[1-9][0-9]{{0,14}})\n([A-Za-z0-9+/]{{43}}=)\n"
    r"\n— (\S+) ([A-Za-z0-9+/]+={0,2})\n"
)


class Checkpoint(Record):
    """The state of a log at one moment."""

    origin: str = Field(pattern=rf"^{ORIGIN}$")
    """Which log."""
    size: int = Field(ge=1)
    """Entries."""
    root: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Merkle tree hash over all entries (hex)."""


def sign_note(checkpoint: Checkpoint, keys: SigningKeys) -> str:
    """Return the checkpoint as a signed note."""
    text = _text(checkpoint)
    signature = keys.gate.sign(text.encode("utf-8"))
    marked = _key_hash(checkpoint.origin, keys.gate.public_key()) + signature
    return f"{text}\n— {checkpoint.origin} {_base64(marked)}\n"


def read_note(note: str, *, source: str) -> Checkpoint:
    """Read what a note says, WITHOUT checking who says so.

    Raises:
        EvidenceError: It is not a note as `sign_note` writes it.
    """
    return _parse(note, source)[0]


def verify_note(
    note: str, trusted: Sequence[TrustedKeys], *, source: str
) -> tuple[Checkpoint, TrustedKeys]:
    """Check a signed note; return what it says and who signed it.

    Raises:
        EvidenceError: It is malformed, or not signed by a trusted key.
    """
    checkpoint, signature = _parse(note, source)
    for keys in trusted:
        # The four bytes only say which key to try; the signature decides.
        if signature[:4] == _key_hash(checkpoint.origin, keys.gate):
            try:
                keys.gate.verify(signature[4:], _text(checkpoint).encode("utf-8"))
            except InvalidSignature:
                continue
            return checkpoint, keys
    raise EvidenceError(
        f"{source}: not signed by a trusted key; the log may have been rewritten. "
        "If the gate's key was changed, trust the old one too: govprune keys trust OLD.pub"
    )


def _parse(note: str, source: str) -> tuple[Checkpoint, bytes]:
    match = _NOTE.fullmatch(note)
    if match is None or match[4] != match[1]:
        raise EvidenceError(f"{source}: not a signed checkpoint of a govprune log")
    try:
        root, signature = (base64.b64decode(match[i], validate=True) for i in (3, 5))
    except binascii.Error as error:
        raise EvidenceError(f"{source}: not base64 ({error})") from error
    if _base64(root) != match[3] or _base64(signature) != match[5] or int(match[2]) < 1:
        raise EvidenceError(f"{source}: not the canonical spelling of a checkpoint")
    return Checkpoint(origin=match[1], size=int(match[2]), root=root.hex()), signature


def _text(checkpoint: Checkpoint) -> str:
    root = _base64(bytes.fromhex(checkpoint.root))
    return f"{checkpoint.origin}\n{checkpoint.size}\n{root}\n"


def _key_hash(name: str, public: Ed25519PublicKey) -> bytes:
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(name.encode("utf-8") + b"\n" + _ED25519 + raw).digest()[:4]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
