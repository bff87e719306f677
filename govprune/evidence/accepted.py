"""Trust policies that this account has accepted: the last version of each, and how it changes.

The first one is accepted by a person who has compared its root keys. Each later one follows from
the one before, without anybody being asked; an older one, or another of the same version, is an
attack or a mistake, and refused.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from fcntl import LOCK_EX, flock
from pathlib import Path

from ..errors import EvidenceError, InputError, SubjectError
from ..subjects import open_regular
from . import dsse
from .account import account_home
from .durable import write_whole
from .keys import TrustedKeys
from .trust import TrustPolicy, parse_trust_policy, people
from .vsa import moment

_LIMIT = 1_000_000


def accepted_folder() -> Path:
    """Return the folder of trust policies that this account has accepted; it need not exist."""
    return account_home() / "trust-policies"


def use_trust_policy(
    path: Path, *, roots: Sequence[TrustedKeys] = (), now: datetime
) -> TrustPolicy:
    """Read a trust policy that this account may rely on, and remember it.

    Args:
        path: The signed file.
        roots: Keys of those who must have signed it, each of them, as a person says. Without
            any the policy must follow from a version that this account has accepted.
        now: The time, with its offset from UTC.

    Raises:
        InputError: The file is not there, or nobody has accepted it.
        EvidenceError: It is forged, altered, expired or older than one that was accepted.
    """
    return accept_envelope(read_envelope(path), source=str(path), roots=roots, now=now)


def accept_envelope(
    envelope: bytes, *, source: str, roots: Sequence[TrustedKeys] = (), now: datetime
) -> TrustPolicy:
    """Do as `use_trust_policy`, with bytes that were read, and perhaps shown, already.

    Raises:
        InputError: Nobody has accepted it.
        EvidenceError: It is forged, altered, expired or older than one that was accepted.
    """
    policy = check_signed(envelope, source=source)
    place = accepted_folder() / f"{policy.name}.json"
    before = _refuse(policy, envelope, place, roots, source)
    refuse_expired(policy, now, source=source)
    if before != envelope:
        with _alone(place):
            # Another process may have accepted a later version meanwhile.
            if _refuse(policy, envelope, place, roots, source) != envelope:
                write_whole(place, envelope)
    return policy


def _refuse(
    policy: TrustPolicy, envelope: bytes, place: Path, roots: Sequence[TrustedKeys], source: str
) -> bytes | None:
    """Refuse what nobody has accepted or does not follow; return what was accepted before."""
    before = read_envelope(place) if os.path.lexists(place) else None
    if before is None and not roots:
        keys = "\n".join(f"  {key.owner}  key {key.key_id}" for key in policy.holders("root"))
        raise InputError(
            f"{source}: nobody has accepted the trust policy '{policy.name}' on this account. "
            "Compare its root keys with what their owners tell you, then: "
            f"govprune trust accept {source}\n{keys}"
        )
    if roots:
        _all_of(envelope, policy, roots, source=source)
    if before is not None:
        _follows(policy, envelope, before, source=source)
    return before


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Keep other processes from remembering at the same time."""
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (place.parent / ".lock").open("a") as lock:
            flock(lock, LOCK_EX)
            yield
    except OSError as error:
        raise InputError(
            f"{place}: cannot be remembered ({error.strerror}); set GOVPRUNE_HOME to a folder that "
            "this account can write, or an older trust policy would go unnoticed"
        ) from error


def accepted(now: datetime) -> TrustPolicy | None:
    """Return the one trust policy that this account has accepted; None where there is none.

    Raises:
        InputError: There are several, and one must be named.
        EvidenceError: It is damaged or expired.
    """
    files = sorted(accepted_folder().glob("*.json"))
    if len(files) > 1:
        names = ", ".join(file.stem for file in files)
        raise InputError(f"this account has accepted several trust policies ({names}): say --trust")
    if not files:
        return None
    policy = check_signed(read_envelope(files[0]), source=str(files[0]))
    refuse_expired(policy, now, source=str(files[0]))
    return policy


def check_signed(envelope: bytes, *, source: str) -> TrustPolicy:
    """Read a trust policy and demand that enough of its own roots signed it.

    Raises:
        EvidenceError: They did not, or it is none.
    """
    policy = parse_trust_policy(dsse.unverified(envelope, source=source), source=source)
    _enough(envelope, policy, policy.holders("root"), source=source)
    return policy


def refuse_expired(policy: TrustPolicy, now: datetime, *, source: str) -> None:
    """Demand that a trust policy still says something."""
    if now >= moment(policy.expires, field="expires"):
        raise EvidenceError(
            f"{source}: the trust policy '{policy.name}' {policy.version} expired on "
            f"{policy.expires}. Get the next version from its owners; without one, nothing is "
            "known of keys revoked since"
        )


def _enough(
    envelope: bytes, policy: TrustPolicy, roots: Sequence[TrustedKeys], *, source: str
) -> None:
    """Demand that as many people as the policy asks for, and of these roots, signed it."""
    signed = dsse.signers(envelope, roots, source=source)
    own = set(policy.roles.root.keys)
    who = people(key for key in roots if key.key_id in signed and key.key_id in own)
    if len(who) < policy.threshold("root"):
        raise EvidenceError(
            f"{source}: signed by {len(who)} of {policy.threshold('root')} roots that it needs"
        )


def _all_of(
    envelope: bytes, policy: TrustPolicy, roots: Sequence[TrustedKeys], *, source: str
) -> None:
    """Demand that each of these roots signed it: whoever wrote it may have lowered the number."""
    signed = dsse.signers(envelope, roots, source=source)
    for key in roots:
        if key.key_id not in policy.roles.root.keys or key.key_id not in signed:
            raise EvidenceError(f"{source}: not signed by {key.owner} ({key.source}) as a root")


def _follows(policy: TrustPolicy, envelope: bytes, before: bytes, *, source: str) -> None:
    """Demand that a version follows from the one that was accepted, or is it."""
    known = check_signed(before, source="the accepted trust policy")
    if policy.version < known.version:
        raise EvidenceError(
            f"{source}: version {policy.version} of '{policy.name}' is older than version "
            f"{known.version}, which this account has seen; it was rolled back"
        )
    if policy.version == known.version:
        if policy != known:
            raise EvidenceError(
                f"{source}: another trust policy '{policy.name}' of the same version "
                f"{policy.version} was accepted; one of them is forged"
            )
        return
    signed = dsse.signers(envelope, known.holders("root"), source=source)
    who = people(key for key in known.holders("root") if key.key_id in signed)
    if len(who) < known.threshold("root"):
        raise EvidenceError(
            f"{source}: version {policy.version} is signed by {len(who)} roots of version "
            f"{known.version}, which asks for {known.threshold('root')}. Where roots changed "
            "several times, accept the versions one after another"
        )


def read_envelope(path: Path) -> bytes:
    """Read a signed trust policy.

    Raises:
        InputError: It is missing, a link, or too long.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            data = stream.read(_LIMIT + 1)
    except SubjectError as error:
        raise InputError(f"trust policy {error}") from error
    if len(data) > _LIMIT:
        raise InputError(f"{path}: longer than {_LIMIT} bytes; not a trust policy")
    return data
