"""`govprune card`: the card of a bundle, rendered again from its verified evidence."""

from datetime import UTC, datetime
from pathlib import Path

import click

from . import trusting


@click.command(name="card")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True,
              help="File to write: .html or .pdf (an unsigned copy).")  # fmt: skip
@trusting.options
def command(
    bundle: Path,
    out: Path,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
) -> int:
    """Render the card of BUNDLE again, for reading. The signed card stays the one in the bundle."""
    from ..errors import InputError
    from ..evidence.verify import verify_bundle
    from ..gate import render_card

    if out.suffix not in (".html", ".pdf"):
        raise InputError(f"{out}: give a file that ends in .html or .pdf")
    if out.exists():
        raise InputError(f"{out}: exists already; choose another file")
    now = datetime.now(UTC)
    gates, under = trusting.whom(key, trust, root_key, now)
    verified = verify_bundle(bundle, trusted=gates, root=bundle, now=now, under=under)
    notes: list[str] = []
    signer = f"{verified.signer.owner}, key {verified.signer.key_id[:16]} (this copy is not signed)"
    files = render_card(verified.evidence, verified.envelope, None, notes, signer=signer)
    data = files.html if out.suffix == ".html" else files.pdf
    if data is None:
        raise InputError("; ".join(notes))
    out.write_bytes(data)
    click.echo(f"wrote {out}, an unsigned copy; the signed card is in {bundle}")
    return 0
