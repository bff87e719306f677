"""The evidence, indexed the way a card asks for it. Adds nothing to it."""

from dataclasses import dataclass
from functools import cached_property

from ..catalogue import CHECKS_BY_ID, Metric, metric
from ..evidence.statement import Evidence
from ..measurements import Basis, Measurement
from ..policy import Finding, Rule
from . import words
from .parts import Cell, Tone, text

_WORST_FIRST = {"fail": 0, "inconclusive": 1, "not_measured": 2, "pass": 3}


@dataclass(frozen=True)
class Facts:
    """Look-ups over one evidence."""

    evidence: Evidence

    @cached_property
    def _measured(self) -> dict[tuple[str, str, str, str | None], Measurement]:
        return {m.key: m for m in self.evidence.measurements}

    @cached_property
    def _rules(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.evidence.policy.rules}

    @cached_property
    def worst_first(self) -> tuple[Finding, ...]:
        """Every finding: failures first, then what is open; blocking before reported; by harm."""
        return tuple(sorted(self.evidence.verdict.findings, key=_rank))

    def blocking(self, status: str) -> list[Finding]:
        """Return the findings with this status of rules that decide, worst first."""
        found = (f for f in self.worst_first if f.status == status)
        return [f for f in found if f.question.severity == "block"]

    @property
    def alpha(self) -> float:
        """One-sided level of every interval on the card."""
        return self.evidence.plan.alpha

    def rule(self, f: Finding) -> Rule:
        """Return the rule a finding answers."""
        return self._rules[f.question.rule]

    def metric(self, f: Finding) -> Metric | None:
        """Return what was counted."""
        return metric(f.question.check, f.question.metric)

    def unit(self, f: Finding) -> str:
        """Return the unit of a finding's numbers."""
        asked = self.metric(f)
        return asked.unit if asked else "count"

    @property
    def rates_shown(self) -> bool:
        """Whether rates per group are known from counts, and so have a table of their own."""
        return any(m.metric == "selection-rate-change" for m in self.evidence.measurements)

    def interval(self, m: Measurement, unit: str) -> str:
        """Write value and limits of a measurement, judged or not, at the card's level."""
        effects = {s.name: s.design_effect for s in self.evidence.profile.slices}
        whole = effects.get("all", 1.0)
        return words.interval(m.basis, self.alpha, unit, effects.get(m.slice, whole))

    def metric_name(self, f: Finding) -> str:
        """Return the metric's name in words."""
        return words.title_of(self.metric(f), f.question.metric)

    def measurement(self, f: Finding) -> Measurement | None:
        """Return the measurement a finding was judged from."""
        return self._measured.get(f.question.key)

    def basis(self, check: str, metric_id: str, name: str = "all") -> Basis | None:
        """Return the counts of a metric over a slice."""
        found = self._measured.get((check, metric_id, name, None))
        return found.basis if found else None

    def of_check(self, check: str) -> tuple[Measurement, ...]:
        """Return every measurement of a check."""
        return tuple(m for m in self.evidence.measurements if m.check == check)

    def area(self, check: str) -> str:
        """Return the area of the catalogue a check belongs to."""
        entry = CHECKS_BY_ID.get(check)
        return entry.area if entry else "further checks"

    def effect(self, f: Finding) -> Cell:
        """Return the cell with value and interval."""
        return text(words.measured(f, self.unit(f)), _dim(f))

    def tolerated(self, f: Finding) -> Cell:
        """Return the cell with the bound that applied."""
        return text(words.tolerated(f.question, self.unit(f)), "quiet" if _dim(f) else "plain")

    def state(self, f: Finding) -> Cell:
        """Return the cell with the finding word."""
        tail = "" if f.question.severity == "block" else " (reported)"
        return text(words.STATE[f.status] + tail, words.TONE[f.status])


def _dim(f: Finding) -> Tone:
    return "fail" if f.status == "fail" else "plain" if f.status == "pass" else "open"


def _rank(f: Finding) -> tuple[int, int, bool, float, str, str]:
    q = f.question
    # What was counted in full needs no statistics to be believed: a class that is lost is lost.
    tested = f.p_adjusted is not None
    return (_WORST_FIRST[f.status], q.severity != "block", tested, -words.harm(f), q.rule, q.slice)
