"""When an authority saw a verdict (RFC 3161): the one clock that is not the signer's own.

The trust policy pins the certificate of each authority; no chain is built and nothing is fetched.
The token says the digest of what was shown and the time; it is signed with RSA (PKCS #1 v1.5, at
least 2,048 bits) or ECDSA, and SHA-256 or longer.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ..errors import EvidenceError, InputError

_LIMIT = 100_000
_SECONDS = 20
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# What a parser of nested binary formats raises on input that is not what it claims to be.
_MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError,
              OverflowError)  # fmt: skip


def request_timestamp(url: str, data: bytes) -> bytes:
    """Ask an authority for a token over bytes; only their digest is sent.

    Returns:
        The token (DER), unverified.

    Raises:
        InputError: The authority cannot be reached, refuses, or answers something else.
    """
    from asn1crypto import tsp  # type: ignore[import-untyped]  # ships no types

    asked = tsp.TimeStampReq(
        {
            "version": 1,
            "message_imprint": {
                "hash_algorithm": {"algorithm": "sha256"},
                "hashed_message": hashlib.sha256(data).digest(),
            },
            "nonce": secrets.randbits(63),
            "cert_req": True,
        }
    )
    der: bytes = request_token(url, asked)["time_stamp_token"].dump()
    return der


def request_token(url: str, asked: Any) -> Any:
    """Send a request (TimeStampReq) and return the answer (TimeStampResp), its nonce compared.

    Raises:
        InputError: The authority cannot be reached, refuses, or answers something else.
    """
    from asn1crypto import tsp

    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"{url}: a timestamp authority has an http or https address")
    request = Request(  # noqa: S310 the scheme is checked above
        url, data=asked.dump(), headers={"Content-Type": "application/timestamp-query"}
    )
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 as above
            raw = answer.read(_LIMIT + 1)
    except (URLError, OSError, ValueError) as error:
        raise InputError(f"{url}: the timestamp authority cannot be reached ({error})") from error
    try:
        response = tsp.TimeStampResp.load(raw, strict=True)
        status = response["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            raise InputError(f"{url}: the timestamp authority refused ({status})")
        said = response["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
        same = said["nonce"].native == asked["nonce"].native
    except _MALFORMED as error:
        raise InputError(f"{url}: the answer is no timestamp ({error})") from error
    if not same:
        raise InputError(f"{url}: the answer is to another question; ask again")
    return response


def verify_timestamp(
    token: bytes, data: bytes, *, authorities: Sequence[str], source: str
) -> datetime:
    """Check a token; return when the authority saw `data`.

    Args:
        token: DER.
        data: What it must be over.
        authorities: Certificates in PEM; one of them must have signed.
        source: What the token is called in messages.

    Raises:
        EvidenceError: It is malformed, of other bytes, or of another authority.
    """
    from asn1crypto import cms

    if len(token) > _LIMIT:
        raise EvidenceError(f"{source}: longer than {_LIMIT} bytes; not a timestamp")
    try:
        content = cms.ContentInfo.load(token, strict=True)
        if content["content_type"].native != "signed_data":
            raise EvidenceError(f"{source}: not a timestamp")
        signed = content["content"]
        said, raw = _said(signed, source)
        info, certificate = _pinned(signed, authorities, source)
        message = _attributes(info, raw, certificate, source)
        _verify(info, certificate, message, source)
        imprint = said["message_imprint"]
        if (
            imprint["hash_algorithm"]["algorithm"].native != "sha256"
            or imprint["hashed_message"].native != hashlib.sha256(data).digest()
        ):
            raise EvidenceError(f"{source}: is over other bytes than the verdict")
        at: datetime = said["gen_time"].native.astimezone(UTC)
    except _MALFORMED as error:
        raise EvidenceError(f"{source}: the timestamp cannot be read ({error})") from error
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise EvidenceError(f"{source}: dated {at:%Y-%m-%d}, when the authority's certificate did "
                            "not hold")  # fmt: skip
    return at


def _said(signed: Any, source: str) -> tuple[Any, bytes]:
    """Return the statement (TSTInfo) and the bytes that it was signed as."""
    inner = signed["encap_content_info"]
    if inner["content_type"].native != "tst_info":
        raise EvidenceError(f"{source}: signs something else than a time")
    return inner["content"].parsed, inner["content"].contents


def _pinned(signed: Any, authorities: Sequence[str], source: str) -> tuple[Any, x509.Certificate]:
    """Return the one signer, and the certificate of the trust policy that is its."""
    if len(signed["signer_infos"]) != 1:
        raise EvidenceError(f"{source}: exactly one authority signs a timestamp")
    info = signed["signer_infos"][0]
    sid = info["sid"]
    if sid.name != "issuer_and_serial_number":
        raise EvidenceError(f"{source}: the signer is not named by issuer and number")
    for pem in authorities:
        certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
        same = (
            certificate.serial_number == sid.chosen["serial_number"].native
            and certificate.issuer.public_bytes() == sid.chosen["issuer"].dump()
        )
        if same:
            return info, certificate
    raise EvidenceError(f"{source}: of an authority that the trust policy does not name")


def _attributes(info: Any, raw: bytes, certificate: x509.Certificate, source: str) -> bytes:
    """Check what was signed beside the statement; return the bytes that the signature is over."""
    attributes = {a["type"].native: a["values"] for a in info["signed_attrs"]}
    if len(attributes) != len(info["signed_attrs"]):
        raise EvidenceError(f"{source}: the signature says the same thing twice")
    algorithm = info["digest_algorithm"]["algorithm"].native
    if algorithm not in _HASHES:
        raise EvidenceError(f"{source}: digest {algorithm}; only SHA-256 and longer count")
    digest = hashlib.new(algorithm, raw).digest()
    if attributes["content_type"].native != ["tst_info"] or attributes["message_digest"].native != [
        digest
    ]:
        raise EvidenceError(f"{source}: altered after it was signed")
    der = certificate.public_bytes(Encoding.DER)
    if "signing_certificate_v2" in attributes:
        named = attributes["signing_certificate_v2"][0]["certs"][0]
        name = named["hash_algorithm"]["algorithm"].native
        known = name in _HASHES and named["cert_hash"].native == hashlib.new(name, der).digest()
    else:
        named = attributes["signing_certificate"][0]["certs"][0]
        # RFC 3161 as of 2001 names the certificate by SHA-1; it is pinned byte by byte anyway.
        sha1 = hashlib.sha1(der, usedforsecurity=False).digest()
        known = named["cert_hash"].native == sha1
    if not known:
        raise EvidenceError(f"{source}: signed with another certificate than it names")
    message: bytes = info["signed_attrs"].untag().dump()
    return message


def _verify(info: Any, certificate: x509.Certificate, message: bytes, source: str) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise EvidenceError(f"{source}: the authority's certificate names no use") from error
    if list(usage.value) != [x509.oid.ExtendedKeyUsageOID.TIME_STAMPING] or not usage.critical:
        raise EvidenceError(f"{source}: the authority's certificate is not for timestamps alone")
    kind = _HASHES[info["digest_algorithm"]["algorithm"].native]
    signature, key = info["signature"].native, certificate.public_key()
    said = info["signature_algorithm"]["algorithm"].native
    plain = {"rsassa_pkcs1v15", f"{kind.name}_rsa", f"{kind.name}_ecdsa"}
    try:
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048 and said in plain:
            key.verify(signature, message, padding.PKCS1v15(), kind)
        elif isinstance(key, ec.EllipticCurvePublicKey) and said == f"{kind.name}_ecdsa":
            key.verify(signature, message, ec.ECDSA(kind))
        else:
            raise EvidenceError(f"{source}: signed with {said}, which does not count")
    except InvalidSignature as error:
        raise EvidenceError(
            f"{source}: the signature is not of this time; it was altered"
        ) from error
