"""Who signs, and whose signature counts.

A signing key is one private file; a trusted key is one public file. Both hold two keys: Ed25519
signs envelopes and log checkpoints, ECDSA P-256 with its certificate signs the PDF, because PDF
readers know no Ed25519. A key file that others can read is refused, not warned about.
"""

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from ..errors import SigningKeyError, SubjectError
from ..subjects import open_regular

_LIMIT = 64_000
_OWNER_LENGTH = 64  # X.520 allows a common name no more
_VALID_DAYS = 3653
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\n[A-Za-z0-9+/=\n]+-----END \1-----\n")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class SigningKeys:
    """What the gate signs with."""

    gate: ed25519.Ed25519PrivateKey
    """Signs envelopes and log checkpoints."""
    card: ec.EllipticCurvePrivateKey
    """P-256; signs the PDF."""
    certificate: x509.Certificate
    """Of `card`; self-signed, its common name is the owner."""

    @property
    def key_id(self) -> str:
        """SHA-256 (hex) of the Ed25519 public key."""
        return key_id_of(self.gate.public_key())

    @property
    def owner(self) -> str:
        """Who the certificate names."""
        return owner_of(self.certificate)


@dataclass(frozen=True)
class TrustedKeys:
    """Whose signature counts."""

    gate: ed25519.Ed25519PublicKey
    certificate: x509.Certificate
    source: str
    """The file it was read from, for messages."""

    @property
    def key_id(self) -> str:
        """SHA-256 (hex) of the Ed25519 public key."""
        return key_id_of(self.gate)

    @property
    def owner(self) -> str:
        """Who the certificate names."""
        return owner_of(self.certificate)


