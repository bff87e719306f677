"""`govprune rollback`: back to the model before, verified again."""

from datetime import UTC, datetime
from pathlib import Path

import click

from ..evidence.account import trusted
from ..promotion import rollback
from ..registries.local import parse_target
from .verify import REGISTRY


@click.command()
@click.argument("target", metavar="NAME[@ALIAS]")
@click.option("--registry", type=click.Path(path_type=Path, file_okay=False), default=REGISTRY,
              show_default=True)  # fmt: skip
@click.option("--key", "key", multiple=True, type=click.Path(path_type=Path),
              help="Public key file to trust; without it, those this account trusts.")  # fmt: skip
def command(target: str, registry: Path, key: tuple[Path, ...]) -> int:
    """Move an alias back to the last model before whose verdict still holds today.

    Before the first promotion there was the baseline: it is served again, bit for bit.

    Exit code 0: moved. 1: no earlier model holds. 4: the registry was altered.
    """
    name, alias = parse_target(target)
    moved = rollback(
        name, alias=alias, registry=registry, trusted=trusted(key), now=datetime.now(UTC)
    )
    back = f"back to move {moved.origin}" if moved.origin else "back to the baseline"
    click.echo(
        f"ROLLED BACK {name}@{alias} -> sha256 {moved.move.candidate} (move {moved.position}, "
        f"{back})"
    )
    return 0
