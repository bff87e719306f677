"""What a person sees in the terminal: one line per finding, the verdict, the next command."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from ..catalogue import metric
from ..policy import Finding, Plan, Policy, Question, Rule, Verdict
from .terminal import paragraph, shortened, width

WORDS = {
    "fail": "FAIL", "inconclusive": "CANNOT TELL", "not_measured": "NOT MEASURED", "pass": "pass"
}  # fmt: skip
COLOURS = {"fail": "red", "inconclusive": "yellow", "not_measured": "yellow"}
SHOWN = 12
"""Findings printed without --verbose; the rest is counted."""
MARGIN = 15
"""Columns of the state on the left."""
LEAST_NAME = 34
"""Columns that the name of a slice keeps on a line with its numbers."""
ORDER = {"fail": 0, "not_measured": 1, "inconclusive": 2, "pass": 3}
RESULT_COLOURS = {"PASSED": "green", "FAILED": "red", "UNDECIDED": "yellow"}


def coloured(text: str, colour: str | None, *, bold: bool = False) -> str:
    """Colour text on a terminal; leave it alone elsewhere and under NO_COLOR."""
    if colour is None or "NO_COLOR" in os.environ or not sys.stdout.isatty():
        return text
    return click.style(text, fg=colour, bold=bold)


def number(value: float | None, unit: str, *, beside: Finding | None = None) -> str:
    """Write one number in the unit a reader thinks in.

    Beside a finding's bounds it gets the decimals without which it would read as if it met them,
    or as if it broke them.
    """
    if value is None:
        return "?"
    scale = 100 if unit in ("points", "share") else 1
    digits = {"points": 1, "share": 1, "difference": 3}
    sign = "+" if unit in ("points", "difference") else ""
    tail = " %" if unit == "share" else ""
    if unit in digits:
        fewest = digits[unit]
        wanted = beside.decimals(value, scale=scale, fewest=fewest) if beside else fewest
        return f"{scale * value:{sign}.{wanted}f}{tail}".replace("-", "−")
    written = f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if beside:
        fewest = len(written.partition(".")[2]) if "e" not in written else 4
        wanted = beside.decimals(value, fewest=fewest)
        written = written if wanted == fewest else f"{value:,.{wanted}f}"
    return written.replace("-", "−")


def unit_of(q: Question) -> str:
    """Return the unit of the metric that a question is about."""
    known = metric(q.check, q.metric)
    return known.unit if known else "ratio"


def bounds(q: Question | Rule, unit: str) -> str:
    """Write the bounds with all the digits they were given: `≥ −2.0`, `≥ −0.25 and ≤ +2.0`."""
    scale = 100 if unit in ("points", "share") else 1
    said = []
    for sign, bound in (("≥", q.at_least), ("≤", q.at_most)):
        if bound is None:
            continue
        written = number(bound, unit)
        if unit in ("points", "share", "difference"):
            exact = f"{scale * bound:.6f}".rstrip("0")
            digits = len(exact.partition(".")[2])
            short = len(written.removesuffix(" %").partition(".")[2])
            if digits > short:
                plus = "+" if unit != "share" else ""
                tail = " %" if unit == "share" else ""
                written = f"{scale * bound:{plus}.{digits}f}{tail}".replace("-", "−")
        said.append(f"{sign} {written}")
    return " and ".join(said)


def plain(text: str) -> str:
    """Write out what would steer a terminal; archives may be hostile."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def where(q: Question) -> str:
    """Name what a question is about: `all rows, class yes`."""
    name = "all rows" if q.slice == "all" else q.slice
    # One line: a class that is called "x\nPASSED" must not write a line of its own.
    return plain(name if q.label is None else f"{name}, class {q.label}").replace("\n", "\\n")


def next_steps(*steps: str) -> str:
    """Write what to do next, on one line where it fits."""
    line = "next    " + "   ·   ".join(steps)
    return line if len(line) <= width() else "next    " + "\n        ".join(steps)


# --- findings


@dataclass(frozen=True)
class _Row:
    """What is printed of one finding, or of those of a rule that share a reason."""

    status: str
    rule: str
    where: str
    effect: str
    rest: str

    @property
    def state(self) -> str:
        return coloured(f"{WORDS[self.status]:<12}", COLOURS.get(self.status))


def _row(f: Finding) -> _Row:
    q = f.question
    unit = unit_of(q)
    effect = number(f.value, unit, beside=f)
    if f.low is not None and f.high is not None and f.low != f.high:
        effect += f" [{number(f.low, unit, beside=f)}, {number(f.high, unit, beside=f)}]"
    rest = bounds(q, unit) + (f"   n {f.n:,}" if f.n else "")
    if f.status == "inconclusive" and f.rows_to_decide:
        rest += f" (needs about {f.rows_to_decide:,} {to_what(f)})"
    rest += "" if _decides(f) else "   reported only"
    return _Row(status=f.status, rule=q.rule, where=where(q), effect=effect, rest=rest)


def to_what(f: Finding) -> str:
    """Say which way more rows would settle it, if what was seen is the truth."""
    q = f.question
    if f.value is None:
        return "to tell"
    meets = (q.at_least is None or f.value >= q.at_least) and (
        q.at_most is None or f.value <= q.at_most
    )
    return "to pass it" if meets else "to fail it"