def key_id_of(public: ed25519.Ed25519PublicKey) -> str:
    """Return the SHA-256 (hex) of the key's SubjectPublicKeyInfo in DER."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(public.public_bytes(serialization.Encoding.DER, spki)).hexdigest()


def owner_of(certificate: x509.Certificate) -> str:
    """Return the one common name of the certificate.

    Raises:
        SigningKeyError: It has none, several, or one that could not be printed on one line.
    """
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        raise SigningKeyError(f"certificate with {len(names)} common names; make new keys")
    return _checked_owner(str(names[0].value))


def _checked_owner(owner: str) -> str:
    if not owner.strip() or len(owner) > _OWNER_LENGTH or not owner.isprintable():
        raise SigningKeyError(
            f"owner {owner!r}: give a name of up to {_OWNER_LENGTH} printable characters, "
            "like gate@example.org"
        )
    return owner


# --- making


def new_keys(folder: Path, *, owner: str, name: str = "gate") -> tuple[Path, Path]:
    """Make a signing key and its public half; return the paths of NAME.key and NAME.pub.

    Raises:
        SigningKeyError: One of the files exists, or a name cannot be used.
    """
    _checked_owner(owner)
    if not _NAME.fullmatch(name):
        raise SigningKeyError(f"key name {name!r}: use letters, digits, dot, dash, underscore")
    secret, public = folder / f"{name}.key", folder / f"{name}.pub"
    for path in (secret, public):
        if os.path.lexists(path):
            raise SigningKeyError(f"{path} exists; choose another --name, keys are never replaced")
    gate, card = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(card, owner)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(secret, _private_pem(gate) + _private_pem(card) + certificate.public_bytes(_PEM), 0o600)
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    _write(
        public,
        gate.public_key().public_bytes(_PEM, spki) + certificate.public_bytes(_PEM),
        0o644,
    )
    return secret, public


def _private_pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(_PEM, form, serialization.NoEncryption())


def _certificate(card: ec.EllipticCurvePrivateKey, owner: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, owner)])
    # From midnight: a reader whose clock is some hours behind still finds it valid.
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    public = card.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=_VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )
    return builder.sign(card, hashes.SHA256())


def _write(path: Path, data: bytes, mode: int) -> None:
    """Create a file that did not exist, with this mode from its first moment."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, mode)
    except FileExistsError as error:
        raise SigningKeyError(f"{path} exists; keys are never replaced") from error
    with os.fdopen(fd, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


# --- reading


def load_signing_keys(path: Path) -> SigningKeys:
    """Read a signing key file (two PKCS8 private keys and a certificate, PEM).

    Raises:
        SigningKeyError: It is missing, a link, readable by others, or not what it should be.
    """
    blocks = _read(path, forbidden=0o077, remedy=f"chmod 600 {path}")
    if sorted(kind for kind, _ in blocks) != ["CERTIFICATE", "PRIVATE KEY", "PRIVATE KEY"]:
        raise SigningKeyError(
            f"{path}: not a signing key file of govprune (two PRIVATE KEY and one CERTIFICATE); "
            "make one with `govprune keys new`"
        )
    gate = card = certificate = None
    for kind, pem in blocks:
        made = _parse(kind, pem, path)
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
    blocks = _read(path, forbidden=0o002, remedy=f"chmod o-w {path}")
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
    _check_certificate(certificate, path)
    return TrustedKeys(gate=gate, certificate=certificate, source=str(path))


def _read(path: Path, *, forbidden: int, remedy: str) -> list[tuple[str, bytes]]:
    """Return the PEM blocks of a file that has none of the `forbidden` permission bits."""
    try:
        fd = open_regular(path)
    except SubjectError as error:
        raise SigningKeyError(f"key {error}") from error
    with os.fdopen(fd, "rb") as stream:
        if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & forbidden:
            raise SigningKeyError(f"{path}: open to other accounts; run: {remedy}")
        text = stream.read(_LIMIT + 1).decode("ascii", errors="replace")
    blocks = [(match[1], match[0].encode("ascii")) for match in _BLOCK.finditer(text)]
    # Nothing beside the blocks: a reader that skips text can be shown two things at once.
    if not blocks or b"".join(pem for _, pem in blocks).decode("ascii") != text:
        raise SigningKeyError(f"{path}: not a PEM file of keys, or has text between them")
    return blocks


def _parse(kind: str, pem: bytes, path: Path) -> Any:
    try:
        if kind == "CERTIFICATE":
            return x509.load_pem_x509_certificate(pem)
        if kind == "PUBLIC KEY":
            return serialization.load_pem_public_key(pem)
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(f"{path}: {kind.lower()} cannot be read ({error})") from error


def _is_p256(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> bool:
    return isinstance(key.curve, ec.SECP256R1)


def _check_certificate(certificate: x509.Certificate, path: Path) -> None:
    """Demand ECDSA P-256, signed by itself, naming its owner."""
    public = certificate.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or not _is_p256(public):
        raise SigningKeyError(f"{path}: the certificate is not of an ECDSA P-256 key")
    try:
        certificate.verify_directly_issued_by(certificate)
        owner_of(certificate)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise SigningKeyError(f"{path}: the certificate is not signed by itself") from error
    except SigningKeyError as error:
        raise SigningKeyError(f"{path}: {error}") from error


# --- whom this account trusts


def account_trust() -> Path:
    """Return the folder of public keys that this account trusts; it need not exist."""
    if home := os.environ.get("GOVPRUNE_HOME"):
        return Path(home) / "trusted"
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "govprune" / "trusted"


def trust(public: Path) -> Path:
    """Copy a public key into `account_trust()`; return where it lies. Twice is as good as once."""
    keys = load_trusted_keys(public)
    words = re.sub(r"[^a-z0-9]+", "-", keys.owner.lower()).strip("-") or "key"
    place = account_trust() / f"{words}-{keys.key_id[:12]}.pub"
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.path.lexists(place):
        if load_trusted_keys(place).certificate != keys.certificate:
            raise SigningKeyError(f"{place} holds another certificate of this key; remove it first")
        return place
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    _write(place, keys.gate.public_bytes(_PEM, spki) + keys.certificate.public_bytes(_PEM), 0o644)
    return place


def account_keys() -> tuple[TrustedKeys, ...]:
    """Return the keys that this account trusts; none is no error."""
    return _each_once(sorted(account_trust().glob("*.pub")))


def trusted(paths: Sequence[Path]) -> tuple[TrustedKeys, ...]:
    """Return the keys in the given files, or all that this account trusts; each key once.

    Raises:
        SigningKeyError: There is none, or two files disagree about one key.
    """
    found = _each_once(paths) if paths else account_keys()
    if not found:
        raise SigningKeyError(
            f"no key is trusted: give --key FILE.pub, or run `govprune keys trust FILE.pub` "
            f"(looked in {account_trust()})"
        )
    return found


def _each_once(files: Sequence[Path]) -> tuple[TrustedKeys, ...]:
    by_id: dict[str, TrustedKeys] = {}
    for path in files:
        keys = load_trusted_keys(path)
        known = by_id.setdefault(keys.key_id, keys)
        if known.certificate != keys.certificate:
            raise SigningKeyError(
                f"{known.source} and {path} hold one key with two certificates; remove one"
            )
    return tuple(by_id.values())
