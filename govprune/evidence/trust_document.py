"""Writing a trust policy: YAML that people review, compiled into the document that roots sign."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import Field, StrictBool, StrictInt, StrictStr, ValidationError

from .. import strict_yaml
from ..errors import InputError, SubjectError
from ..records import Record, canonical, refusal
from ..subjects import open_regular
from .key_files import load_trusted_keys
from .keys import TrustedKeys, public_pem
from .trust import Demands, Revoked, Sentence, TrustPolicy
from .vsa import moment, written

_LIMIT = 1_000_000
Name = Annotated[StrictStr, Field(min_length=1, max_length=80)]
File = Annotated[StrictStr, Field(min_length=1, max_length=1000)]

TEMPLATE = """\
# Whose signature counts, for what. Sign: govprune trust sign trust.yaml --by ROOT.key
name: our-models
version: 1                      # grows with every change
expires: "2027-12-31"           # a new version is due before
keys:                           # public halves, as `govprune keys new` writes them
  anna-root: keys/anna-root.pub
  gate: keys/gate.pub
  paul: keys/paul.pub
  vera: keys/vera.pub
  olga: keys/olga.pub
roles:
  root: {keys: [anna-root]}     # sign this document and nothing else
  gate: {keys: [gate]}
  producer: {keys: [paul]}      # say which candidate is theirs: govprune attest
  approver: {keys: [vera], threshold: 1}
  waiver-owner: {keys: [olga]}  # whoever waives a finding does not approve
# revoked:
#   - {key: gate, since: "2027-02-01", stolen: true, because: The disk was lost on a train.}
# timestamp-authorities: [tsa.pem]
# demands: {plan: true, timestamp: true}
"""


class HoldersSection(Record):
    """Who may act in a role, by the names under `keys`."""

    keys: tuple[Name, ...] = Field(min_length=1)
    threshold: StrictInt = Field(default=1, ge=1)


class RevokedSection(Record):
    """A key that counts no more, by its name under `keys`."""

    key: Name
    since: StrictStr
    stolen: StrictBool
    because: Sentence


class TrustDocument(Record):
    """A trust policy as people write it."""

    name: StrictStr
    version: StrictInt
    expires: StrictStr
    keys: dict[Name, File]
    roles: dict[StrictStr, HoldersSection]
    revoked: tuple[RevokedSection, ...] = ()
    timestamp_authorities: tuple[File, ...] = Field(default=(), alias="timestamp-authorities")
    demands: Demands = Demands()


def compile_trust_policy(path: Path, *, now: datetime) -> bytes:
    """Read the YAML, and the keys it names, into the bytes that roots sign.

    Raises:
        InputError: Something is missing or makes no sense; names file and line.
    """
    document, yaml = _read(path)
    by_name = {name: load_trusted_keys(path.parent / file) for name, file in document.keys.items()}

    def key_id(name: str, *where: str | int) -> str:
        if name not in by_name:
            raise InputError(f"{yaml.where(where)}: no key is called '{name}' under keys")
        return by_name[name].key_id

    roles = {
        role.replace("-", "_"): {
            "keys": tuple(sorted(key_id(name, "roles", role, "keys") for name in section.keys)),
            "threshold": section.threshold,
        }
        for role, section in document.roles.items()
    }
    try:
        values = {
            "name": document.name,
            "version": document.version,
            "issued": written(now),
            "expires": _time(document.expires),
            "keys": tuple(_texts(by_name)),
            "roles": roles,
            "revoked": tuple(
                Revoked(
                    key=key_id(r.key, "revoked", i, "key"),
                    since=_time(r.since),
                    stolen=r.stolen,
                    because=r.because,
                )
                for i, r in enumerate(document.revoked)
            ),
            "timestamp_authorities": tuple(
                _certificate(path.parent / file) for file in document.timestamp_authorities
            ),
            "demands": document.demands,
        }
        policy = TrustPolicy.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = tuple(p.replace("_", "-") if isinstance(p, str) else p for p in first["loc"])
        field = ".".join(str(part) for part in where)
        said = f"{field}: {refusal(first)}" if field else refusal(first)
        raise InputError(f"{yaml.where(where)}: {said}") from error
    return canonical(policy)


def _read(path: Path) -> tuple[TrustDocument, strict_yaml.Document]:
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            text = stream.read(_LIMIT + 1).decode("utf-8")
    except SubjectError as error:
        raise InputError(f"trust policy {error}; `govprune trust init` writes one") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text") from error
    yaml = strict_yaml.load(text, source=str(path), error=InputError)
    try:
        return TrustDocument.model_validate(yaml.value), yaml
    except ValidationError as error:
        raise InputError(strict_yaml.explain(error, yaml)) from error


def _texts(by_name: dict[str, TrustedKeys]) -> list[str]:
    by_id = {keys.key_id: keys for keys in by_name.values()}
    return [public_pem(by_id[key_id]).decode("ascii") for key_id in sorted(by_id)]


def _time(text: str) -> str:
    """Read a day, which begins at midnight UTC, or a whole RFC 3339 time."""
    return written(moment(f"{text}T00:00:00Z" if len(text) == 10 else text, field="time"))


def _certificate(path: Path) -> str:
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            read = x509.load_pem_x509_certificate(stream.read(_LIMIT))
        usage = read.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except SubjectError as error:
        raise InputError(f"timestamp authority {error}") from error
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise InputError(f"{path}: no certificate of a timestamp authority ({error})") from error
    if list(usage.value) != [x509.oid.ExtendedKeyUsageOID.TIME_STAMPING] or not usage.critical:
        raise InputError(f"{path}: the certificate is not for timestamps alone")
    return read.public_bytes(Encoding.PEM).decode("ascii")
