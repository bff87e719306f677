"""`govprune policy`: lint policies, compare two, export their schema, list the packs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import terminal

if TYPE_CHECKING:
    from ..policy import Policy
    from ..policy.diff import Change


@click.group(name="policy")
def command() -> None:
    """Check policies, say what a change to one weakens, and export their JSON Schema."""


@command.command(name="lint")
@click.argument("files", nargs=-1, required=True)
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text")
def lint(files: tuple[str, ...], kind: str) -> int:
    """Check policy FILES (or packs by name): fields, bounds, checks, controls, parameters.

    Evaluates nothing. Says file, line and field of what is wrong in each.
    """
    linted = [_lint(name) for name in files]
    if kind == "json":
        click.echo(json.dumps(linted, indent=2))
    else:
        for found in linted:
            _say(found)
    return 2 if any(found["errors"] for found in linted) else 0


def _lint(name: str) -> dict[str, Any]:
    """Return what is to be said of one policy, as JSON values."""
    from ..errors import InputError
    from ..gate.inputs import load_policy

    try:
        chosen = load_policy(name, Path.cwd()).policy
        notes = [
            f"rule '{rule.id}' does not say why (`because:`)"
            for rule in chosen.rules
            if rule.because is None and rule.severity == "block"
        ] + _lost(name, chosen)
    except InputError as error:
        return {"file": name, "errors": [*str(error).splitlines(), *_near(error.__cause__)],
                "notes": []}  # fmt: skip
    return {
        "file": name,
        "errors": [],
        "notes": notes,
        "name": chosen.name,
        "version": chosen.version,
        "rules": len(chosen.rules),
        "blocking": sum(rule.severity == "block" for rule in chosen.rules),
        "checks": len({rule.check for rule in chosen.rules}),
    }


def _say(found: dict[str, Any]) -> None:
    for line in found["errors"]:
        click.echo(line, err=True)
    if not found["errors"]:
        click.echo(
            f"{found['file']}: {found['name']} {found['version']}: {found['rules']} rules "
            f"({found['blocking']} block) over {found['checks']} checks"
        )
    for note in found["notes"]:
        click.echo(terminal.paragraph(f"  note: {note}", " " * 8))


def _near(cause: BaseException | None) -> list[str]:
    """Suggest the check or metric that an unknown one may have meant."""
    from difflib import get_close_matches

    from pydantic import ValidationError

    from ..catalogue import CHECKS_BY_ID

    meant = []
    for item in cause.errors() if isinstance(cause, ValidationError) else ():
        rule = item["input"]
        if item["type"] != "value_error" or not isinstance(rule, dict):
            continue
        written, known = str(rule.get("check")), list(CHECKS_BY_ID)
        if written in CHECKS_BY_ID:
            known = [metric.id for metric in CHECKS_BY_ID[written].metrics]
            written = str(rule.get("metric"))
        if written not in known and (near := get_close_matches(written, known, n=1)):
            meant.append(f"  '{written}': did you mean '{near[0]}'?")
    return meant


def _lost(name: str, chosen: "Policy") -> list[str]:
    """Name the rules that replace one with `small_slices` and do not repeat it."""
    from .. import policy, strict_yaml
    from ..errors import PolicyError
    from ..policy.load import packs

    path = Path(name)
    if not path.suffix and name in packs() and not path.exists():
        path = packs()[name]
    written = strict_yaml.load(path.read_text(), source=str(path), error=PolicyError)
    below = written.value.get("extends")
    if below is None:
        return []
    extended = policy.load(packs().get(below, path.parent / below), root=Path.cwd())
    before = {rule.id: rule for rule in extended.policy.rules}
    after = {rule.id: rule for rule in chosen.rules}
    return [
        f"{written.where(('rules', i))}: rule '{rule['id']}' replaces that of {below} without its "
        "small_slices: slices too small for its bound are now asked at it all the same; repeat it "
        "if that is not meant"
        for i, rule in enumerate(written.value.get("rules") or ())
        if rule["id"] in before
        and before[rule["id"]].small_slices is not None
        and after[rule["id"]].small_slices is None
        and after[rule["id"]].over != "whole"
    ]


@command.command(name="diff")
@click.argument("old")
@click.argument("new")
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text")
def diff(old: str, new: str, kind: str) -> int:
    """Say what the policy NEW asks less of, more of, or otherwise than OLD (files or packs).

    Exit code 0: whatever NEW passes, OLD passes on the same data and measurements. 1: something
    is weaker, or cannot be shown not to be. 2: a policy cannot be read.
    """
    from ..checks import CHECKS
    from ..gate.inputs import load_policy
    from ..policy.diff import compare, may_be_weaker
    from ..records import to_json

    before, after = (load_policy(name, Path.cwd()).policy for name in (old, new))
    changes = compare(
        before, after, defaults={check.id: to_json(check.params()) for check in CHECKS}
    )
    code = int(may_be_weaker(changes))
    if kind == "json":
        policies = {"old": _named(old, before), "new": _named(new, after)}
        found = {"may_be_weaker": bool(code), "changes": [to_json(change) for change in changes]}
        click.echo(json.dumps(policies | found, indent=2))
        return code
    for change in changes:
        said = f"{_WORDS[change.direction]:<9} {change.where}: {change.sentence}"
        click.echo(terminal.paragraph(said, " " * 10))
    for line in _sums(changes):
        click.echo(terminal.paragraph(line))
    return code


_WORDS = {"weaker": "WEAKER", "unclear": "UNCLEAR", "stronger": "stronger", "neutral": "-"}


def _named(file: str, chosen: "Policy") -> dict[str, str]:
    from ..records import digest

    return {"file": file, "name": chosen.name, "version": chosen.version, "sha256": digest(chosen)}


def _sums(changes: "tuple[Change, ...]") -> list[str]:
    """Say what it all comes to."""
    counts = {d: sum(change.direction == d for change in changes) for d in _WORDS}
    if not changes:
        return ["The same policy."]
    said = f"{counts['weaker']} weaker, {counts['unclear']} unclear, {counts['stronger']} stronger"
    if counts["weaker"]:
        return [f"{said}: the new policy may let pass what the old one does not."]
    if counts["unclear"]:
        return [f"{said}: look at those; the new policy may be weaker."]
    return [f"{said}: what the new policy passes, the old one passes."]


@command.command(name="schema")
def schema() -> int:
    """Write the JSON Schema of a policy file to stdout, for editors."""
    from ..policy import schema as make

    click.echo(json.dumps(make(), indent=2))
    return 0


@command.command(name="packs")
def packs() -> int:
    """List the policy packs that ship."""
    from .. import policy
    from ..policy.load import packs as shipped

    longest = max(map(len, shipped()))
    for name in shipped():
        chosen = policy.load(name, root=Path.cwd()).policy
        said = (
            f"{name:<{longest}}  {chosen.version}  {' '.join((chosen.description or '').split())}"
        )
        click.echo(terminal.paragraph(said, " " * (longest + 2)))
    return 0
