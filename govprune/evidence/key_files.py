"""Key files: PEM from a hostile source, of exactly the kinds that govprune writes."""

import getpass
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ..errors import SigningKeyError, SubjectError
from ..subjects import open_regular
from .keys import SigningKeys, TrustedKeys, owner_of
from .weak_keys import refuse_weak

_LIMIT = 64_000
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\n[A-Za-z0-9+/=\n]+-----END \1-----\n")


def load_signing_keys(path: Path) -> SigningKeys:
    """Read a signing key file (two PKCS8 private keys and a certificate, PEM).

    An encrypted one asks for its passphrase: $GOVPRUNE_PASSPHRASE, or typed on a terminal.

    Raises:
        SigningKeyError: It is missing, a link, readable by others, or not what it should be.
    """
    blocks = _blocks(_read(path, forbidden=0o077, remedy=f"chmod 600 {path}"), str(path))
    locked = any(kind == "ENCRYPTED PRIVATE KEY" for kind, _ in blocks)
    private = "ENCRYPTED PRIVATE KEY" if locked else "PRIVATE KEY"
    if sorted(kind for kind, _ in blocks) != ["CERTIFICATE", private, private]:
        raise SigningKeyError(
            f"{path}: not a signing key file of govprune (two PRIVATE KEY and one CERTIFICATE); "
            "make one with `govprune keys new`"
        )
    passphrase = _passphrase(path) if locked else None
    gate = card = certificate = None
    for kind, pem in blocks:
        made = _parse(kind, pem, path, passphrase)
        if isinstance(made, ed25519.Ed25519PrivateKey):
            gate = made
        elif isinstance(made, ec.EllipticCurvePrivateKey) and _is_p256(made):
            card = made
        elif isinstance(made, x509.Certificate):
            certificate = made
    if gate is None or card is None or certificate is None:
        raise SigningKeyError(f"{path}: needs one Ed25519 and one ECDSA P-256 key, no other kinds")
    if certificate.public_key() != card.public_key():
        raise SigningKeyError(f"{path}: the certificate is not of the ECDSA key beside it")
    _check_certificate(certificate, path)
    return SigningKeys(gate=gate, card=card, certificate=certificate)


def load_trusted_keys(path: Path) -> TrustedKeys:
    """Read a public key file (PUBLIC KEY and CERTIFICATE, PEM).

    Raises:
        SigningKeyError: It is missing, a link, writable by everyone, or not what it should be.
    """
    text = _read(path, forbidden=0o002, remedy=f"chmod o-w {path}")
    return parse_trusted_keys(text, source=str(path))


def parse_trusted_keys(text: str, *, source: str) -> TrustedKeys:
    """Read the text of a public key file.

    Raises:
        SigningKeyError: It is not what it should be.
    """
    path = source
    blocks = _blocks(text, source)
    if sorted(kind for kind, _ in blocks) != ["CERTIFICATE", "PUBLIC KEY"]:
        raise SigningKeyError(
            f"{path}: not a public key file of govprune (one PUBLIC KEY and one CERTIFICATE); "
            "ask for the .pub that `govprune keys new` wrote"
        )
    gate = certificate = None
    for kind, pem in blocks:
        made = _parse(kind, pem, path)
        if isinstance(made, ed25519.Ed25519PublicKey):
            gate = made
        elif isinstance(made, x509.Certificate):
            certificate = made
    if gate is None or certificate is None:
        raise SigningKeyError(f"{path}: the public key is not Ed25519; no other kind is accepted")
    refuse_weak(gate, source=source)
    _check_certificate(certificate, path)
    return TrustedKeys(gate=gate, certificate=certificate, source=source)


def _read(path: Path, *, forbidden: int, remedy: str) -> str:
    """Return the text of a file that has none of the `forbidden` permission bits."""
    try:
        fd = open_regular(path)
    except SubjectError as error:
        raise SigningKeyError(f"key {error}") from error
    with os.fdopen(fd, "rb") as stream:
        if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & forbidden:
            raise SigningKeyError(f"{path}: open to other accounts; run: {remedy}")
        return stream.read(_LIMIT + 1).decode("ascii", errors="replace")


def _blocks(text: str, source: str) -> list[tuple[str, bytes]]:
    if len(text) > _LIMIT:
        raise SigningKeyError(f"{source}: longer than {_LIMIT} bytes; not a key file")
    blocks = [(match[1], match[0].encode("ascii")) for match in _BLOCK.finditer(text)]
    # Nothing beside the blocks: a reader that skips text can be shown two things at once.
    if not blocks or b"".join(pem for _, pem in blocks).decode("ascii") != text:
        raise SigningKeyError(f"{source}: not a PEM file of keys, or has text between them")
    return blocks


def _passphrase(path: Path) -> bytes:
    """Return what unlocks a key file: from the environment, or typed by a person."""
    given = os.environ.get("GOVPRUNE_PASSPHRASE")
    if given is None and sys.stdin.isatty():
        given = getpass.getpass(f"passphrase of {path}: ")
    if not given:
        raise SigningKeyError(
            f"{path}: is encrypted; set GOVPRUNE_PASSPHRASE, or run this on a terminal"
        )
    return given.encode("utf-8")


def _parse(kind: str, pem: bytes, path: Path | str, passphrase: bytes | None = None) -> Any:
    try:
        if kind == "CERTIFICATE":
            return x509.load_pem_x509_certificate(pem)
        if kind == "PUBLIC KEY":
            return serialization.load_pem_public_key(pem)
        return serialization.load_pem_private_key(pem, password=passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise SigningKeyError(f"{path}: {kind.lower()} cannot be read ({error})") from error


def _is_p256(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> bool:
    return isinstance(key.curve, ec.SECP256R1)


def _check_certificate(certificate: x509.Certificate, path: Path | str) -> None:
    """Demand ECDSA P-256, signed by itself, naming its owner."""
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(f"{path}: the certificate's key cannot be read ({error})") from error
    if not isinstance(public, ec.EllipticCurvePublicKey) or not _is_p256(public):
        raise SigningKeyError(f"{path}: the certificate is not of an ECDSA P-256 key")
    try:
        certificate.verify_directly_issued_by(certificate)
        owner_of(certificate)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise SigningKeyError(f"{path}: the certificate is not signed by itself") from error
    except SigningKeyError as error:
        raise SigningKeyError(f"{path}: {error}") from error
