"""`govprune run`: step, measure, judge, sign, write the bundle."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import output, predictions, terminal

if TYPE_CHECKING:
    from ..evidence.statement import Evidence
    from ..policy import Plan, Question


@click.command(name="run")
@click.argument("job", type=click.Path(path_type=Path), default=Path("govprune.yaml"))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the bundle; must not exist."
)
@click.option("--key", type=click.Path(path_type=Path), help="Signing key instead of the job's.")
@click.option("--policy", "policy_name", help="Policy file or pack instead of the job's.")
@click.option(
    "--step",
    "step_command",
    metavar="COMMAND",
    help="Command that makes the candidate, instead of the job's: --step 'python prune.py'.",
)
@click.option(
    "--pdf/--no-pdf", default=True, help="Make the card as PDF too (default), or as HTML only."
)
@click.option("--dry-run", is_flag=True, help="Say what would be asked; run and write nothing.")
@click.option(
    "--plan-only",
    is_flag=True,
    help="Sign and log what would be asked, before anything is measured; then: run --plan FOLDER.",
)
@click.option(
    "--plan",
    "plan",
    type=click.Path(path_type=Path),
    help="Folder of a plan signed before: the run must be what it says.",
)
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
    step_command: str | None,
    pdf: bool,
    dry_run: bool,
    plan_only: bool,
    plan: Path | None,
    unsafe_unsigned: bool,
    unsafe_load: bool,
    kind: str,
    verbose: bool,
    **given: Any,
) -> int:
    """Gate the candidate that JOB (default: govprune.yaml) names.

    Runs the step if the job has a command, measures both models, judges them under the policy,
    signs the evidence and writes the bundle. Exit code 0 passed, 1 failed, 3 undecided.

    With --predictions no model and no job file are needed: any framework, vendor model or
    benchmark log can be gated from a table of answers; --policy is then needed.
    """
    from ..gate import plan_only as asked
    from ..gate import run, sign_plan

    source = predictions.job_of(given, policy=policy_name, out=out) or job
    if dry_run:
        _show_plan(asked(source, policy_name=policy_name), kind)
        return 0
    if plan_only:
        signed, place = sign_plan(source, out=out, key=key, policy_name=policy_name)
        click.echo(f"{place}: the plan of {signed.name}, signed {signed.time} and in the log")
        click.echo(output.next_steps(f"govprune run --plan {place}"))
        return 0
    with output.progress_bar() as progress:
        gated = run(
            source,
            out=out,
            key=key,
            unsafe_unsigned=unsafe_unsigned,
            unsafe_load=unsafe_load,
            policy_name=policy_name,
            command=step_command,
            pdf=pdf,
            plan=plan,
            progress=progress,
        )
    for note in gated.notes:
        click.echo(f"note: {note}", err=True)
    if kind == "json":
        evidence = gated.evidence
        document = output.document(gated.verdict, evidence.plan, evidence.policy)
        click.echo(json.dumps(document | {"bundle": str(gated.bundle)}, indent=2))
        return gated.exit_code
    for line in output.findings(gated.verdict, verbose=verbose):
        click.echo(line)
    for line in _costliest_link(gated.evidence):
        click.echo(line)
    click.echo(output.verdict_line(gated.verdict, str(gated.bundle)))
    click.echo(_next(gated.verdict.result, str(gated.bundle)))
    return gated.exit_code


def _costliest_link(evidence: "Evidence") -> Iterator[str]:
    """Say which step of a chain cost the worst slice most."""
    from .. import stats

    for m in evidence.measurements if evidence.chain else ():
        if m.metric == "worst-link-change" and m.notes:
            yield f"costliest link: {output.plain(m.notes[0])}: " + output.number(
                stats.estimate(m.basis), "points"
            )


def _next(result: str, bundle: str) -> str:
    if result == "PASSED":
        return output.next_steps(
            f"govprune verify {bundle}", f"govprune promote {bundle} --to NAME"
        )
    return output.next_steps(f"govprune explain {bundle}", f"open {bundle}/card.html")


TIERS = {"stated": "", "wider": "wider margin", "too-small": "too small to clear"}


def _show_plan(plan: "Plan", kind: str) -> None:
    if kind == "json":
        click.echo(plan.model_dump_json(indent=2))
        return
    head = f"{len(plan.questions)} questions at one-sided level {plan.alpha:.4f}; nothing was run"
    click.echo(terminal.paragraph(head))
    cells = [_cells(q) for q in plan.questions]
    names, bounds, rows = (max((len(c[i]) for c in cells), default=0) for i in range(3))
    tiers = max((len(c[3]) for c in cells), default=0)
    # Where all columns do not fit, the name of the slice gives way first.
    names = max(18, min(names, terminal.width() - bounds - rows - tiers - 8))
    rule = None
    for q, (name, bound, counted, tier) in zip(plan.questions, cells, strict=True):
        if q.rule != rule:
            click.echo(q.rule + ("" if q.severity == "block" else " (reported only)"))
            rule = q.rule
        said = terminal.shortened(name, names)
        line = f"  {said:<{names}}  {bound:<{bounds}}  {counted:<{rows}}  {tier}".rstrip()
        click.echo(line if len(line) <= terminal.width() else terminal.paragraph(line, " " * 6))


def _cells(q: "Question") -> tuple[str, str, str, str]:
    bound = output.bounds(q, output.unit_of(q))
    rows = "" if q.n is None else f"n {q.n:,}"
    rows += "" if q.n is None or q.floor is None else f", floor {q.floor:,}"
    return output.where(q), bound, rows, TIERS[q.tier]
