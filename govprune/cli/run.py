"""`govprune run`: step, measure, judge, sign, write the bundle."""

import json
from pathlib import Path
from typing import Any

import click

from . import output, predictions


@click.command(name="run")
@click.argument("job", type=click.Path(path_type=Path), default=Path("govprune.yaml"))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the bundle; must not exist."
)
@click.option("--key", type=click.Path(path_type=Path), help="Signing key instead of the job's.")
@click.option("--policy", "policy_name", help="Policy file or pack instead of the job's.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked; run and write nothing.")
@click.option(
    "--unsafe-unsigned", is_flag=True, help="Write a bundle nobody signed or can promote."
)
@click.option(
    "--unsafe-load", is_flag=True, help="Load .pt2 and .ts files, which can run code they bring."
)
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text")
@predictions.options
@click.option("--verbose", "-v", is_flag=True, help="Show every finding, also those that pass.")
def command(
    job: Path,
    out: Path | None,
    key: Path | None,
    policy_name: str | None,
    dry_run: bool,  # noqa: FBT001 click passes flags so
    unsafe_unsigned: bool,  # noqa: FBT001 click passes flags so
    unsafe_load: bool,  # noqa: FBT001 click passes flags so
    kind: str,
    verbose: bool,  # noqa: FBT001 click passes flags so
    **given: Any,
) -> int:
    """Gate the candidate that JOB (default: govprune.yaml) names.

    Runs the step if the job has a command, measures both models, judges them under the policy,
    signs the evidence and writes the bundle. Exit code 0 passed, 1 failed, 3 undecided.

    With --predictions no model and no job file are needed: any framework, vendor model or
    benchmark log can be gated from a table of answers.
    """
    from ..gate import plan_only, run

    source = predictions.job_of(given, policy=policy_name, out=out) or job
    if dry_run:
        _show_plan(plan_only(source, policy_name=policy_name), kind)
        return 0
    with output.progress_bar() as progress:
        gated = run(
            source,
            out=out,
            key=key,
            unsafe_unsigned=unsafe_unsigned,
            unsafe_load=unsafe_load,
            policy_name=policy_name,
            progress=progress,
        )
    for note in gated.notes:
        click.echo(f"note: {note}", err=True)
    if kind == "json":
        document = gated.verdict.model_dump(mode="json") | {"bundle": str(gated.bundle)}
        click.echo(json.dumps(document, indent=2))
        return gated.exit_code
    for line in output.findings(gated.verdict, verbose=verbose):
        click.echo(line)
    click.echo(output.verdict_line(gated.verdict, str(gated.bundle)))
    click.echo(_next(gated.verdict.result, str(gated.bundle)))
    return gated.exit_code


def _next(result: str, bundle: str) -> str:
    if result == "PASSED":
        return f"next    govprune verify {bundle}   ·   govprune promote {bundle} --to NAME"
    return f"next    govprune explain {bundle}   ·   open {bundle}/card.html"


def _show_plan(plan: object, kind: str) -> None:
    from ..policy import Plan

    if not isinstance(plan, Plan):
        raise TypeError(type(plan))
    if kind == "json":
        click.echo(plan.model_dump_json(indent=2))
        return
    click.echo(
        f"{len(plan.questions)} questions at one-sided level {plan.alpha:.4f}; nothing was run"
    )
    for q in plan.questions:
        where = q.slice if q.label is None else f"{q.slice}, class {q.label}"
        rows = "" if q.n is None else f"n {q.n:,}, floor {q.floor:,}"
        bound = " and ".join(
            f"{sign} {value:g}"
            for sign, value in (("≥", q.at_least), ("≤", q.at_most))
            if value is not None
        )
        tier = {"stated": "", "wider": "  wider margin", "too-small": "  too small to be cleared"}
        only = "" if q.severity == "block" else "  reported only"
        click.echo(f"  {q.rule:<32} {where:<34} {bound:<18} {rows}{tier[q.tier]}{only}")
