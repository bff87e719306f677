"""Whose signature counts, as every command that verifies asks for it."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..evidence.keys import TrustedKeys
    from ..evidence.trust import TrustPolicy

Command = TypeVar("Command", bound=Callable[..., Any])


def options(command: Command) -> Command:
    """Add --key, --trust and --root-key."""
    for option in (
        click.option("--root-key", "root_key", multiple=True, type=click.Path(path_type=Path),
                     help="Public key that must have signed the trust policy as a root; where "
                          "this account remembers none."),
        click.option("--trust", type=click.Path(path_type=Path),
                     help="Signed trust policy: who may decide, approve and waive. Without it, "
                          "the one this account has accepted."),
        click.option("--key", "key", multiple=True, type=click.Path(path_type=Path),
                     help="Public key file of a gate to trust, without any trust policy."),
    ):  # fmt: skip
        command = option(command)
    return command


def whom(
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
    now: datetime,
    *,
    moving: bool = False,
) -> "tuple[tuple[TrustedKeys, ...], TrustPolicy | None]":
    """Return the gates that are trusted, and the trust policy that says so, if one does.

    Args:
        key: Bare keys of gates.
        trust: A signed trust policy.
        root_key: Keys of roots that must have signed it.
        now: The time.
        moving: Whether an alias will be moved: then a bare key does not step over a trust policy
            that this account has accepted.

    Raises:
        InputError: The options contradict each other, or nobody is trusted.
        EvidenceError: The trust policy is forged, expired or rolled back.
    """
    from ..errors import InputError
    from ..evidence.accepted import accepted, use_trust_policy
    from ..evidence.account import trusted
    from ..evidence.key_files import load_trusted_keys

    if key and (trust is not None or root_key):
        raise InputError("--key trusts a bare key, --trust a policy about keys: give one of them")
    if trust is None and root_key:
        raise InputError("--root-key says who signed a trust policy: name that with --trust")
    if key:
        if moving and accepted(now) is not None:
            raise InputError(
                "this account has accepted a trust policy, which says what it takes to move an "
                "alias; --key would step over it. Leave --key out"
            )
        return trusted(key), None
    if trust is not None:
        policy = use_trust_policy(trust, roots=[load_trusted_keys(p) for p in root_key], now=now)
        return policy.holders("gate"), policy
    found = accepted(now)
    return (trusted(()), None) if found is None else (found.holders("gate"), found)
