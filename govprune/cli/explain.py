"""`govprune explain`: one rule of a bundle, or of a policy, in words and numbers."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from . import output, trusting
from .counted import METHODS, counted

if TYPE_CHECKING:
    from ..evidence.statement import Evidence
    from ..evidence.verify import Verified
    from ..measurements import Measurement
    from ..policy import Finding, Rule

SHOWN = 8
"""Findings of one rule printed in full without --verbose; those that decide come first."""
LABEL = 12
"""Columns of the words on the left."""
SCOPES = {
    "slice": "every slice",
    "slice-label": "every slice and class",
    "attribute": "every way of grouping",
}
ORDER = {"fail": 0, "not_measured": 1, "inconclusive": 2, "pass": 3}


@click.command(name="explain")
@click.argument("bundle", required=False)
@click.argument("rule", required=False)
@click.option(
    "--policy", "policy_name", help="Explain this policy file or pack instead of a bundle."
)
@trusting.options
@click.option("--verbose", "-v", is_flag=True, help="Show every finding of a rule in full.")
def command(
    bundle: str | None,
    rule: str | None,
    policy_name: str | None,
    key: tuple[Path, ...],
    trust: Path | None,
    root_key: tuple[Path, ...],
    verbose: bool,
) -> int:
    """Explain RULE of BUNDLE: requirement, numbers, method, and what would change the verdict.

    Without RULE: every rule that keeps the verdict from being PASSED. With --policy PACK [RULE] and
    no bundle: what each rule asks, why, and where its number comes from.
    """
    from ..errors import InputError
    from ..evidence.verify import verify_bundle

    if policy_name is not None:
        if rule is not None:
            raise InputError("--policy explains a policy without a bundle: give at most one RULE")
        return _policy(policy_name, bundle)
    if bundle is None:
        raise InputError("name a BUNDLE, or a policy with --policy PACK")
    now = datetime.now(UTC)
    gates, under = trusting.whom(key, trust, root_key, now)
    found = verify_bundle(Path(bundle), trusted=gates, root=Path(bundle), now=now, under=under)
    return _bundle(found, rule, verbose=verbose)


def _policy(name: str, wanted: str | None) -> int:
    from .. import policy
    from ..errors import InputError
    from ..frameworks import check_controls

    chosen = policy.load(name, root=Path.cwd()).policy
    check_controls(chosen)
    by_id = {rule.id: rule for rule in chosen.rules}
    if wanted is not None and wanted not in by_id:
        raise InputError(f"no rule '{wanted}'. {chosen.name} has: {', '.join(by_id)}")
    if wanted is None:
        attempts = "each attempt charged" if chosen.attempts == "charged" else "attempts counted"
        _line("", f"{chosen.name} {chosen.version}: {' '.join((chosen.description or '').split())}")
        _line("", f"one-sided level {chosen.alpha:g}, {attempts}; a pass is good for "
              f"{chosen.valid_days} days\n")  # fmt: skip
    for rule in chosen.rules if wanted is None else (by_id[wanted],):
        _rule(rule)
        click.echo()
    return 0


def _bundle(found: "Verified", wanted: str | None, *, verbose: bool) -> int:
    from ..errors import InputError

    evidence = found.evidence
    by_id = {r.id: r for r in evidence.policy.rules}
    if wanted is not None and wanted not in by_id:
        raise InputError(f"no rule '{wanted}'. This bundle has: {', '.join(by_id)}")
    shut = sorted((f for f in evidence.verdict.findings if f.blocks), key=lambda f: ORDER[f.status])
    blocking = [f.question.rule for f in shut]
    names = [wanted] if wanted is not None else list(dict.fromkeys(blocking))
    said = (
        f"{len(names)} rules keep this verdict from being PASSED"
        if names
        else "no rule keeps this verdict from being PASSED"
    )
    if wanted is None:
        _line("", f"{evidence.verdict.result}: {said}\n")
    for name in names:
        _findings(evidence, by_id[name], verbose=verbose)
    return 0


# --- what a rule asks


def _line(word: str, text: str) -> None:
    """Write a label and a text that wraps beside it."""
    width = max(40, min(shutil.get_terminal_size((100, 24)).columns, 110))
    indent = " " * (LABEL + 3) if word else ""
    start = f"  {word:<{LABEL}} " if word else ""
    plain = output.plain(text)
    body = wrap(plain, width, initial_indent=start, subsequent_indent=indent,
                break_on_hyphens=False)  # fmt: skip
    click.echo("\n".join(body) + ("\n" if plain.endswith("\n") else ""))


def _rule(rule: "Rule") -> None:
    from ..catalogue import metric

    known = metric(rule.check, rule.metric)
    unit = known.unit if known else "ratio"
    _line("", f"{rule.id}: {rule.title or f'{rule.metric} of {rule.check}'}")
    where = SCOPES.get(known.scope, "all rows") if known else "all rows"
    where = {"whole": "all rows", "groups": "every group of people"}.get(rule.over, where)
    _line("asks", f"{rule.metric} of {rule.check} {output.bounds(rule, unit)}, over {where}")
    _line("decides", _decides(rule))
    if rule.needs:
        _line("needs", ", ".join(rule.needs) + " to pass; else it cannot tell")
    if rule.small_slices:
        _line("small", " ".join(rule.small_slices.because.split()))
    _line("why", " ".join((rule.because or "the policy does not say").split()))
    _line("source", " ".join((rule.source or "the policy does not say").split()))
    named = [*(f"evidences {c}" for c in rule.evidences), *(f"supports {c}" for c in rule.supports)]
    if named:
        _line("controls", ", ".join(named))


def _decides(rule: "Rule") -> str:
    if rule.severity == "report":
        return "nothing: it is shown"
    if rule.on_inconclusive == "report":
        return "demonstrated harm fails the candidate; what cannot be told is shown"
    return "harm fails the candidate; what cannot be told keeps the gate shut"


# --- what a bundle says of it


def _findings(evidence: "Evidence", rule: "Rule", *, verbose: bool) -> None:
    found = [f for f in evidence.verdict.findings if f.question.rule == rule.id]
    answers = {m.key: m for m in evidence.measurements}
    _rule(rule)
    kinds = {answers[f.question.key].basis.kind for f in found if f.question.key in answers}
    for kind in sorted(kinds - {"undefined"} or kinds):
        _line("method", METHODS[kind])
    _line("level", f"{evidence.plan.alpha:.4f} one-sided (attempt {evidence.plan.attempt} on this "
          "baseline and data)")  # fmt: skip
    order = sorted(found, key=lambda f: (not f.blocks, ORDER[f.status]))
    shown = order if verbose else order[:SHOWN]
    for f in shown:
        _finding(f, answers.get(f.question.key), evidence.plan.alpha)
    if len(shown) < len(order):
        rest = [f.status for f in order[SHOWN:]]
        counts = ", ".join(
            f"{rest.count(s)} {output.WORDS[s].lower()}" for s in dict.fromkeys(rest)
        )
        click.echo(f"  ... {len(rest)} more: {counts} (--verbose shows them)")
    if not found:
        reason = next((n.reason for n in evidence.plan.not_asked if n.rule == rule.id), "")
        _line("not asked", reason or "the data gives no occasion to ask it")
    else:
        _line("changes", _remedy(found))
    click.echo()


def _finding(f: "Finding", m: "Measurement | None", alpha: float) -> None:
    q = f.question
    unit = output.unit_of(q)
    word = output.coloured(f"{output.WORDS[f.status]:<{LABEL}}", output.COLOURS.get(f.status))
    click.echo(f"  {word} {output.where(q)}")
    undecided = q.severity == "report" or (f.status == "inconclusive" and not f.blocks)
    _line(" ", f.reason + ("; reported only" if undecided else ""))
    if m is None:
        return
    if f.value is not None:
        _line(" ", _interval(f, unit))
    for text in counted(m.basis, alpha, unit):
        _line(" ", text)
    for note in m.notes if f.status != "pass" else ():
        _line(" ", note)


def _interval(f: "Finding", unit: str) -> str:
    q = f.question
    said = output.number(f.value, unit, beside=f)
    if f.low != f.high:
        low, high = (
            "unbounded" if end is None else output.number(end, unit, beside=f)
            for end in (f.low, f.high)
        )
        said += f", at this level from {low} to {high}"
    asked = {"stated": "", "wider": " (the wider margin of a small slice)",
             "too-small": " (the widest margin; too small to be cleared)"}[q.tier]  # fmt: skip
    return f"{said}; asked {output.bounds(q, unit)}{asked}"


# --- what would change it


def _remedy(found: "list[Finding]") -> str:
    failed = [f for f in found if f.status == "fail"]
    blocking = [f for f in failed if f.blocks]
    silent = [f for f in found if f.status == "not_measured" and f.blocks]
    open_ = [f for f in found if f.status == "inconclusive" and f.blocks]
    said = []
    if blocking:
        where = _names(blocking)
        said.append(f"a candidate that does not lose this on {where}; more rows will not help")
    if silent:
        said.append("a measurement: see the reason above")
    if open_:
        said.append(_more(open_))
    if said:
        return "; then ".join(said)
    if failed:
        return "nothing here: the rule lets this be, and shows it"
    return "nothing: this rule does not keep the gate shut"


def _more(open_: "list[Finding]") -> str:
    rows = [
        f"{output.where(f.question)} about {f.rows_to_decide:,} {output.to_what(f)}"
        for f in open_
        if f.rows_to_decide
    ]
    if not rows:
        if any(f.question.needs for f in open_):
            return "a pass of what it rests on"
        return f"more rows, or a candidate that changes fewer answers, on {_names(open_)}"
    more = f"; and {len(rows) - 6} more" if len(rows) > 6 else ""
    return (
        "more rows, if what was seen is the truth: " + "; ".join(rows[:6]) + more
        + "; or a candidate that changes fewer answers"
    )  # fmt: skip


def _names(found: "list[Finding]") -> str:
    names = list(dict.fromkeys(output.where(f.question) for f in found))
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
