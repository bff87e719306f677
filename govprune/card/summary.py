"""Page one below the verdict: what was found, asked, changed, and what would change the verdict."""

from collections import Counter

from ..catalogue import CATALOGUE
from ..policy import Finding
from . import words
from .facts import Facts
from .parts import Cell, Table, left, right, text

_MAX_FOUND, _MIN_FOUND = 7, 4
_MAX_REMEDIES = 4
_NAME_FITS = 34


def found(facts: Facts, *, taken: int = 0) -> Table:
    """List the worst findings, then the two that everybody asks for.

    Args:
        facts: The evidence.
        taken: Rows of page one that something more urgent needs.
    """
    room = max(_MAX_FOUND - taken, _MIN_FOUND)
    worst = [f for f in facts.worst_first if f.status != "pass"]
    failing = [f for f in worst if f.status == "fail"][: room - 2]
    others = [f for f in worst if f.status != "fail"][: room - 1 - len(failing)]
    headline = [
        f
        for f in facts.evidence.verdict.findings
        if f.question.slice == "all"
        and f.question.metric in ("accuracy-change", "harm-flip-rate")
        and f not in failing + others
    ]
    # Where nothing is wrong and nothing is usual, what came closest to its bound.
    shown = failing + others + headline or list(facts.worst_first)[:_MIN_FOUND]
    chosen = _fitting(shown, room)
    more = len(facts.evidence.verdict.findings) - len(chosen)
    return Table(
        caption="What was found",
        caption_shown=False,
        columns=(
            left("measure", 24),
            left("slice", 27),
            right("points, unless said", 20),
            right("tolerated", 9),
            right("n", 8),
            right("finding", 12),
        ),
        rows=tuple(found_row(facts, f) for f in chosen),
        note=f"{words.count(more, 'more finding')} on the pages that follow." if more else "",
    )


def _fitting(findings: list[Finding], lines: int) -> list[Finding]:
    """Keep page one one page: a name that wraps takes two lines."""
    kept: list[Finding] = []
    for f in findings:
        lines -= 1 + (len(words.asked_of(f.question)) > _NAME_FITS)
        if lines >= 0 or len(kept) < _MIN_FOUND - 1:
            kept.append(f)
    return kept


def found_row(facts: Facts, f: Finding) -> tuple[Cell, ...]:
    """Return one finding as a row: measure, slice, measured, tolerated, n, finding."""
    state = facts.state(f)
    return (
        text(facts.metric_name(f), state.tone),
        text(words.asked_of(f.question), "open" if state.tone == "open" else "plain"),
        facts.effect(f),
        facts.tolerated(f),
        text(f"{f.n:,}" if f.n else "—", "quiet"),
        state,
    )


def counts(facts: Facts) -> Table:
    """Count the findings of each area."""
    states = ("pass", "fail", "inconclusive", "not_measured")
    areas = list(dict.fromkeys(entry.area for entry in CATALOGUE))
    tally: Counter[tuple[str, str]] = Counter(
        (facts.area(f.question.check), f.status) for f in facts.evidence.verdict.findings
    )
    rows = [
        (text(area[:1].upper() + area[1:]), *(_number(tally[area, s], s) for s in states))
        for area in areas
    ]
    total = facts.evidence.verdict
    rows.append((text("All", "strong"), *(text(str(total.count(s)), "strong") for s in states)))
    return Table(
        caption="What was asked and answered",
        caption_shown=False,
        columns=(
            left("area", 40),
            right("pass", 11),
            right("fail", 10),
            right("cannot tell", 18),
            right("not measured", 21),
        ),
        rows=tuple(rows),
    )


def _number(n: int, status: str) -> Cell:
    return text(str(n), "fail" if n and status == "fail" else "plain" if n else "quiet")


