"""`govprune trust`: who may decide, approve and waive; signed, versioned, and remembered."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..evidence.trust import TrustPolicy


@click.group()
def command() -> None:
    """Say whose signature counts, for what and until when: a signed trust policy."""


@command.command("init")
@click.argument("file", type=click.Path(path_type=Path), default=Path("trust.yaml"))
def init(file: Path) -> int:
    """Write a commented FILE (default trust.yaml) to start from."""
    from ..errors import InputError
    from ..evidence.trust_document import TEMPLATE

    if file.exists():
        raise InputError(f"{file} exists already; choose another name")
    file.write_text(TEMPLATE, encoding="utf-8")
    click.echo(f"{file}: fill it in, then: govprune trust sign {file} --by ROOT.key -o trust.json")
    return 0


@command.command("sign")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", "by", required=True, type=click.Path(path_type=Path),
              help="Key of a root (NAME.key).")  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path),
              help="Signed file to write; by default FILE, as .json.")  # fmt: skip
def sign(file: Path, by: Path, out: Path | None) -> int:
    """Sign FILE, a trust.yaml, or add a signature to FILE, a trust.json that another root signed.

    A changed version must be signed by enough roots of the version before, too.
    """
    from ..errors import InputError
    from ..evidence import dsse
    from ..evidence.accepted import read_envelope
    from ..evidence.durable import write_whole
    from ..evidence.key_files import load_signing_keys
    from ..evidence.trust import parse_trust_policy, people
    from ..evidence.trust_document import compile_trust_policy

    keys = load_signing_keys(by)
    signed = file.suffix == ".json"
    place = out or (file if signed else file.with_suffix(".json"))
    if signed:
        earlier: bytes | None = read_envelope(file)
        payload = dsse.unverified(earlier or b"", source=str(file))
    else:
        earlier = None
        payload = compile_trust_policy(file, now=datetime.now(UTC))
        if place.exists():
            raise InputError(
                f"{place} exists already. To add a signature to it: govprune trust sign {place} "
                f"--by {by}"
            )
    policy = parse_trust_policy(payload, source=str(file))
    _refuse_stranger(policy, keys.key_id, keys.owner)
    write_whole(place, dsse.sign_together(payload, keys, earlier=earlier))
    for line in _lines(policy):
        click.echo(_plain(line))
    roots = policy.holders("root")
    those = dsse.signers(read_envelope(place), roots, source=str(place))
    needed, have = policy.threshold("root"), len(people(k for k in roots if k.key_id in those))
    own = keys.key_id in policy.roles.root.keys
    root = "as a root" if own else f"which counts only if it was a root before {policy.version}"
    click.echo(f"{place}: signed by {keys.owner}, {root}; {have} of {needed} roots have signed")
    if have >= needed:
        before = "; roots of the version before must have signed, too" * (policy.version > 1)
        click.echo(f"next    govprune trust accept {place}{before}")
    return 0


def _refuse_stranger(policy: "TrustPolicy", key_id: str, owner: str) -> None:
    """Refuse the signature of whoever is no root, and cannot have been one before."""
    from ..errors import InputError
    from ..evidence.trust import ROLES

    if key_id in policy.roles.root.keys:
        return
    others = [role for role in ROLES if key_id in {k.key_id for k in policy.holders(role)}]
    if policy.version == 1 or others:
        what = f"is {', '.join(others)}" if others else "is not named"
        raise InputError(
            f"{owner} is no root of '{policy.name}' {policy.version} ({what}); roots sign it"
        )


@command.command("accept")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="The root keys have been compared; do not ask.")
def accept(files: tuple[Path, ...], *, yes: bool) -> int:
    """Rely on a signed trust policy from now on; several FILES are versions, one after another.

    Asked for once: compare the root keys with what their owners tell you. Later versions follow
    from it by their signatures.
    """
    import os

    from ..evidence import dsse
    from ..evidence.accepted import accept_envelope, accepted_folder, check_signed, read_envelope

    for file in files:
        envelope = read_envelope(file)  # once: what is shown is what is accepted
        policy = check_signed(envelope, source=str(file))
        known = os.path.lexists(accepted_folder() / f"{policy.name}.json")
        roots = () if known else policy.holders("root")
        if not known:
            for line in _lines(policy):
                click.echo(_plain(line))
            if not yes:
                click.confirm("Are these the root keys that their owners told you?", abort=True)
            signed = dsse.signers(envelope, policy.holders("root"), source=str(file))
            roots = tuple(key for key in roots if key.key_id in signed)
        accept_envelope(envelope, source=str(file), roots=roots, now=datetime.now(UTC))
        click.echo(f"accepted: {policy.name} version {policy.version}, until {policy.expires}")
    return 0


@command.command("show")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def show(file: Path | None) -> int:
    """Show a signed FILE, or all trust policies that this account has accepted."""
    from ..evidence import dsse
    from ..evidence.accepted import accepted_folder, read_envelope
    from ..evidence.trust import parse_trust_policy, people

    places = [file] if file is not None else sorted(accepted_folder().glob("*.json"))
    for place in places:
        envelope = read_envelope(place)
        payload = dsse.unverified(envelope, source=str(place))
        policy = parse_trust_policy(payload, source=str(place))
        for line in _lines(policy):
            click.echo(_plain(line))
        roots = policy.holders("root")
        signed = dsse.signers(envelope, roots, source=str(place))
        have = len(people(key for key in roots if key.key_id in signed))
        needed = policy.threshold("root")
        valid = "" if have >= needed else ": NOT VALID YET"
        click.echo(f"signed by {have} of {needed} roots that it needs{valid}")
    if not places:
        click.echo(f"No trust policy is accepted: {accepted_folder()} holds none.")
        click.echo("Next: govprune trust accept FILE.json, or govprune trust init")
    return 0


def _lines(policy: "TrustPolicy") -> Iterator[str]:
    from ..evidence.trust import ROLES

    yield f"{policy.name} version {policy.version}, issued {policy.issued}, until {policy.expires}"
    for role in ROLES:
        holders = policy.holders(role)
        if holders:
            yield f"  {role}, {policy.threshold(role)} of:"
            for key in holders:
                yield f"    {key.owner}  key {key.key_id}"
    for revoked in policy.revoked:
        stolen = "stolen" if revoked.stolen else "retired"
        yield f"  {stolen} since {revoked.since}: key {revoked.key[:16]}… ({revoked.because})"
    for what, asked in policy.demands:
        if asked:
            yield f"  demands a {what}"


def _plain(line: str) -> str:
    """Write out what would steer a terminal: these lines are what people compare."""
    return "".join(c if c.isprintable() else "?" for c in line)
