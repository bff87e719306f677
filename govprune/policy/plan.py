"""What will be asked: every rule over every slice the data really has, fixed before any answer.

A question that nobody answers is then missed instead of forgotten.
"""

from dataclasses import dataclass
from math import ceil, pi
from typing import Literal

from pydantic import Field, FiniteFloat, NonNegativeInt

from ..catalogue import CHECKS_BY_ID, Metric, metric
from ..errors import PolicyError
from ..records import Record, digest
from ..stats.paired import rows_floor, rows_for_power
from ..subjects import Profile, SliceProfile
from .rules import Inconclusive, Policy, Rule, Severity

Tier = Literal["stated", "wider", "too-small"]


_NO_SLICES = (
    "rule '{rule}' asks about slices, but the job names none: add `slices:` to evaluation, or drop "
    "the rule with a reason"
)


class Question(Record):
    """One rule about one slice, with the bound that applies there."""

    rule: str
    check: str
    metric: str
    slice: str
    label: str | None = None
    at_least: FiniteFloat | None = None
    at_most: FiniteFloat | None = None
    severity: Severity = "block"
    on_inconclusive: Inconclusive = "block"
    needs: tuple[str, ...] = ()
    n: NonNegativeInt | None = None
    """Rows in the denominator; None where the metric is no proportion of evaluation rows."""
    floor: NonNegativeInt | None = None
    """Fewest rows that could pass this bound at this level."""
    tier: Tier = "stated"
    """Whether the rule's own bound applies, the wider one, or the slice is too small for both."""
    design_effect: FiniteFloat = Field(default=1.0, ge=1)
    """Rows that count as one independent row, where rows come in clusters."""
    accused_below: FiniteFloat | None = None
    """The rule's own bound where the slice is too small to be cleared: harm beyond it blocks."""
    accused_above: FiniteFloat | None = None

    @property
    def key(self) -> tuple[str, str, str, str | None]:
        """What measurement answers this."""
        return (self.check, self.metric, self.slice, self.label)


class NotAsked(Record):
    """A rule that this data gives no occasion to ask, and why."""

    rule: str
    reason: str


class Plan(Record):
    """Every question, before any answer (OSCAL: assessment plan)."""

    policy_sha256: str
    """Digest of the resolved policy: margins are fixed before results exist."""

    attempt: int = Field(ge=1)
    """The how-manieth candidate this is for the same baseline and evaluation data."""

    alpha: FiniteFloat = Field(gt=0, lt=0.5)
    """One-sided level of this attempt."""

    accuse_alpha: FiniteFloat = Field(gt=0, lt=0.5)
    """Level at which a rule as a whole may accuse a slice (Holm within the rule)."""

    questions: tuple[Question, ...]

    not_asked: tuple[NotAsked, ...] = ()


def charged_alpha(policy: Policy, attempt: int) -> float:
    """Level of attempt k: alpha * 6 / (pi k)^2, which over all k adds up to alpha.

    A single attempt that will stay the only one could use all of alpha; nobody can promise
    that beforehand, so the first one is charged too unless the policy only counts.
    """
    if policy.attempts == "counted":
        return policy.alpha
    return policy.alpha * 6.0 / (pi * attempt) ** 2


def make_plan(policy: Policy, profile: Profile, *, attempt: int = 1) -> Plan:
    """Ask every rule about everything it is about.

    Raises:
        PolicyError: A rule asks about slices or positives, and the data has none; or no rule that
            blocks can be asked of this task.
    """
    levels = Levels(charged=charged_alpha(policy, attempt), first=charged_alpha(policy, 1))
    questions: list[Question] = []
    not_asked: list[NotAsked] = []
    for rule in policy.rules:
        known = metric(rule.check, rule.metric)
        if known is None:  # a policy that was not read by `load`
            raise PolicyError(f"rule '{rule.id}': no metric '{rule.metric}'")
        tasks = CHECKS_BY_ID[rule.check].tasks
        if profile.task not in tasks:
            reason = f"the task is {profile.task}; {rule.check} is asked of {', '.join(tasks)}"
            not_asked.append(NotAsked(rule=rule.id, reason=reason))
            continue
        questions.extend(_never_vacuous(_ask(rule, known, profile, levels)))
    _refuse_wrong_task(policy, profile, questions, lost=bool(not_asked))
    return Plan(
        policy_sha256=digest(policy),
        attempt=attempt,
        alpha=levels.charged,
        accuse_alpha=policy.alpha,
        questions=tuple(questions),
        not_asked=tuple(not_asked),
    )


def refuse_finer_slices(policy: Policy, archived: Policy) -> None:
    """Refuse to judge an archive by a policy that cuts finer than it was cut.

    Raises:
        PolicyError: Slices that the policy asks for are not in the archive; nobody would miss them.
    """
    wanted, has = policy.slices, archived.slices
    if wanted.depth > has.depth or (wanted.confidence and wanted.confidence != has.confidence):
        raise PolicyError(
            f"policy '{policy.name}' cuts rows into slices that this archive was not cut into "
            f"(depth {wanted.depth}, {wanted.confidence} parts by confidence; the archive: "
            f"{has.depth} and {has.confidence}): run the gate again under it"
        )


def _refuse_wrong_task(
    policy: Policy, profile: Profile, questions: list[Question], *, lost: bool
) -> None:
    """Refuse a policy that was not written for this task: what it leaves out nobody would miss."""
    if policy.tasks and profile.task not in policy.tasks:
        raise PolicyError(
            f"policy '{policy.name}' is for {', '.join(policy.tasks)}; this data's task is "
            f"{profile.task}: choose another policy"
        )
    areas = {CHECKS_BY_ID[q.check].area for q in questions if q.severity == "block"}
    if lost and "performance and fairness" not in areas:
        raise PolicyError(
            f"policy '{policy.name}' has no blocking rule on what a {profile.task} model answers: "
            "choose a policy that has"
        )