def changed(facts: Facts) -> Table:
    """Show what the step saved, measured, beside what it claims."""
    claim, rows = facts.evidence.step.claim, []
    for check, name, said in (
        ("compression-claim", "sparsity", _claim(claim.sparsity, "share")),
        ("compression-claim", "bits-per-weight", _claim(claim.bits, "bits")),
        ("size", "size-ratio", _claim(claim.size_ratio, "ratio")),
        ("latency", "latency-ratio", _claim(1 / claim.speed_up if claim.speed_up else None,
                                            "ratio")),
    ):  # fmt: skip
        rows += _changed_row(facts, check, name, said)
    for m in facts.of_check("derivation"):
        if m.metric == "undeclared-retraining":
            note = m.notes[0] if m.notes else f"{words.interval(m.basis, facts.alpha, 'count')}"
            rows.append((text("Derivation"), text(words.visible(note))))
    if facts.evidence.chain:
        rows += [
            (text("Costliest link"), text(words.visible(f"{m.notes[0]}: "
             + words.interval(m.basis, facts.alpha, "points"))))
            for m in facts.of_check("link-attribution")
            if m.metric == "worst-link-change" and m.notes
        ]  # fmt: skip
    if not rows:
        rows.append((text("No measurement of size, sparsity or time arrived."), text("")))
    return Table(
        caption="What changed",
        caption_shown=False,
        columns=(left("property", 42), right("measured", 58)),
        rows=tuple(rows),
    )


def _changed_row(facts: Facts, check: str, name: str, said: str) -> list[tuple[Cell, ...]]:
    labels = {
        "sparsity": ("Zero weights", "share"),
        "bits-per-weight": ("Bits per weight", "bits"),
        "size-ratio": ("File", "ratio"),
        "latency-ratio": ("Time per prediction", "ratio"),
    }
    label, unit = labels[name]
    basis = facts.basis(check, name)
    if basis is None:
        return []
    value = words.interval(basis, facts.alpha, unit)
    return [(text(label), text(value + said))]


def _claim(value: float | None, unit: str) -> str:
    return "" if value is None else f" (claim: {words.one(value, unit)})"


def remedies(facts: Facts) -> tuple[str, ...]:
    """Say what would change the verdict, as far as the evidence shows it."""
    said = []
    failing = facts.blocking("fail")
    by_rule = Counter(f.question.rule for f in failing)
    for rule_id, n in by_rule.items():
        worst = max((f for f in failing if f.question.rule == rule_id), key=words.harm)
        unit = facts.unit(worst)
        said.append(
            f"{rule_id}: {n:,} failed; the worst, {words.asked_of(worst.question)}, stands at "
            f"{words.one(worst.value, unit)} against {words.tolerated(worst.question, unit)}."
        )
    open_ = [f for f in facts.worst_first if f.status == "inconclusive" and f.blocks]
    said += [
        _to_settle([f for f in open_ if f.question.rule == rule_id])
        for rule_id in dict.fromkeys(f.question.rule for f in open_)
    ]
    silent = Counter((f.question.check, f.reason) for f in facts.blocking("not_measured"))
    said += [
        f"{check}: {words.count(n, 'question')} not measured; {words.ended(words.visible(why))}"
        for (check, why), n in silent.items()
    ]
    if len(said) > _MAX_REMEDIES:
        more = len(said) - _MAX_REMEDIES + 1
        said = [*said[: _MAX_REMEDIES - 1], f"{more} more, listed under open questions."]
    return tuple(said)


def _to_settle(findings: list[Finding]) -> str:
    """What it takes to answer one rule where it is open."""
    rule = findings[0].question.rule
    where = f"{len(findings):,} open"
    needing = [f for f in findings if f.rows_to_decide and f.rows_to_decide > f.n]
    if not needing:
        return f"{rule}: {where}; {words.ended(words.visible(findings[0].reason))}"
    most = max(needing, key=lambda f: f.rows_to_decide or 0)
    needed, slice_name = most.rows_to_decide or 0, words.asked_of(most.question)
    if needed > words.NOBODY_COLLECTS:
        return (
            f"{rule}: {where}; {slice_name} lies so near the margin that rows will not settle it."
        )
    return (
        f"{rule}: {where}; {slice_name} needs the most rows, {words.needed(needed)} "
        f"(it has {most.n:,})."
    )
