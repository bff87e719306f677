"""What the findings of one gate contribute to every control of the framework. Pure.

Nothing is left out: a control nobody touched is listed as `not-evidenced`. Taking a measurement
away can only take evidence away: a rule counts when it asked something and all of it was measured.
"""

from typing import Literal

from ..policy import Policy, Rule, Verdict
from ..records import Record
from .controls import Control, catalogue, check_controls

State = Literal["evidenced", "supported", "not-evidenced"]


class Coverage(Record):
    """One control and the rules that contributed to it."""

    id: str
    """`MEASURE 2.11`."""

    function: str
    """`GOVERN`, `MAP`, `MEASURE` or `MANAGE`."""

    gist: str
    state: State
    """`evidenced`: a rule produced the artefact it asks for; `supported`: partial input only."""

    rules: tuple[str, ...]
    """Ids of the measured rules behind the state, those that evidence it first."""

    by: Literal["checks", "people"] = "checks"
    """`people`: no check can evidence it, so `not-evidenced` is for a person to answer."""


class Framework(Record):
    """A framework, every control of it, and which version of it was used."""

    name: str
    version: str
    sha256: str
    """Digest of the catalogue file."""

    coverage: tuple[Coverage, ...]

    def count(self, state: State) -> int:
        """How many controls are in this state."""
        return sum(item.state == state for item in self.coverage)


def coverage(policy: Policy, verdict: Verdict) -> Framework:
    """Say for each control of NIST AI RMF 1.0 which measured rules evidence or support it.

    Whether the rules passed does not matter here: a failure documented is evidence too.

    Raises:
        PolicyError: A rule names a control that does not exist or that no check can evidence.
    """
    check_controls(policy)
    known = catalogue()
    rules = [rule for rule in policy.rules if rule.id in _measured(verdict)]
    return Framework(
        name=known.framework,
        version=known.version,
        sha256=known.sha256,
        coverage=tuple(_cover(control, rules) for control in known.subcategories),
    )


def _measured(verdict: Verdict) -> set[str]:
    """Rules that have findings, all of them measured."""
    asked = {finding.question.rule for finding in verdict.findings}
    return asked - {f.question.rule for f in verdict.findings if f.status == "not_measured"}


def _cover(control: Control, rules: list[Rule]) -> Coverage:
    evidencing = [rule.id for rule in rules if control.id in rule.evidences]
    supporting = [rule.id for rule in rules if control.id in rule.supports]
    state: State = "not-evidenced"
    if evidencing:
        state = "evidenced"
    elif supporting:
        state = "supported"
    return Coverage(
        id=control.id,
        function=control.function,
        gist=control.gist,
        state=state,
        rules=tuple(dict.fromkeys(evidencing + supporting)),
        by=control.by,
    )
