"""`govprune plan`: what a policy can decide on this data, before anything is run."""

import json
import shutil
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from . import output, predictions

if TYPE_CHECKING:
    from ..policy import Plan, Policy
    from ..policy.foresight import Foresight, Prospect

SHOWN = 20
"""Questions printed without --verbose: those a harmless candidate is least sure to clear."""
COLUMNS = {"rows": 8, "fewest": 8, "bound": 8, "clears": 8, "churn ≤": 8, "caught ≥": 9, "needs": 8}
ROOMY = 100
"""Columns of a terminal from which on every column is printed."""
NARROWEST = 18
WIDEST = 48
LEGEND = (
    ("clears", "chance that a harmless candidate, changing as much as said, is cleared"),
    ("churn ≤", "most changed answers at which a harmless one is still cleared with 80 %"),
    ("caught ≥", "smallest true loss that is accused with 80 %, in the bound's unit"),
    ("fewest", "rows below which nothing can be cleared"),
    ("needs", "rows at which a harmless candidate is cleared with 80 %"),
)  # fmt: skip
WEAK = 0.8
"""Chance below which a line is coloured."""
MARKS = {"stated": " ", "wider": "w", "too-small": "s"}


@click.command(name="plan")
@click.argument("job", type=click.Path(path_type=Path), default=Path("govprune.yaml"))
@click.option("--policy", "policy_name", help="Policy file or pack instead of the job's.")
@click.option("--churn", type=click.FloatRange(0.0001, 0.5), default=0.01, show_default=True,
              help="Share of answers that a harmless candidate changes.")  # fmt: skip
@click.option("--attempt", type=click.IntRange(1, 1_000_000),
              help="How-manieth candidate on the same baseline and data.")  # fmt: skip
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text")
@predictions.options
@click.option("--verbose", "-v", is_flag=True, help="Show every question.")
def command(
    job: Path,
    policy_name: str | None,
    churn: float,
    attempt: int | None,
    kind: str,
    verbose: bool,
    **given: Any,
) -> int:
    """Say what the policy can decide on the data of JOB (default: govprune.yaml).

    Per question: what a harmless candidate has to fear for lack of rows, and which loss would be
    noticed. Runs no step, loads no model, looks at no answer and spends no attempt.
    """
    from .. import job as jobs
    from ..gate.inputs import next_attempt, prepare
    from ..policy import make_plan
    from ..policy.foresight import foresee

    source = predictions.job_of(given, policy=policy_name, out=None) or jobs.load(job)
    chosen, data, answers = prepare(source, policy_name)
    attempt = attempt or next_attempt(source, data, answers)
    plan = make_plan(chosen.policy, data.profile, attempt=attempt)
    foresight = foresee(plan, churn=churn)
    if kind == "json":
        click.echo(json.dumps(_document(plan, foresight), indent=2))
        return 0
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    for line in _head(chosen.policy, plan, foresight, width):
        click.echo(line)
    for line in _table(foresight, width, verbose=verbose):
        click.echo(line)
    scored_later = answers is None and chosen.policy.slices.confidence > 0
    for line in _rest(chosen.policy, plan, foresight, width, scored_later=scored_later):
        click.echo(line)
    return 0


def _document(plan: "Plan", foresight: "Foresight") -> dict[str, Any]:
    return foresight.model_dump(mode="json") | {
        "attempt": plan.attempt,
        "policy_sha256": plan.policy_sha256,
        "passed_at_least": foresight.at_least,
        "passed_at_most": foresight.at_most,
        "not_asked": [n.model_dump(mode="json") for n in plan.not_asked],
    }


def _paragraph(text: str, width: int, indent: str = "") -> list[str]:
    return wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)


def _head(policy: "Policy", plan: "Plan", foresight: "Foresight", width: int) -> list[str]:
    shut = sum(p.keeps_shut for p in foresight.prospects)
    said = (
        f"{policy.name} {policy.version}: {len(plan.questions)} questions at one-sided level "
        f"{plan.alpha:.4f} (attempt {plan.attempt}); nothing was run"
    )
    lines = _paragraph(said, width)
    if not shut:
        return [*lines, "nothing that this policy must clear can be foreseen on this data"]
    low, high = _percent(foresight.at_least), _percent(foresight.at_most)
    between = low if low == high else f"between {low} and {high}"
    chance = (
        f"a harmless candidate that changes {100 * foresight.churn:g} % of answers is PASSED with "
        f"{between}: the product over the {shut} questions that can be foreseen and keep the gate "
        "shut (a lower bound for these, as far as they rise and fall together), and the hardest of "
        "them alone"
    )
    return [*lines, *_paragraph(chance, width)]


