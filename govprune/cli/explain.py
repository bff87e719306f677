"""`govprune explain`: one rule of a bundle in words and numbers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import output

if TYPE_CHECKING:
    from ..measurements import Paired
    from ..policy import Finding

METHODS = {
    "paired": "Tango's score interval for paired proportions (1998); harm: score test, Holm (1979)",
    "share": "Clopper-Pearson interval (1934)",
    "normal": "DeLong's paired AUC difference (1988)",
    "log-ratios": "median of interleaved pairs, percentile bootstrap, 2,000 replicates",
    "grouped": "Fairlearn's definition on the joint counts, multinomial bootstrap",
    "exact": "counted in full; no sampling uncertainty",
    "undefined": "the number does not exist for this slice",
}


@click.command(name="explain")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("rule", required=False)
@click.option("--key", "keys", type=click.Path(path_type=Path), multiple=True,
              help="Public key to trust; by default those this account trusts.")  # fmt: skip
def command(bundle: Path, rule: str | None, keys: tuple[Path, ...]) -> int:
    """Explain RULE of BUNDLE: requirement, numbers, method, and what would change the finding.

    Without RULE: every rule that keeps the verdict from being PASSED.
    """
    from ..errors import InputError
    from ..evidence.keys import trusted
    from ..evidence.verify import verify_bundle

    evidence = verify_bundle(
        bundle, trusted=trusted(keys), root=bundle, now=datetime.now(UTC)
    ).evidence
    by_id = {r.id: r for r in evidence.policy.rules}
    if rule is not None and rule not in by_id:
        raise InputError(f"no rule '{rule}'. This bundle has: {', '.join(by_id)}")
    wanted = (
        [rule]
        if rule is not None
        else list(dict.fromkeys(f.question.rule for f in evidence.verdict.findings if f.blocks))
    )
    if not wanted:
        click.echo(f"{evidence.verdict.result}: no rule keeps this verdict from being PASSED")
    for name in wanted:
        _explain(evidence, name)
    return 0


def _explain(evidence: object, name: str) -> None:
    from ..evidence.statement import Evidence
    from ..measurements import Paired

    if not isinstance(evidence, Evidence):
        raise TypeError(type(evidence))
    rule = next(r for r in evidence.policy.rules if r.id == name)
    found = [f for f in evidence.verdict.findings if f.question.rule == name]
    answers = {m.key: m for m in evidence.measurements}
    click.echo(
        f"{name}: {output.plain(rule.title) if rule.title else f'{rule.metric} of {rule.check}'}"
    )
    if rule.because:
        click.echo(f"  why      {output.plain(' '.join(rule.because.split()))}")
    kinds = {answers[f.question.key].basis.kind for f in found if f.question.key in answers}
    for kind in sorted(kinds - {"undefined"} or kinds):
        click.echo(f"  method   {METHODS[kind]}")
    click.echo(
        f"  level    {evidence.plan.alpha:.4f} one-sided (attempt {evidence.plan.attempt} on this "
        "baseline and data)"
    )
    for f in found:
        click.echo(output.finding_line(f))
        if f.status != "pass":
            click.echo(f"{'':15}{output.plain(f.reason)}")
        m = answers.get(f.question.key)
        if m is not None and isinstance(m.basis, Paired) and m.basis.n and f.status != "pass":
            click.echo(f"{'':15}{_second_opinion(m.basis, evidence.plan.alpha)}")
        for note in m.notes if m is not None and f.status != "pass" else ():
            click.echo(f"{'':15}{output.plain(note)}")
    click.echo(f"  would change it: {_remedy(found)}\n")


def _second_opinion(basis: "Paired", alpha: float) -> str:
    """Give another interval and McNemar's test on the same counts; neither decides anything."""
    from ..stats.paired import mcnemar_mid_p, newcombe_paired

    low, high = newcombe_paired(
        basis.both, basis.baseline_only, basis.candidate_only, basis.neither, alpha
    )
    p = mcnemar_mid_p(basis.baseline_only, basis.candidate_only)
    return (
        f"{basis.baseline_only:,} only the baseline, {basis.candidate_only:,} only the candidate; "
        f"second opinion: Newcombe [{output.number(low, 'points')}, "
        f"{output.number(high, 'points')}], any change at all: McNemar mid-p {p:.2g}"
    )


def _remedy(found: "list[Finding]") -> str:
    failed = [f for f in found if f.status == "fail"]
    open_ = [f for f in found if f.status == "inconclusive" and f.blocks]
    if failed:
        where = ", ".join(f.question.slice for f in failed[:4])
        return f"a candidate that does not lose this on {where}; more rows will not help"
    if open_:
        rows = [
            f"{f.question.slice} about {f.rows_to_decide:,} rows" for f in open_ if f.rows_to_decide
        ]
        return "more rows: " + "; ".join(rows[:6]) if rows else "what the finding rests on (above)"
    if any(f.status == "not_measured" for f in found):
        return "measure it: see the reason above"
    return "nothing; it passes"
