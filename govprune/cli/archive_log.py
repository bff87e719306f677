"""`govprune archive log`: every entry of a log, and who tried how often."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import output, terminal, trusting

if TYPE_CHECKING:
    from ..archive.attempts import Attempt, Consistency, Ledger, Tried
    from ..archive.listing import Relied
    from ..policy import Policy

LOG = Path(".govprune/log")
form = click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text",
                    show_default=True)  # fmt: skip


def relied_on(key: tuple[Path, ...], trust: Path | None, root_key: tuple[Path, ...]) -> "Relied":
    """Say on whom the options rely, and when."""
    from ..archive.listing import Relied

    now = datetime.now(UTC)
    keys, under = trusting.whom(key, trust, root_key, now)
    return Relied(trusted=keys, under=under, now=now)


def say(text: str, indent: str = " " * 9) -> None:
    """Write one paragraph; what would steer a terminal is written out."""
    click.echo(terminal.paragraph(output.plain(text).replace("\n", "\\n"), indent))


def counted(number: int, one: str, many: str = "") -> str:
    """Write a number and what it counts."""
    return f"{number} {one if number == 1 else many or one + 's'}"


@click.command(name="log")
@click.argument("folder", type=click.Path(path_type=Path), default=LOG)
@click.option("--since", type=click.Path(path_type=Path), metavar="CHECKPOINT_FILE",
              help="Prove that the log only grew since this checkpoint, or proof.json of a "
                   "bundle, which somebody kept.")  # fmt: skip
@click.option("--policy", "names", multiple=True,
              help="Policy file or pack that verdicts may have been judged under, to say at what "
                   "level; the packs that ship are known.")  # fmt: skip
@trusting.options
@form
def log(
    folder: Path,
    since: Path | None,
    names: tuple[str, ...],
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
    kind: str,
) -> int:
    """Check the log in FOLDER as a whole; list every entry, and who tried how often.

    Where the index cannot be read, the log is read from its tiles alone.
    """
    from ..archive.attempts import consistency, read_checkpoint, read_ledger, tried
    from ..records import to_json

    relied = relied_on(key, trust, root_key)
    # Who has a stolen key can write a whole log: then only what somebody kept shows anything.
    alone = relied.under is not None and since is None
    trusted = relied.under.in_hand("gate") if relied.under and alone else relied.trusted
    ledger = read_ledger(folder, trusted)
    grown = None
    if since is not None:
        grown = consistency(ledger, read_checkpoint(since), relied.trusted, source=str(since))
    policies = _policies(names)
    groups = tried(ledger, policies)
    if kind == "json":
        values = {
            "log": ledger.origin,
            "read_from": ledger.source,
            "checkpoint": None if ledger.checkpoint is None else to_json(ledger.checkpoint),
            "entries": [{"entry": i} | to_json(e) for i, e in enumerate(ledger.entries, 1)],
            "tried": [to_json(group) for group in groups],
            "since": None if grown is None else to_json(grown),
        }
        click.echo(json.dumps(values, indent=2))
        return 0
    _entries(ledger, groups)
    for group in groups:
        _tried(group, policies)
    _sum(ledger, grown)
    return 0


def _policies(names: tuple[str, ...]) -> "dict[str, Policy]":
    """Read the packs that ship and the policies that were named, by digest."""
    from .. import policy
    from ..policy.load import packs
    from ..records import digest

    read = [policy.load(name, root=Path.cwd()).policy for name in (*packs(), *names)]
    return {digest(chosen): chosen for chosen in read}


def _entries(ledger: "Ledger", groups: "tuple[Tried, ...]") -> None:
    number = {
        place: attempt.number
        for group in groups
        for attempt in group.attempts
        for place in attempt.entries
    }
    for place, entry in enumerate(ledger.entries):
        if entry.kind == "plan":
            said = f"plan, signed before anything was measured, sha256 {entry.plan_sha256[:16]}…"
        else:
            said = (
                f"{entry.result}  attempt {number[place]}, candidate {entry.candidate[:16]}…, "
                f"verdict {entry.verdict_sha256[:16]}…"
            )
        say(f"{place + 1:>5}  {entry.time}  {said}", indent=" " * 7)


def _tried(group: "Tried", policies: "dict[str, Policy]") -> None:
    candidates = counted(len(group.attempts), "candidate")
    plans = f", {counted(len(group.plans), 'signed plan')}" if group.plans else ""
    say(
        f"baseline {group.baseline[:16]}… on data {group.evaluation[:16]}…: {candidates} "
        f"tried{plans}",
        indent=" " * 4,
    )
    for attempt in group.attempts:
        entries = ", ".join(str(place + 1) for place in attempt.entries)
        verdicts = ", ".join(attempt.results)
        say(
            f"    attempt {attempt.number}: {verdicts} (entry {entries}), tested at "
            f"{_level(attempt, policies)}",
            indent=" " * 6,
        )


def _level(attempt: "Attempt", policies: "dict[str, Policy]") -> str:
    """Say at what level, under which policy; a share of alpha where nobody here knows that."""
    said = []
    for sha256, level in dict(zip(attempt.policies, attempt.levels, strict=True)).items():
        if level is None:
            said.append(f"{attempt.share:.3g} of the alpha of policy {sha256[:16]}… if it charges")
        else:
            chosen = policies[sha256]
            free = ", which charges nothing" if chosen.attempts == "counted" else ""
            said.append(f"{level:.3g} under {chosen.name} {chosen.version}{free}")
    return "; ".join(said)


def _sum(ledger: "Ledger", grown: "Consistency | None") -> None:
    covered = 0 if ledger.checkpoint is None else ledger.checkpoint.size
    unsigned = len(ledger.entries) - covered
    entries = counted(len(ledger.entries), "entry", "entries")
    rest = f"; {unsigned} at the end not signed yet" if unsigned else ""
    if ledger.source == "tiles":
        rest += "; the index log.sqlite cannot be read: restore it from a copy"
    say(
        f"VERIFIED  {entries} in {ledger.origin}, read from its {ledger.source}: nothing cut off, "
        f"nothing edited{rest}"
    )
    if grown is not None:
        say(
            f"GREW ONLY  that checkpoint covers {counted(grown.old_size, 'entry', 'entries')}: the "
            f"first of these {grown.new_size}, by a proof of "
            f"{counted(len(grown.proof), 'hash', 'hashes')}"
        )