def _table(foresight: "Foresight", width: int, *, verbose: bool) -> list[str]:
    """One block per rule, the rule that is hardest to clear first, and so within each."""
    order = sorted(foresight.prospects, key=lambda p: (not p.keeps_shut, p.passes))
    shown = order if verbose else order[:SHOWN]
    if not shown:
        return []
    columns = {k: w for k, w in COLUMNS.items() if width >= ROOMY or k != "fewest"}
    names = [len(_where(p)) for p in shown]
    first = max(NARROWEST, min(max(names) + 3, width - sum(columns.values()), WIDEST))
    head = "".join(f"{title:>{w}}" for title, w in columns.items())
    lines = ["", " " * first + head]
    for rule in dict.fromkeys(p.question.rule for p in shown):
        members = [p for p in shown if p.question.rule == rule]
        lines.append(rule + ("" if members[0].question.severity == "block" else " (reported only)"))
        lines += [_row(p, first, columns) for p in members]
    if hidden := len(order) - len(shown):
        lines.append(f"... {hidden} more, easier to clear or reported only (--verbose shows them)")
    lines.append("")
    for word, meaning in LEGEND:
        if word in columns:
            lines += _paragraph(f"{word:<9}{meaning}", width, " " * 9)
    tiers = {p.question.tier for p in shown}
    if "wider" in tiers:
        lines += _paragraph("w        asked at a wider margin for lack of rows", width, " " * 9)
    if "too-small" in tiers:
        said = "s        too small to be cleared: shown, and blocks when harm is demonstrated"
        lines += _paragraph(said, width, " " * 9)
    return lines


def _where(p: "Prospect") -> str:
    q = p.question
    return output.plain(q.slice if q.label is None else f"{q.slice}, class {q.label}")


def _row(p: "Prospect", first: int, columns: dict[str, int]) -> str:
    name, room = _where(p), first - 3
    if len(name) > room:
        name = name[: room // 2] + "…" + name[-(room - room // 2 - 1) :]
    cells = _cells(p)
    text = "".join(f"{cells[title]:>{w}}" for title, w in columns.items())
    line = f"{MARKS[p.question.tier]} {name:<{first - 2}}{text}"
    weak = p.keeps_shut and p.passes < WEAK
    return output.coloured(line, "yellow") if weak else line


def _cells(p: "Prospect") -> dict[str, str]:
    from ..catalogue import metric

    q = p.question
    known = metric(q.check, q.metric)
    unit = known.unit if known else "points"
    bound = output.number(q.at_most if q.at_least is None else q.at_least, unit)
    if q.at_least is not None and q.at_most is not None:
        bound = "±" + bound.lstrip("+−")
    # A loss is shown in the direction of the harm, as the bound is.
    loss = p.accused_from
    loss = -loss if loss is not None and q.at_most is None else loss
    return {
        "rows": f"{q.n:,}",
        "fewest": "—" if q.floor is None else f"{q.floor:,}",
        "bound": bound,
        "clears": _percent(p.passes),
        "churn ≤": "none" if p.most_churn is None else _churn(p.most_churn),
        "caught ≥": "never" if loss is None else output.number(loss, unit),
        "needs": "" if p.rows_for_power is None else f"{p.rows_for_power:,}",
    }


def _percent(share: float) -> str:
    """Round down: what is promised must hold."""
    whole = int(100 * share + 1e-9)
    return f"{whole} %" if whole or not share else "< 1 %"


def _churn(share: float) -> str:
    return "any" if share >= 0.5 else f"{100 * share:.2g} %"


def _rest(
    policy: "Policy", plan: "Plan", foresight: "Foresight", width: int, *, scored_later: bool
) -> list[str]:
    """Say what is left out, and why."""
    lines = []
    rules = list(dict.fromkeys(q.rule for q in foresight.unforeseen))
    if rules:
        said = (
            f"not foreseen ({len(foresight.unforeseen)} questions): counted in full, or their "
            f"spread is known only when measured: {', '.join(rules)}"
        )
        lines += ["", *_paragraph(said, width, "  ")]
    if scored_later:
        said = (
            f"not counted: slices by the baseline's confidence ({policy.slices.confidence}), which "
            "take the model's scores"
        )
        lines += _paragraph(said, width, "  ")
    for reason in dict.fromkeys(skipped.reason for skipped in plan.not_asked):
        names = ", ".join(s.rule for s in plan.not_asked if s.reason == reason)
        lines += _paragraph(f"not asked: {names}: {reason}", width, "  ")
    return lines
