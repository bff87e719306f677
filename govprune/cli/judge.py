"""`govprune judge`: an archived bundle under another policy; no model, no data, no torch."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from . import output, terminal, trusting


@click.command(name="judge")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--policy", "policy_name", required=True, help="Policy file or pack to judge under.")
@trusting.options
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text")
@click.option("--verbose", "-v", is_flag=True, help="Show every finding, also those that pass.")
def command(
    bundle: Path,
    policy_name: str,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
    kind: str,
    verbose: bool,
) -> int:
    """Judge the measurements in BUNDLE under another policy.

    The bundle is verified first. Nothing is measured: what the new policy asks and the archive
    does not hold is "not measured", which never passes.
    """
    from .. import policy
    from ..evidence.verify import verify_bundle
    from ..frameworks import check_controls

    chosen = policy.load(policy_name, root=Path.cwd()).policy
    check_controls(chosen)
    # The models may be long gone or replaced: the archive is what is judged.
    now = datetime.now(UTC)
    gates, under = trusting.whom(key, trust, root_key, now)
    verified = verify_bundle(bundle, trusted=gates, root=bundle, now=now, under=under)
    evidence = verified.evidence
    policy.refuse_finer_slices(chosen, evidence.policy)
    plan = policy.make_plan(chosen, evidence.profile, attempt=evidence.plan.attempt)
    verdict = policy.decide(policy.judge(plan, evidence.measurements, evidence.unmeasured))
    code = {"PASSED": 0, "FAILED": 1, "UNDECIDED": 3}[verdict.result]
    if kind == "json":
        click.echo(json.dumps(output.document(verdict, plan, chosen), indent=2))
        return code
    title = output.plain(evidence.title)
    said = f"{title}, judged under {chosen.name} {chosen.version} from the archive"
    click.echo(terminal.paragraph(said))
    for line in output.findings(verdict, verbose=verbose):
        click.echo(line)
    click.echo(output.verdict_line(verdict))
    said = "this is an opinion on archived evidence, not a signed verdict; nothing was written"
    click.echo(terminal.paragraph(said))
    return code
