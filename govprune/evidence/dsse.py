"""Envelopes: which bytes were signed, and by whom (DSSE v1). Parse only what this returns.

The reader accepts one way of writing: exactly one signature, by a trusted Ed25519 key, over
canonical JSON with canonical base64. There is no algorithm field to downgrade.
Source: https://github.com/secure-systems-lab/dsse, protocol.md and envelope.md, version 1.0.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature

from ..errors import EvidenceError
from ..records import canonical, parse_json
from .keys import SigningKeys, TrustedKeys
from .statement import PAYLOAD_TYPE


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


TRUST_TYPE = "application/vnd.govprune.trust+json"
"""Payload type of trust policies: no envelope of one kind is ever read as one of the other."""
MOST_SIGNATURES = 40


def sign(payload: bytes, keys: SigningKeys | None) -> bytes:
    """Return the envelope of an in-toto statement as canonical JSON bytes.

    Args:
        payload: The statement.
        keys: Who signs. None leaves the list of signatures empty: `verify` refuses that always.
    """
    signatures = []
    if keys is not None:
        signature = keys.gate.sign(pae(PAYLOAD_TYPE, payload))
        signatures.append({"keyid": keys.key_id, "sig": _encode(signature)})
    return canonical(
        {"payload": _encode(payload), "payloadType": PAYLOAD_TYPE, "signatures": signatures}
    )


def verify(
    envelope: bytes, trusted: Sequence[TrustedKeys], *, source: str
) -> tuple[bytes, TrustedKeys]:
    """Check the envelope; return the signed payload and who signed it.

    Args:
        envelope: Bytes from anywhere.
        trusted: Whose signature counts.
        source: What the envelope is called in messages.

    Raises:
        EvidenceError: Unsigned, signed twice, signed by a stranger, altered, or written in
            any other way than `sign` writes.
    """
    content = _fields(parse_json(envelope, source=source), source)
    payload = _decode(content["payload"], source)
    key_id, signature = _one_signature(content["signatures"], source)
    # Every value is now text of a known shape: only `sign`'s way of writing them is left.
    if canonical(content) != envelope:
        raise EvidenceError(f"{source}: the envelope is not in canonical form; it was rewritten")
    signer = next((keys for keys in trusted if keys.key_id == key_id), None)
    if signer is None:
        known = ", ".join(f"{k.owner} ({k.source})" for k in trusted) or "nobody"
        raise EvidenceError(
            f"{source}: signed by key {key_id[:16]}…, which is not trusted (trusted: {known}). "
            "If you know whose it is: govprune keys trust FILE.pub"
        )
    try:
        signer.gate.verify(signature, pae(PAYLOAD_TYPE, payload))
    except InvalidSignature as error:
        raise EvidenceError(
            f"{source}: the signature is not of this content; it was altered after {signer.owner} "
            "signed it, or never signed. Do not use it."
        ) from error
    return payload, signer


def sign_together(payload: bytes, keys: SigningKeys, *, earlier: bytes | None) -> bytes:
    """Return the envelope of a trust policy, with one more signature than `earlier` has.

    Raises:
        EvidenceError: `earlier` is an envelope of something else, or signed by this key already.
    """
    signatures: list[dict[str, str]] = []
    if earlier is not None:
        content = _fields(parse_json(earlier, source="earlier"), "earlier", TRUST_TYPE)
        if _decode(content["payload"], "earlier") != payload:
            raise EvidenceError("the file that is there holds another trust policy; it is kept")
        given = content["signatures"]
        if not isinstance(given, list) or len(given) >= MOST_SIGNATURES:
            raise EvidenceError(f"between 1 and {MOST_SIGNATURES} signatures are allowed")
        signatures = [
            {"keyid": key_id, "sig": _encode(signature)}
            for key_id, signature in (_one_signature([entry], "earlier") for entry in given)
        ]
    if any(entry["keyid"] == keys.key_id for entry in signatures):
        raise EvidenceError(f"{keys.owner} has signed it already")
    signature = keys.gate.sign(pae(TRUST_TYPE, payload))
    signatures.append({"keyid": keys.key_id, "sig": _encode(signature)})
    signatures.sort(key=lambda entry: entry["keyid"])
    content = {"payload": _encode(payload), "payloadType": TRUST_TYPE, "signatures": signatures}
    return canonical(content)


def unverified(envelope: bytes, *, source: str) -> bytes:
    """Return the payload of a trust policy WITHOUT checking who signed it."""
    content = _fields(parse_json(envelope, source=source), source, TRUST_TYPE)
    return _decode(content["payload"], source)


def payload_of(envelope: bytes, *, source: str) -> bytes:
    """Return the payload of an in-toto statement WITHOUT checking who signed it."""
    content = _fields(parse_json(envelope, source=source), source)
    return _decode(content["payload"], source)


def signers(envelope: bytes, keys: Sequence[TrustedKeys], *, source: str) -> frozenset[str]:
    """Return which of these keys signed the envelope of a trust policy, by key id.

    A key id is the digest of the key itself, so a key counts once under whatever name.

    Raises:
        EvidenceError: A signature is not of this content, or one key signed twice.
    """
    content = _fields(parse_json(envelope, source=source), source, TRUST_TYPE)
    payload = _decode(content["payload"], source)
    given = content["signatures"]
    if not isinstance(given, list) or not 0 < len(given) <= MOST_SIGNATURES:
        raise EvidenceError(f"{source}: between 1 and {MOST_SIGNATURES} signatures are allowed")
    found = [_one_signature([entry], source) for entry in given]
    if [key_id for key_id, _ in found] != sorted({key_id for key_id, _ in found}):
        raise EvidenceError(f"{source}: one key signed twice, or the signatures are out of order")
    if canonical(content) != envelope:
        raise EvidenceError(f"{source}: the envelope is not in canonical form; it was rewritten")
    by_id = {known.key_id: known for known in keys}
    counted = set()
    for key_id, signature in found:
        if key_id not in by_id:
            continue
        try:
            by_id[key_id].gate.verify(signature, pae(TRUST_TYPE, payload))
        except InvalidSignature as error:
            raise EvidenceError(
                f"{source}: the signature of {by_id[key_id].owner} is not of this content; it was "
                "altered after it was signed, or never signed. Do not use it."
            ) from error
        counted.add(key_id)
    return frozenset(counted)


def _fields(content: Any, source: str, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    if not isinstance(content, dict) or set(content) != {"payload", "payloadType", "signatures"}:
        raise EvidenceError(f"{source}: not a DSSE envelope")
    if content["payloadType"] != payload_type:
        raise EvidenceError(f"{source}: payload type {content['payloadType']!r} is not accepted")
    return content


def _one_signature(signatures: Any, source: str) -> tuple[str, bytes]:
    if not isinstance(signatures, list):
        raise EvidenceError(f"{source}: not a DSSE envelope (signatures is no list)")
    if not signatures:
        raise EvidenceError(f"{source}: nobody signed it; run the gate again with a signing key")
    if len(signatures) != 1:
        raise EvidenceError(f"{source}: {len(signatures)} signatures, expected exactly one")
    entry = signatures[0]
    if not isinstance(entry, dict) or set(entry) != {"keyid", "sig"}:
        raise EvidenceError(f"{source}: a signature has keyid and sig, nothing else")
    if not isinstance(entry["keyid"], str):
        raise EvidenceError(f"{source}: keyid is not text")
    return entry["keyid"], _decode(entry["sig"], source)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: Any, source: str) -> bytes:
    if not isinstance(text, str):
        raise EvidenceError(f"{source}: base64 text expected")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvidenceError(f"{source}: not base64 ({error})") from error
    # Base64 has spare bits at its end: only the spelling that encoding gives is accepted.
    if _encode(data) != text:
        raise EvidenceError(f"{source}: not the canonical base64 spelling")
    return data
