"""`govprune rollback`: back to the model before, verified again."""

from datetime import UTC, datetime
from pathlib import Path

import click

from ..evidence.key_files import load_signing_keys
from ..promotion import rollback
from ..registries.local import parse_target
from . import trusting
from .verify import REGISTRY


@click.command()
@click.argument("target", metavar="NAME[@ALIAS]")
@click.option("--registry", type=click.Path(path_type=Path, file_okay=False), default=REGISTRY,
              show_default=True)  # fmt: skip
@trusting.options
@click.option("--registrar-key", type=click.Path(path_type=Path),
              help="Signs the move, where the trust policy names registrars.")  # fmt: skip
def command(
    target: str,
    registry: Path,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
    registrar_key: Path | None,
) -> int:
    """Move an alias back to the last model before whose verdict still holds today.

    Before the first promotion there was the baseline: it is served again, bit for bit.

    Exit code 0: moved. 1: no earlier model holds. 4: the registry was altered.
    """
    name, alias = parse_target(target)
    now = datetime.now(UTC)
    gates, under = trusting.whom(key, trust, root_key, now, moving=True)
    moved = rollback(
        name,
        alias=alias,
        registry=registry,
        trusted=gates,
        now=now,
        under=under,
        keys=load_signing_keys(registrar_key) if registrar_key else None,
    )
    back = f"back to move {moved.origin}" if moved.origin else "back to the baseline"
    click.echo(
        f"ROLLED BACK {name}@{alias} -> sha256 {moved.move.candidate} (move {moved.position}, "
        f"{back})"
    )
    return 0
