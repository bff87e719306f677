"""Who signs, and whose signature counts.

A signing key is one private file; a trusted key is one public file. Both hold two keys: Ed25519
signs envelopes and log checkpoints, ECDSA P-256 with its certificate signs the PDF, because PDF
readers know no Ed25519. A key file that others can read is refused, not warned about.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from ..errors import SigningKeyError

_OWNER_LENGTH = 64  # X.520 allows a common name no more
_VALID_DAYS = 3653
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


def public_pem(keys: "SigningKeys | TrustedKeys") -> bytes:
    """Return the public half as NAME.pub holds it: the Ed25519 key, then the certificate."""
    gate = keys.gate if isinstance(keys, TrustedKeys) else keys.gate.public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return gate.public_bytes(_PEM, spki) + keys.certificate.public_bytes(_PEM)


def owner_of(certificate: x509.Certificate) -> str:
    """Return the one common name of the certificate.

    Raises:
        SigningKeyError: It has none, several, or one that could not be printed on one line.
    """
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        raise SigningKeyError(f"certificate with {len(names)} common names; make new keys")
    return checked_owner(str(names[0].value))


def checked_owner(owner: str) -> str:
    """Return a name that fits a certificate and one line of a terminal.

    Raises:
        SigningKeyError: It does not.
    """
    if not owner.strip() or len(owner) > _OWNER_LENGTH or not owner.isprintable():
        raise SigningKeyError(
            f"owner {owner!r}: give a name of up to {_OWNER_LENGTH} printable characters, "
            "like gate@example.org"
        )
    return owner


# --- making


def new_keys(
    folder: Path, *, owner: str, name: str = "gate", passphrase: bytes | None = None
) -> tuple[Path, Path]:
    """Make a signing key and its public half; return the paths of NAME.key and NAME.pub.

    Args:
        folder: Where to write them; made if need be.
        owner: Whom the certificate names.
        name: Of the two files.
        passphrase: Encrypts the private half (PBES2, AES-256); None leaves that to the disk.

    Raises:
        SigningKeyError: One of the files exists, or a name cannot be used.
    """
    checked_owner(owner)
    if not _NAME.fullmatch(name):
        raise SigningKeyError(f"key name {name!r}: use letters, digits, dot, dash, underscore")
    secret, public = folder / f"{name}.key", folder / f"{name}.pub"
    for path in (secret, public):
        if os.path.lexists(path):
            raise SigningKeyError(f"{path} exists; choose another --name, keys are never replaced")
    gate, card = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(card, owner)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = SigningKeys(gate=gate, card=card, certificate=certificate)
    private = b"".join(_private_pem(key, passphrase) for key in (gate, card))
    write_new(secret, private + certificate.public_bytes(_PEM), 0o600)
    write_new(public, public_pem(made), 0o644)
    return secret, public


def _private_pem(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes | None
) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    if passphrase is None:
        return key.private_bytes(_PEM, form, serialization.NoEncryption())
    return key.private_bytes(_PEM, form, serialization.BestAvailableEncryption(passphrase))


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


def write_new(path: Path, data: bytes, mode: int) -> None:
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
