"""`govprune keys`: make signing keys, and say whose signatures count on this account."""

import getpass
import os
import platform
from pathlib import Path

import click

from ..evidence import account, key_files, keys


@click.group()
def command() -> None:
    """Make signing keys and say whose keys this account trusts."""


@command.command("new")
@click.option("--owner", help="Who decides with this key, e.g. credit-gate@example.org.")
@click.option("--name", default="gate", show_default=True, help="Of the two files.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("keys"),
    show_default=True,
    help="Where to write them; never into a repository that others read.",
)
@click.option("--encrypt", is_flag=True,
              help="Lock the private half: $GOVPRUNE_PASSPHRASE, or asked for.")  # fmt: skip
@click.option("--no-trust", is_flag=True, help="Do not trust the new key on this account.")
def new(owner: str | None, name: str, folder: Path, *, encrypt: bool, no_trust: bool) -> int:
    """Make a signing key (NAME.key, private) and its public half (NAME.pub)."""
    passphrase = _new_passphrase() if encrypt else None
    secret, public = keys.new_keys(
        folder, owner=owner or _account(), name=name, passphrase=passphrase
    )
    made = key_files.load_trusted_keys(public)
    click.echo(f"{secret}  signs; keep it where only its owner can read it")
    click.echo(f"{public}  verifies; give it to whoever relies on the gate")
    if no_trust:
        click.echo(
            "This account trusts nothing it signs: name it in a trust policy, or: keys trust"
        )
    else:
        click.echo(f"{account.trust(public)}  this account trusts it from now on")
    click.echo(f"owner {made.owner}, key {made.key_id}")
    return 0


@command.command("list")
def list_trusted() -> int:
    """List the keys that this account trusts."""
    trusted = account.account_keys()
    for found in trusted:
        until = found.certificate.not_valid_after_utc.date()
        click.echo(f"{found.owner}  key {found.key_id}  certificate until {until}  {found.source}")
    if not trusted:
        click.echo(f"No key is trusted: {account.account_trust()} holds none.")
        click.echo("Next: govprune keys trust FILE.pub")
    return 0


@command.command("trust")
@click.argument("file", type=click.Path(path_type=Path))
def trust(file: Path) -> int:
    """Trust the key in FILE from now on: whatever it signed verifies on this account."""
    found = key_files.load_trusted_keys(file)
    place = account.trust(file)
    click.echo(f"trusted: {found.owner}, key {found.key_id}")
    click.echo(f"{place}  remove this file to end it")
    return 0


def _new_passphrase() -> bytes:
    given = os.environ.get("GOVPRUNE_PASSPHRASE") or click.prompt(
        "passphrase", hide_input=True, confirmation_prompt=True
    )
    return str(given).encode("utf-8")


def _account() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid-{os.getuid()}"  # an account without a name, as containers have
    return f"{user}@{platform.node() or 'localhost'}"[:64]
