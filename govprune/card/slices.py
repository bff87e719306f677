"""Who the change hurts: intervals against margins per slice, the flips, and small slices."""

from ..measurements import Paired
from ..policy import Finding
from . import charts, words
from .facts import Facts
from .parts import Column, Points, Prose, Section, Table, drawing, left, right, text

DRAWN = ("true-positive-rate-change", "false-positive-rate-change", "accuracy-change")
"""The metrics drawn per slice; the others are in the tables."""


def sections(facts: Facts) -> tuple[Section, ...]:
    """Return the sections on slices, without those for which there is no evidence."""
    made = (_hurt(facts), _flips(facts), _small(facts))
    return tuple(section for section in made if section is not None)


def _hurt(facts: Facts) -> Section | None:
    by_rule: dict[str, list[Finding]] = {}
    for f in facts.evidence.verdict.findings:
        drawn = f.question.metric in DRAWN and f.question.slice != "all"
        if drawn and facts.unit(f) == "points":
            by_rule.setdefault(f.question.rule, []).append(f)
    if not by_rule:
        return None
    order = sorted(by_rule.values(), key=_accused)
    return Section(
        id="slices",
        title="Who the change hurts",
        parts=(
            Prose(
                text="Change from baseline to candidate on the same rows. A slice passes only if "
                "its whole interval lies outside the shaded side of the margin; it fails if harm "
                "beyond the margin is demonstrated. A square was decided; an open circle is a "
                "slice about which the data cannot tell."
            ),
            *(_forest(facts, findings) for findings in order),
        ),
        new_page=True,
    )


def _accused(findings: list[Finding]) -> tuple[int, float]:
    fails = [f for f in findings if f.status == "fail"]
    return (-len(fails), -max(words.harm(f) for f in findings))


def _forest(facts: Facts, findings: list[Finding]) -> Table:
    axis = charts.axis_of(findings)
    rule = facts.rule(findings[0])
    level = words.confidence(facts.alpha, two_sided=True)
    worst_first = sorted(findings, key=lambda f: -words.harm(f))
    return Table(
        caption=f"{facts.metric_name(findings[0])}: "
        + (words.lower_first(rule.title) if rule.title else rule.id),
        columns=(
            left("slice", 27),
            Column(title="", align="chart", svg=charts.forest_axis(axis), width=32),
            right("change, points", 17),
            right("tolerated", 8),
            right("n", 7),
            right("finding", 9),
        ),
        rows=tuple(
            (
                text(words.asked_of(f.question)),
                drawing(charts.forest_row(f, axis)),
                facts.effect(f),
                facts.tolerated(f),
                text(f"{f.n:,}", "quiet"),
                facts.state(f),
            )
            for f in worst_first
        ),
        note=f"Tango score intervals ({level}: each end {words.confidence(facts.alpha)}). "
        f"Rule {rule.id}; n is {_denominator(findings[0])}."
        + (" Margins differ: see small slices." if _tiers(findings) else ""),
    )


def _tiers(findings: list[Finding]) -> bool:
    return any(f.question.tier != "stated" for f in findings)


def _denominator(f: Finding) -> str:
    if f.question.metric.startswith("true-positive"):
        return "the rows of the slice that should be selected"
    if f.question.metric.startswith("false-positive"):
        return "the rows of the slice that should not be selected"
    return "the rows of the slice"


def _flips(facts: Facts) -> Section | None:
    rows = []
    for s in facts.evidence.profile.slices:
        basis = facts.basis("slice-performance", "accuracy-change", s.name)
        if isinstance(basis, Paired):
            lost, won = basis.baseline_only, basis.candidate_only
            rows.append(
                (
                    text(words.slice_name(s.name)),
                    text(f"{lost:,}"),
                    text(f"{won:,}"),
                    text(words.number(won - lost, 0, signed=True)),
                    text(f"{words.percent(lost / basis.n, 2)} %" if basis.n else "—"),
                    text(f"{basis.n:,}", "quiet"),
                )
            )
    if not rows:
        return None
    titles = ("right → wrong", "wrong → right", "net", "harmed", "rows")
    return Section(
        id="flips",
        title="The decisions that changed",
        parts=(
            Table(
                caption="Answers that turned from right to wrong and back, per slice",
                caption_shown=False,
                columns=(
                    left("slice", 40),
                    *(right(title) for title in titles),
                ),
                rows=tuple(rows),
                note="Equal accuracy hides answers that changed: a row that lost its right answer "
                "is not paid back by another that gained one.",
            ),
        ),
    )


def _small(facts: Facts) -> Section | None:
    """Every slice that was not held to the rule's own bound, and why that is accepted."""
    tiered = [f for f in facts.evidence.verdict.findings if f.question.tier != "stated"]
    merged = facts.evidence.profile.merged
    if not tiered and not merged:
        return None
    parts: list[Table | Prose | Points] = []
    if merged:
        parts.append(Points(items=tuple(words.visible(sentence) for sentence in merged)))
    if tiered:
        parts.append(_tier_table(facts, tiered))
        reasons = dict.fromkeys(
            f"{facts.rule(f).id}: {small.because}"
            for f in tiered
            if (small := facts.rule(f).small_slices)
        )
        parts.append(Prose(text="Why the policy accepts this:", tone="strong"))
        parts.append(Points(items=tuple(reasons)))
    return Section(id="small-slices", title="Small slices", parts=tuple(parts))


def _tier_table(facts: Facts, tiered: list[Finding]) -> Table:
    def treatment(f: Finding) -> str:
        if f.question.tier == "wider":
            return "wider margin"
        blocks = f.question.on_inconclusive == "block"
        return "too small; blocks" if blocks else "too small; blocks only on shown harm"

    return Table(
        caption="Slices with too few rows for the rule's own margin",
        columns=(
            left("rule", 24),
            left("slice", 25),
            right("n", 6),
            right("needs", 7),
            right("margin used", 9),
            left("treatment", 19),
            right("finding", 10),
        ),
        rows=tuple(
            (
                text(f.question.rule),
                text(words.asked_of(f.question)),
                text(f"{f.question.n or 0:,}"),
                text(f"{f.question.floor or 0:,}", "quiet"),
                text(words.tolerated(f.question, facts.unit(f))),
                text(treatment(f)),
                facts.state(f),
            )
            for f in tiered
        ),
    )