def _silent(members: list[Finding], *, verbose: bool) -> str:
    """Write the findings of a rule that nothing answered, for one and the same reason."""
    f = members[0]
    places = where(f.question)
    if len(members) > 1:
        noun = "slices" if all(m.question.label is None for m in members) else "slices and classes"
        places = f"{len(members)} {noun}"
        places += f" ({'; '.join(where(m.question) for m in members)})" if verbose else ""
    note = "" if _decides(f) else " (reported only)"
    text = f"{'':<12} {f.question.rule}: not measured in {places}: {plain(f.reason)}{note}"
    lines = paragraph(f"  {text}", " " * MARGIN)
    return f"  {coloured(f'{WORDS[f.status]:<12}', COLOURS[f.status])}" + lines[MARGIN - 1 :]


def _lines(groups: list[list[Finding]], *, verbose: bool) -> Iterator[str]:
    """One line per finding where the terminal is wide enough; else the numbers go below."""
    made = [None if g[0].status == "not_measured" else _row(g[0]) for g in groups]
    rows = [r for r in made if r is not None]
    rule, place, effect, rest = (
        max((len(getattr(r, column)) for r in rows), default=0)
        for column in ("rule", "where", "effect", "rest")
    )
    # Where all columns do not fit, the name of the slice gives way first.
    room = width() - (MARGIN + rule + effect + rest + 7)
    fits = room >= min(place, LEAST_NAME)
    place = min(place, max(room, 0))
    for group, r in zip(groups, made, strict=True):
        if r is None:
            yield _silent(group, verbose=verbose)
        elif fits:
            yield (
                f"  {r.state} {r.rule:<{rule}}  {shortened(r.where, place):<{place}}  "
                f"{r.effect:<{effect}}   {r.rest}"
            )
        else:
            yield from _names(r)
            yield paragraph(f"{'':{MARGIN}}{r.effect}   {r.rest}", " " * MARGIN)


def _names(r: _Row) -> Iterator[str]:
    """Write state, rule and slice, on a line each where a terminal is narrow."""
    room = width() - MARGIN - len(r.rule) - 2
    if room >= min(len(r.where), 18):
        yield f"  {r.state} {r.rule}  {shortened(r.where, room)}"
    else:
        yield f"  {r.state} {r.rule}"
        yield " " * MARGIN + shortened(r.where, width() - MARGIN)


def _grouped(findings: list[Finding]) -> list[list[Finding]]:
    """Put together the findings of a rule that nothing answered for the same reason."""
    groups: dict[object, list[Finding]] = {}
    for i, f in enumerate(findings):
        key = (f.question.rule, f.reason, f.blocks) if f.status == "not_measured" else i
        groups.setdefault(key, []).append(f)
    return list(groups.values())


def findings(verdict: Verdict, *, verbose: bool = False) -> Iterator[str]:
    """Write the findings, the blocking ones first; passes only when asked or when few."""
    order = sorted(
        verdict.findings,
        # What was counted in full first, then what is best established.
        key=lambda f: (
            not f.blocks,
            ORDER[f.status],
            -1.0 if f.p_adjusted is None else f.p_adjusted,
        ),
    )
    wanted = order if verbose else [f for f in order if f.blocks or f.status == "fail"]
    groups = _grouped(wanted)
    shown = groups if verbose else groups[:SHOWN]
    yield from _lines(shown, verbose=verbose)
    printed = {id(f) for group in shown for f in group}
    hidden = [f for f in order if id(f) not in printed]
    if hidden:
        said = f"  ... {len(hidden)} more: {_summary(hidden)} (--verbose\u00a0shows\u00a0them)"
        yield paragraph(said, " " * 6)


COUNTED = (
    ("fail", "fail"),
    ("inconclusive", "cannot tell"),
    ("not_measured", "not measured"),
    ("pass", "pass"),
)


def verdict_line(verdict: Verdict, place: str = "") -> str:
    """Write the verdict, the counts it rests on, and apart from them what is only reported."""
    plainly = paragraph(f"{verdict.result}  {_summary(verdict.findings)}", " " * 8)
    word = coloured(verdict.result, RESULT_COLOURS[verdict.result], bold=True)
    return word + plainly[len(verdict.result) :] + (f"\n        {place}" if place else "")


def document(verdict: Verdict, plan: Plan, policy: Policy) -> dict[str, Any]:
    """Return the verdict as JSON values, with what it was judged by and how many said what."""
    deciding = [f for f in verdict.findings if _decides(f)]
    reported = [f for f in verdict.findings if not _decides(f)]
    return verdict.model_dump(mode="json") | {
        "attempt": plan.attempt,
        "alpha": plan.alpha,
        "policy": {"name": policy.name, "version": policy.version, "sha256": plan.policy_sha256},
        "counts": {
            name: {status: sum(f.status == status for f in found) for status, _ in COUNTED}
            for name, found in (("deciding", deciding), ("reported_only", reported))
        },
    }


def _summary(found: Iterable[Finding]) -> str:
    """Count what decides, and apart from it what is only reported; together they are all."""
    found = list(found)
    said = " · ".join(_counts([f for f in found if _decides(f)]))
    reported = ", ".join(_counts([f for f in found if not _decides(f)]))
    if reported:
        said = (
            f"{said}   (reported\u00a0only: {reported})" if said else f"reported only: {reported}"
        )
    return said or "nothing was asked"


def _decides(f: Finding) -> bool:
    return f.blocks or (f.question.severity == "block" and f.status == "pass")


def _counts(findings: list[Finding]) -> list[str]:
    numbers = [(sum(f.status == status for f in findings), word) for status, word in COUNTED]
    return [f"{number} {word}".replace(" ", "\u00a0") for number, word in numbers if number]


@contextmanager
def progress_bar() -> Iterator[Any]:
    """Yield a progress callback: a bar on a terminal, a line per stage elsewhere."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: click.echo(f"  {done}/{total} {what}", err=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("  {task.description:<34}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("starting", total=1)

        def said(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield said