@dataclass(frozen=True)
class Levels:
    """At which levels one attempt is judged."""

    charged: float
    """What a pass is tested at."""
    first: float
    """That of a first attempt: decides which margin a slice is large enough for, at every one."""


def _ask(rule: Rule, asked: Metric, profile: Profile, levels: Levels) -> list[Question]:
    if asked.scope == "whole":
        whole = profile.slices[0]
        n = whole.n if asked.rows == "all" else None
        return [_question(rule, "all", None, n, levels, whole.design_effect)]
    if asked.scope == "attribute":
        names = [" x ".join(columns) for columns in profile.attributes]
        if not names:
            raise PolicyError(_NO_SLICES.format(rule=rule.id))
        # A disparity is known no better than its least independent group.
        effects: dict[str, float] = {}
        for s in profile.slices[1:]:
            by = " x ".join(s.attributes)
            effects[by] = max(effects.get(by, 1.0), s.design_effect)
        return [_question(rule, name, None, None, levels, effects[name]) for name in names]
    among = {"whole": profile.slices[:1], "slices": profile.slices[1:], "groups": profile.groups}
    chosen = among[rule.over]
    if not chosen:
        raise PolicyError(_NO_SLICES.format(rule=rule.id))
    per_label = asked.rows in ("label", "other")
    labels: tuple[str | None, ...] = profile.labels if per_label else (None,)
    return [
        _question(
            rule, s.name, label, _rows(rule, asked, profile, s, label), levels,
            _design_effect(asked, profile.slices[0], s),
        )
        for s in chosen
        for label in labels
    ]  # fmt: skip


def _design_effect(asked: Metric, whole: SliceProfile, s: SliceProfile) -> float:
    """That of the slice; against the rest, at least what the rest's can be."""
    if "excess" not in asked.kinds or whole.n == s.n or whole.design_effect == 1.0:
        return s.design_effect
    # Squared cluster sizes of the rest add up to no more than those of all rows.
    return max(s.design_effect, whole.design_effect * whole.n / (whole.n - s.n))


def _rows(
    rule: Rule, asked: Metric, profile: Profile, s: SliceProfile, label: str | None
) -> int | None:
    if asked.rows == "none":
        return None
    if asked.rows == "label" and label is not None:
        return s.count(label)
    if asked.rows == "other" and label is not None:
        return s.n - s.count(label)
    if asked.rows in ("positive", "negative"):
        if profile.positive is None:
            raise PolicyError(
                f"rule '{rule.id}' asks for {asked.title.lower()}s, but the job names no positive "
                "class: add `positive:` to evaluation, or drop the rule with a reason"
            )
        positives = s.count(profile.positive)
        return positives if asked.rows == "positive" else s.n - positives
    return s.n


def margins(at_least: float | None, at_most: float | None) -> list[float]:
    """Tolerated losses: bounds on the far side of zero. Others need no rows to be asked."""
    found = []
    if at_least is not None and -1 < at_least < 0:
        found.append(-at_least)
    if at_most is not None and 0 < at_most < 1:
        found.append(at_most)
    return found


def _question(
    rule: Rule,
    name: str,
    label: str | None,
    n: int | None,
    levels: Levels,
    design_effect: float = 1.0,
) -> Question:
    # As many rows as could be independent, should all rows of a cluster answer alike.
    independent = None if n is None else int(n / design_effect)
    at_least, at_most, tier = bounds_for(rule, independent, levels)
    below = rule.small_slices.below if rule.small_slices else rule.on_inconclusive
    counted = set(asked_kinds(rule)) & {"paired", "share"}
    floors = [rows_floor(m, levels.charged) for m in margins(at_least, at_most)]
    return Question(
        rule=rule.id,
        check=rule.check,
        metric=rule.metric,
        slice=name,
        label=label,
        at_least=at_least,
        at_most=at_most,
        severity=rule.severity,
        on_inconclusive=below if tier == "too-small" else rule.on_inconclusive,
        needs=rule.needs,
        n=n,
        # Other quantities have a floor too, which their spread decides and nobody knows before.
        floor=None if n is None or not counted else ceil(max(floors, default=1) * design_effect),
        tier=tier,
        design_effect=design_effect,
        accused_below=rule.at_least if tier == "too-small" else None,
        accused_above=rule.at_most if tier == "too-small" else None,
    )


def asked_kinds(rule: Rule) -> tuple[str, ...]:
    """Return what may answer the rule."""
    asked = metric(rule.check, rule.metric)
    return asked.kinds if asked else ()


def bounds_for(
    rule: Rule, n: int | None, levels: Levels
) -> tuple[float | None, float | None, Tier]:
    """Return the narrowest bounds that the slice has the rows for."""
    small = rule.small_slices
    if n is None or small is None:
        return rule.at_least, rule.at_most, "stated"
    steps = small.widen(rule.id, rule.at_least, rule.at_most)
    for i, (at_least, at_most) in enumerate(steps):
        needed = [rows_for_power(m, levels.first, small.churn) for m in margins(at_least, at_most)]
        if n >= max(needed, default=1):
            return at_least, at_most, "wider" if i else "stated"
    return *steps[-1], "too-small"


def _never_vacuous(questions: list[Question]) -> list[Question]:
    """Let "cannot tell" block where no slice is large enough for the rule at all."""
    if any(q.tier != "too-small" for q in questions):
        return questions
    return [q.model_copy(update={"on_inconclusive": "block"}) for q in questions]
