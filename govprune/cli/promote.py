"""`govprune promote`: verify a bundle, then let an alias point at its candidate."""

from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import ValidationError

from ..errors import EvidenceError
from ..evidence.bundle_folder import read_bundle
from ..evidence.entry import Proof
from ..evidence.key_files import load_signing_keys
from ..evidence.log import Log
from ..evidence.note import read_note
from ..evidence.vsa import PROOF_FILE
from ..promotion import promote
from ..registries.local import parse_target
from . import trusting
from .verify import REGISTRY

LOG = Path(".govprune/log")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--to", "to", required=True, metavar="NAME[@ALIAS]", help="Alias: champion.")
@click.option("--registry", type=click.Path(path_type=Path, file_okay=False), default=REGISTRY,
              show_default=True)  # fmt: skip
@trusting.options
@click.option("--files", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Folder of the job, where the candidate lies.")  # fmt: skip
@click.option("--policy-sha256", metavar="HEX",
              help="Pin this policy from now on; needed when the policy changes.")  # fmt: skip
@click.option("--log", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help=f"The gate's log; {LOG} is used if it is the one the bundle is in.")  # fmt: skip
@click.option("--registrar-key", type=click.Path(path_type=Path),
              help="Signs the move, where the trust policy names registrars.")  # fmt: skip
def command(
    bundle: Path,
    to: str,
    registry: Path,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
    registrar_key: Path | None,
    files: Path | None,
    policy_sha256: str | None,
    log: Path | None,
) -> int:
    """Verify BUNDLE and move an alias to its candidate.

    Exit code 0: moved. 1: the verdict does not allow it. 3: undecided. 4: not genuine.
    """
    name, alias = parse_target(to)
    if log is None and _is_log_of(bundle):
        log = LOG
    now = datetime.now(UTC)
    gates, under = trusting.whom(key, trust, root_key, now, moving=True)
    moved = promote(
        bundle,
        name=name,
        alias=alias,
        registry=registry,
        trusted=gates,
        root=files,
        policy_sha256=policy_sha256,
        log=log,
        now=now,
        under=under,
        keys=load_signing_keys(registrar_key) if registrar_key else None,
    )
    if log is None:
        click.echo("no log was looked at: a newer verdict against this candidate is not excluded")
    click.echo(f"PROMOTED {name}@{alias} -> sha256 {moved.move.candidate} (move {moved.position})")
    click.echo(f"Check what is served: govprune verify {name}@{alias} --registry {registry}")
    return 0


def _is_log_of(bundle: Path) -> bool:
    """Whether the log in its usual place is the one that the bundle says it is entered in.

    Decides only where to look: what the bundle says is verified afterwards.
    """
    if not LOG.is_dir():
        return False
    try:
        note = Proof.model_validate_json(read_bundle(bundle)[PROOF_FILE]).checkpoint
        origin = None if note is None else read_note(note, source="proof").origin
    except (ValidationError, EvidenceError):
        return False
    # A log that cannot be read stops the promotion: it may hold a newer verdict.
    return origin is not None and origin == Log(LOG).origin
