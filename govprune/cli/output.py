"""What a person sees in the terminal: one line per finding, the verdict, the next command."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ..catalogue import metric
from ..policy import Finding, Verdict

WORDS = {
    "fail": "FAIL",
    "inconclusive": "CANNOT TELL",
    "not_measured": "NOT MEASURED",
    "pass": "pass",
}
COLOURS = {"fail": "red", "inconclusive": "yellow", "not_measured": "yellow"}
SHOWN = 12
"""Findings printed without --verbose; the rest is counted."""
ORDER = {"fail": 0, "not_measured": 1, "inconclusive": 2, "pass": 3}
RESULT_COLOURS = {"PASSED": "green", "FAILED": "red", "UNDECIDED": "yellow"}


def coloured(text: str, colour: str | None, *, bold: bool = False) -> str:
    """Colour text on a terminal; leave it alone elsewhere and under NO_COLOR."""
    if colour is None or "NO_COLOR" in os.environ or not sys.stdout.isatty():
        return text
    return click.style(text, fg=colour, bold=bold)


def number(value: float | None, unit: str) -> str:
    """Write one number in the unit a reader thinks in."""
    if value is None:
        return "?"
    if unit == "points":
        return f"{100 * value:+.1f}".replace("-", "−")
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "difference":
        return f"{value:+.3f}".replace("-", "−")
    return f"{value:,.4g}".replace("-", "−")


def finding_line(f: Finding) -> str:
    """Write one finding on one line: state, metric, slice, effect, interval, bound, n."""
    q = f.question
    known = metric(q.check, q.metric)
    unit = known.unit if known else "ratio"
    where = plain(q.slice if q.label is None else f"{q.slice}, class {q.label}")
    if f.status == "not_measured":
        effect, bound = plain(f.reason), ""
    else:
        effect = number(f.value, unit)
        if f.low is not None and f.high is not None and f.low != f.high:
            effect += f" [{number(f.low, unit)}, {number(f.high, unit)}]"
        bounds = []
        if q.at_least is not None:
            bounds.append(f"≥ {number(q.at_least, unit)}")
        if q.at_most is not None:
            bounds.append(f"≤ {number(q.at_most, unit)}")
        bound = " and ".join(bounds) + (f"   n {f.n:,}" if f.n else "")
        if f.status == "inconclusive" and f.rows_to_decide:
            bound += f" (needs about {f.rows_to_decide:,})"
    note = "" if q.severity == "block" and (f.blocks or f.status == "pass") else "   reported only"
    word = f"{WORDS[f.status]:<12}"
    word = coloured(word, COLOURS.get(f.status))
    return f"  {word} {q.rule:<30} {where:<34} {effect}   {bound}{note}"


def plain(text: str) -> str:
    """Write out what would steer a terminal; archives may be hostile."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


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
    shown = order if verbose else [f for f in order if f.blocks or f.status == "fail"][:SHOWN]
    for f in shown:
        yield finding_line(f)
    hidden = order[:]
    for f in shown:
        hidden.remove(f)
    if hidden:
        parts = _counts([f for f in hidden if f.blocks])
        parts += [f"{n} pass" for n in [sum(f.status == "pass" for f in hidden)] if n]
        other = sum(f.status != "pass" and not f.blocks for f in hidden)
        parts += [f"{other} reported only"] if other else []
        yield f"  ... {len(hidden)} more: {', '.join(parts)} (--verbose shows them)"


COUNTED = (
    ("fail", "fail"),
    ("inconclusive", "cannot tell"),
    ("not_measured", "not measured"),
    ("pass", "pass"),
)


def verdict_line(verdict: Verdict, place: str = "") -> str:
    """Write the verdict, the counts it rests on, and apart from them what is only reported."""
    deciding = [f for f in verdict.findings if _decides(f)]
    reported = [f for f in verdict.findings if not _decides(f) and f.status != "pass"]
    counts = " · ".join(_counts(deciding))
    if reported:
        counts += f"   (reported only: {', '.join(_counts(reported))})"
    word = coloured(verdict.result, RESULT_COLOURS[verdict.result], bold=True)
    return f"{word}  {counts}" + (f"\n        {place}" if place else "")


def _decides(f: Finding) -> bool:
    return f.blocks or (f.question.severity == "block" and f.status == "pass")


def _counts(findings: list[Finding]) -> list[str]:
    numbers = [(sum(f.status == status for f in findings), word) for status, word in COUNTED]
    return [f"{number} {word}" for number, word in numbers if number]


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
