"""Fairness per group, baseline beside candidate, and the disparities between groups."""

from math import isfinite, nan

from ..measurements import Grouped, Measurement
from ..policy import Finding
from . import words
from .facts import Facts
from .parts import Cell, Prose, Section, Table, left, right, text

_RATES = (
    ("fairness", "selection-rate-change", "selection rate"),
    ("fairness", "true-positive-rate-change", "true positive rate"),
    ("fairness", "false-positive-rate-change", "false positive rate"),
    ("fairness", "precision-change", "precision"),
    ("slice-performance", "accuracy-change", "accuracy"),
)


_CHANGES = {
    f"{name}-{kind}-change"
    for name in ("demographic-parity", "equalized-odds")
    for kind in ("difference", "ratio")
}


def section(facts: Facts) -> Section | None:
    """Return the section; None where no fairness metric was measured."""
    measured = facts.of_check("fairness")
    if not measured:
        return None
    tables = [t for t in (_groups(facts), _disparities(facts)) if t is not None]
    notes = dict.fromkeys(words.visible(note) for m in measured for note in m.notes)
    return Section(
        id="fairness",
        title="Fairness per group",
        parts=(*tables, *(Prose(text=note, tone="quiet") for note in notes)),
    )


def _groups(facts: Facts) -> Table | None:
    profile = facts.evidence.profile
    rows = []
    for s in profile.slices:
        cells = [
            words.arrow(facts.basis(check, metric_id, s.name)) for check, metric_id, _ in _RATES
        ]
        if any(cell != "—" for cell in cells):
            rows.append(
                (
                    text(words.slice_name(s.name)),
                    text(f"{s.n:,}", "quiet"),
                    *(text(cell, "quiet" if cell == "—" else "plain") for cell in cells),
                )
            )
    if not rows:
        return None
    return Table(
        caption="Rates per group, baseline → candidate, in per cent",
        columns=(
            left("group", 26),
            right("rows", 8),
            *(right(title) for _, _, title in _RATES),
        ),
        rows=tuple(rows),
        note="Differences with their intervals and findings are in the table of all findings. "
        "The favourable class is "
        f"{words.visible(profile.positive) if profile.positive is not None else 'not named'}.",
    )


def _disparities(facts: Facts) -> Table | None:
    judged: dict[tuple[str, str, str, str | None], Finding] = {
        f.question.key: f for f in facts.evidence.verdict.findings
    }
    measured = {(m.metric, m.slice): m for m in facts.of_check("fairness")}
    rows = [
        _disparity(facts, m, measured, judged.get(m.key))
        for m in measured.values()
        if isinstance(m.basis, Grouped) and m.basis.of == "change" and m.metric in _CHANGES
    ]
    if not rows:
        return None
    return Table(
        caption="Disparity between groups, largest against smallest",
        columns=(
            left("statistic", 17),
            left("between", 11),
            right("baseline, %", 17),
            right("candidate, %", 17),
            right("change, points", 17),
            right("tolerated", 9),
            right("finding", 12),
        ),
        rows=tuple(rows),
        note="Definitions as in Fairlearn; intervals by multinomial bootstrap of the joint counts. "
        "Differences rest on the smallest group and are biased upwards.",
    )


def _disparity(
    facts: Facts, m: Measurement, measured: dict[tuple[str, str], Measurement], f: Finding | None
) -> tuple[Cell, ...]:
    name = m.metric.removesuffix("-change")
    own = (measured.get((name + suffix, m.slice)) for suffix in ("-of-the-baseline", ""))
    points = words.rates(m.basis) or (nan, nan)
    last = (
        (text("no rule", "quiet"), text("not judged", "quiet"))
        if f is None
        else (facts.tolerated(f), facts.state(f))
    )
    return (
        text(name.replace("-", " ")),
        text(words.slice_name(m.slice)),
        *(
            text(
                facts.interval(o, "share")
                if o
                else words.percent(value)
                if isfinite(value)
                else "—"
            )
            for o, value in zip(own, points, strict=True)
        ),
        text(facts.interval(m, "points")),
        *last,
    )
