"""The areas that are no slices: robustness, privacy, data, artefact; and every finding at once."""

from ..catalogue import CHECKS_BY_ID
from ..measurements import Figure
from ..policy import Finding
from . import words
from .facts import Facts
from .parts import Cell, Points, Prose, Section, Table, left, right, text

_TITLES = (
    ("robustness", "Robustness"),
    ("privacy", "Privacy"),
    ("data", "Data"),
    ("artefact", "The artefact: what was done, size and time"),
)
_PERFORMANCE = "performance and fairness"


def sections(facts: Facts) -> tuple[Section, ...]:
    """Return one section per area that was asked about."""
    made = []
    for area, title in _TITLES:
        findings = [
            f for f in facts.evidence.verdict.findings if facts.area(f.question.check) == area
        ]
        parts = (*_table(facts, findings, title), *_notes(facts, area), *_figures(facts, area))
        if parts:
            made.append(Section(id=area, title=title, parts=parts))
    return tuple(made)


def _table(facts: Facts, findings: list[Finding], caption: str) -> tuple[Table, ...]:
    if not findings:
        return ()
    rows = tuple(
        (
            text(facts.rule(f).title or facts.metric_name(f)),
            facts.effect(f),
            facts.tolerated(f),
            text(f"{f.n:,}" if f.n else "—", "quiet"),
            facts.state(f),
        )
        for f in findings
    )
    return (
        Table(
            caption=caption,
            caption_shown=False,
            columns=(
                left("requirement", 51),
                right("measured", 19),
                right("tolerated", 10),
                right("n", 7),
                right("finding", 13),
            ),
            rows=rows,
        ),
    )


def _notes(facts: Facts, area: str) -> tuple[Points, ...]:
    said = dict.fromkeys(
        f"{words.title_of(None, m.check)}: {words.ended(words.visible(note))}"
        for m in facts.evidence.measurements
        if facts.area(m.check) == area
        for note in m.notes
    )
    return (Points(items=tuple(said)),) if said else ()


def _figures(facts: Facts, area: str) -> tuple[Table, ...]:
    return tuple(_figure(f) for f in facts.evidence.figures if facts.area(f.check) == area)


def figures_elsewhere(facts: Facts) -> Section | None:
    """Return the figures of performance checks and of checks that do not ship with govprune."""
    shown = {area for area, _ in _TITLES}
    rest = [
        f
        for f in facts.evidence.figures
        # Rates per group have a table of their own.
        if facts.area(f.check) not in shown and not (f.check == "fairness" and facts.rates_shown)
    ]
    if not rest:
        return None
    return Section(
        id="figures",
        title="Further figures",
        parts=(
            Prose(text="Shown for the reader; no rule judges them.", tone="quiet"),
            *(_figure(f) for f in rest),
        ),
    )


def _figure(figure: Figure) -> Table:
    numeric = [  # the first column names the row
        i > 0 and all(_is_number(row[i]) for row in figure.rows if i < len(row))
        for i in range(len(figure.columns))
    ]
    width = len(figure.columns)
    return Table(
        caption=words.visible(figure.title),
        columns=tuple(
            (right if numbers else left)(words.visible(name), FIRST if i == 0 else None)
            for i, (name, numbers) in enumerate(zip(figure.columns, numeric, strict=True))
        ),
        rows=tuple(
            tuple(text(words.visible(cell)) for cell in (*row, *("",) * width)[:width])
            for row in figure.rows
        ),
    )


def _is_number(cell: str) -> bool:
    return cell.strip()[:1] in "−-+.×≤≥—" or cell.strip()[:1].isdigit()


def all_findings(facts: Facts) -> Section:
    """List every question and its answer."""
    findings = sorted(
        facts.evidence.verdict.findings,
        key=lambda f: (
            list(CHECKS_BY_ID).index(f.question.check)
            if f.question.check in CHECKS_BY_ID
            else len(CHECKS_BY_ID)
        ),
    )
    by_rule: dict[str, list[Finding]] = {}
    for f in findings:
        by_rule.setdefault(f.question.rule, []).append(f)
    rows = tuple(row for group in by_rule.values() for row in _rows(facts, group))
    return Section(
        id="findings",
        title="Every question and its answer",
        parts=(
            Table(
                caption="All findings",
                caption_shown=False,
                filterable=True,
                dense=True,
                columns=(
                    left("rule", 23),
                    left("slice", 23),
                    right("measured", 19),
                    right("tolerated", 9),
                    right("n", 7),
                    right("p of harm", 6),
                    right("finding", 13),
                ),
                rows=rows,
                note="Of slices that pass or are only reported, all but the closest to the bound "
                "are summed up; the attached evidence has each. Changes of rates are in points. "
                "p: Holm-adjusted within its rule, of harm beyond the bound; "
                f"a slice is accused at {_p(facts.evidence.plan.accuse_alpha)}.",
            ),
        ),
        new_page=True,
    )


