"""`govprune policy`: lint policies, export their schema, list the packs."""

import json
from pathlib import Path

import click


@click.group(name="policy")
def command() -> None:
    """Check policies and export their JSON Schema."""


@command.command(name="lint")
@click.argument("files", nargs=-1, required=True)
def lint(files: tuple[str, ...]) -> int:
    """Check policy FILES (or packs by name): fields, bounds, checks, controls, parameters.

    Evaluates nothing. Says file, line and field of the first mistake in each.
    """
    from ..errors import InputError
    from ..gate.inputs import load_policy

    code = 0
    for name in files:
        try:
            source = load_policy(name, Path.cwd())
        except InputError as error:
            click.echo(f"{error}", err=True)
            code = 2
            continue
        chosen = source.policy
        blocking = sum(rule.severity == "block" for rule in chosen.rules)
        checks = len({rule.check for rule in chosen.rules})
        click.echo(
            f"{name}: {chosen.name} {chosen.version}: {len(chosen.rules)} rules ({blocking} block) "
            f"over {checks} checks"
        )
        for rule in chosen.rules:
            if rule.because is None and rule.severity == "block":
                click.echo(f"  note: rule '{rule.id}' does not say why (`because:`)")
    return code


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

    for name in shipped():
        chosen = policy.load(name, root=Path.cwd()).policy
        click.echo(f"{name:<12} {chosen.version}  {chosen.description or ''}")
    return 0
