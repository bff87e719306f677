"""`govprune archive`: many bundles and their log, for whoever has to look at them later."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import output, trusting
from .archive_log import counted, form, log, relied_on, say

if TYPE_CHECKING:
    from ..archive.listing import Listed

LABEL = 12
"""Columns of the words on the left."""


@click.group(name="archive")
def command() -> None:
    """List, show and export bundles; read the log they stand in."""


command.add_command(log)


# --- list


@command.command(name="list")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@trusting.options
@form
def list_bundles(
    folder: Path,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
    kind: str,
) -> int:
    """List every bundle below FOLDER, each verified by itself, newest first.

    Exit code 0: each is genuine, whatever its verdict says. 4: one is not; the others are listed
    all the same, and what a refused one claims is not repeated.
    """
    from ..archive.listing import Listed, Refused, listing
    from ..records import to_json

    found = list(listing(folder, relied_on(key, trust, root_key)))
    genuine = [line for line in found if isinstance(line, Listed)]
    genuine.sort(key=lambda line: (line.date, line.path), reverse=True)
    refused = [line for line in found if isinstance(line, Refused)]
    if kind == "json":
        said = {
            "bundles": [to_json(line) for line in genuine],
            "refused": [to_json(line) for line in refused],
        }
        click.echo(json.dumps(said, indent=2))
        return 4 if refused else 0
    for line in genuine:
        _bundle(line)
    for bad in refused:
        say(f"REFUSED  {bad.path}: {bad.reason}")
    if not found:
        say(f"No bundle is below {folder}.")
    else:
        say(f"{len(genuine)} verified, {len(refused)} refused")
    return 4 if refused else 0


def _bundle(line: "Listed") -> None:
    until = f"EXPIRED on {line.expires}" if line.expired else f"until {line.expires}"
    lacks = f"; lacks {', '.join(line.lacks)}" if line.lacks else ""
    say(f"{line.date}  {line.result}  {line.path}", indent=" " * 4)
    for said in (
        f"{line.candidate} sha256 {line.candidate_sha256[:16]}…, attempt {line.attempt}",
        f"{line.policy}, {until}{lacks}",
        f"verified: by {line.signer}, key {line.key[:16]}…, entry {line.entry} of its log",
    ):
        say(f"    {said}", indent=" " * 6)


# --- show


@command.command(name="show")
@click.argument("bundle", type=click.Path(path_type=Path))
@trusting.options
@form
@click.option("--verbose", "-v", is_flag=True, help="Show every finding, also those that pass.")
def show(
    bundle: Path,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
    kind: str,
    verbose: bool,
) -> int:
    """Show BUNDLE on one page: what an auditor asks first. It is verified before."""
    from ..archive.listing import line_of, verified
    from ..archive.page import links, page
    from ..records import to_json

    relied = relied_on(key, trust, root_key)
    found = verified(bundle, relied)
    line = line_of(bundle, found, relied)
    said = list(page(found, line))
    if kind == "json":
        values = to_json(line) | {"page": [{"what": what, "said": text} for what, text in said]}
        values["counts"] = _counts(found.evidence.verdict.findings)
        click.echo(json.dumps(values, indent=2))
        return 0
    for what, text in said:
        named = f"{what:<{LABEL - 1}} "  # a role may be longer than the column
        say(f"{named}{text}", indent=" " * LABEL)
    click.echo("")
    for finding in output.findings(found.evidence.verdict, verbose=verbose):
        click.echo(finding)
    click.echo(output.verdict_line(found.evidence.verdict))
    click.echo(output.next_steps(*links(bundle)))
    return 0


def _counts(findings: Any) -> dict[str, int]:
    return {status: sum(f.status == status for f in findings) for status in output.WORDS}


# --- export


@command.command(name="export")
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), metavar="FILE.zip")
@click.option("--log", "folder", type=click.Path(path_type=Path),
              help="Folder of the log, to go with it: its tiles and checkpoint.")  # fmt: skip
@trusting.options
def export(
    bundles: tuple[Path, ...],
    out: Path,
    folder: Path | None,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
) -> int:
    """Write BUNDLES into one zip that an auditor can open with nothing installed.

    Each is verified first. With them go the public keys, a page that lists them, and verify.py.
    """
    from ..archive.export import Included
    from ..archive.export import export as write
    from ..archive.listing import line_of, verified

    relied = relied_on(key, trust, root_key)
    included = []
    for bundle in bundles:
        found = verified(bundle, relied)
        included.append(Included(line=line_of(bundle, found, relied), found=found))
    sha256 = write(included, keys=relied.trusted, log=folder, out=out)
    say(f"{out}: {counted(len(included), 'bundle')}, verified; {out.stat().st_size:,} bytes")
    say(f"verify.py inside has sha256 {sha256}")
    for owner, key_id in sorted({(line.line.signer, line.line.key) for line in included}):
        say(f"signed by {owner}, key {key_id}")
    say("Tell whoever gets the zip these digits another way than by the zip.")
    return 0
