"""`govprune timestamp`: have an authority say when it saw a verdict."""

from datetime import UTC, datetime
from pathlib import Path

import click

from . import trusting


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--url", required=True, help="Of the authority (RFC 3161). It gets a digest, no more."
)
@trusting.options
def command(
    bundle: Path,
    url: str,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
) -> int:
    """Verify BUNDLE, then add an authority's time over its verdict.

    It counts where the trust policy names the authority's certificate (timestamp-authorities).
    """
    from ..evidence.bundle_folder import add_file
    from ..evidence.timestamp import request_timestamp, verify_timestamp
    from ..evidence.verify import verify_bundle
    from ..evidence.vsa import TIMESTAMP_FILE, VERDICT_FILE

    now = datetime.now(UTC)
    gates, under = trusting.whom(key, trust, root_key, now)
    found = verify_bundle(bundle, trusted=gates, root=None, now=now, under=under)
    token = request_timestamp(url, found.files[VERDICT_FILE])
    if under is not None and under.timestamp_authorities:
        verify_timestamp(
            token,
            found.files[VERDICT_FILE],
            authorities=under.timestamp_authorities,
            source=url,
        )
    else:
        said = "note: no trust policy names an authority, so the time is not verified (--trust)"
        click.echo(said, err=True)
    place = add_file(bundle, TIMESTAMP_FILE, token)
    click.echo(f"{place}: {url} has seen the verdict")
    return 0
