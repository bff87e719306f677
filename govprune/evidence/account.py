"""Whom this account trusts: a folder of public keys that a person put there, one by one."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import SigningKeyError
from .key_files import load_trusted_keys
from .keys import TrustedKeys, public_pem, write_new


def account_home() -> Path:
    """Return the folder in which this account remembers what a person told it."""
    if home := os.environ.get("GOVPRUNE_HOME"):
        return Path(home)
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "govprune"


def account_trust() -> Path:
    """Return the folder of public keys that this account trusts; it need not exist."""
    return account_home() / "trusted"


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
    write_new(place, public_pem(keys), 0o644)
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
