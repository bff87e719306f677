"""`govprune attest`: whoever made a candidate says so, before it is gated."""

from datetime import UTC, datetime
from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--by", "by", required=True, type=click.Path(path_type=Path),
              help="Your signing key (NAME.key).")  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True,
              help="File to write; name it under `producer:` in the job.")  # fmt: skip
def command(model: Path, by: Path, out: Path) -> int:
    """Sign that MODEL, a file or a folder, is yours.

    Who made a candidate may not approve it. The statement is of its digest: another file, another
    statement.
    """
    from ..errors import InputError
    from ..evidence import dsse
    from ..evidence.consents import Producer, make_consent, to_consent
    from ..evidence.entry import identity
    from ..evidence.key_files import load_signing_keys
    from ..evidence.vsa import written
    from ..model_files import describe_model

    keys = load_signing_keys(by)
    if out.exists():
        raise InputError(f"{out} exists already; nothing was signed")
    files = describe_model(model, role="candidate", root=model.resolve().parent)
    said = make_consent(
        Producer,
        candidate=identity(files, "candidate"),
        name=files[0].name,
        time=written(datetime.now(UTC)),
    )
    with out.open("xb") as stream:
        stream.write(dsse.sign(to_consent(said), keys))
    click.echo(f"{out}: {keys.owner} made {said.name}, sha256 {said.candidate}")
    return 0