FIRST = 30
"""Width of a figure's first column, which names the row, in per cent."""
FEW = 4
"""Slices of a rule with one quiet finding that are listed one by one."""


def _rows(facts: Facts, findings: list[Finding]) -> list[tuple[Cell, ...]]:
    """List what blocks; of what passes or is only reported, the closest to its bound."""
    listed, summed = [], []
    quiet: dict[str, list[Finding]] = {}
    for f in findings:
        if f.blocks or f.status == "fail":
            listed.append(_row(facts, f))
        else:
            quiet.setdefault(f.status, []).append(f)
    for alike in quiet.values():
        closest = max(alike, key=words.harm)
        shown = alike if len(alike) <= FEW else [closest]
        listed += [_row(facts, f) for f in shown]
        rest = [f for f in alike if f not in shown]
        if rest:
            summed.append(_summed(facts, rest))
    return [*listed, *summed]


def _summed(facts: Facts, rest: list[Finding]) -> tuple[Cell, ...]:
    fewest = min(f.n for f in rest)
    return (
        text(rest[0].question.rule),
        text(f"{len(rest)} other slices", "quiet"),
        text("", "quiet"),
        text(""),
        text(f"≥ {fewest:,}" if fewest else "—", "quiet"),
        text("—", "quiet"),
        facts.state(rest[0]),
    )


def _row(facts: Facts, f: Finding) -> tuple[Cell, ...]:
    return (
        text(f.question.rule),
        text(words.asked_of(f.question)),
        facts.effect(f),
        facts.tolerated(f),
        text(f"{f.n:,}" if f.n else "—", "quiet"),
        text("—" if f.p_adjusted is None else _p(f.p_adjusted), "quiet"),
        facts.state(f),
    )


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}".rstrip("0").rstrip(".") or "0"


def open_questions(facts: Facts) -> Section | None:
    """Say of everything that nobody could answer why not, and what it would take."""
    unanswered = [f for f in facts.worst_first if f.status in ("inconclusive", "not_measured")]
    asked = [f for f in unanswered if f.blocks]
    unmeasured = facts.evidence.unmeasured
    if not unanswered and not unmeasured:
        return None
    parts: list[Table | Prose | Points] = []
    if asked:
        parts.append(_open_table(facts, asked))
    if others := len(unanswered) - len(asked):
        said = words.count(others, "more question")
        parts.append(Prose(text=f"{said} cannot be answered and do not block; they are listed "
                           "among all findings.", tone="quiet"))  # fmt: skip
    known = {f.question.check for f in asked if f.status == "not_measured"}
    rest = [u for u in unmeasured if u.check not in known]
    if rest:
        parts.append(
            Points(
                items=tuple(
                    f"{words.visible(u.check)} did not measure: "
                    f"{words.ended(words.visible(u.reason))}"
                    for u in rest
                )
            )
        )
    return Section(id="open", title="Open questions", parts=tuple(parts))


def _open_table(facts: Facts, asked: list[Finding]) -> Table:
    return Table(
        caption="Why a question stays open, and the rows that would settle it",
        dense=True,
        columns=(
            left("rule", 22),
            left("slice", 22),
            left("finding", 12),
            left("why", 25),
            right("has", 8),
            right("would settle it", 11),
        ),
        rows=tuple(
            (
                text(f.question.rule),
                text(words.asked_of(f.question)),
                facts.state(f),
                text(words.visible(f.reason), "quiet"),
                text(f"{f.n:,}" if f.n else "—"),
                text(words.needed(f.rows_to_decide) if f.rows_to_decide else "—"),
            )
            for f in asked
        ),
        note="Rows that would settle it: if the change and the churn that were seen are the true "
        "ones. The counts are scaled up until the limit clears the bound.",
    )
