"""What is required: rules with bounds. A rule never runs a model and never sees a row."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from ..catalogue import CHECKS_BY_ID, metric
from ..records import Number, Record
from ..subjects import Task

Kebab = Annotated[StrictStr, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
Sentence = Annotated[StrictStr, Field(min_length=1, max_length=1000)]
Scalar = StrictBool | StrictInt | Number | StrictStr
Severity = Literal["block", "report"]
Inconclusive = Literal["block", "report"]


class SmallSlices(Record):
    """What happens to a slice too small for the rule's own margin. Never silence.

    A slice is large enough for a margin when a harmless candidate with the granted churn would
    pass it with 80 % power at the level of a first attempt. That depends on policy and data
    alone: trying often makes passing harder, it never widens a margin. Where no slice is large
    enough for a rule at all, its questions block: a rule that decides nothing clears nobody.
    """

    churn: Number = Field(default=0.01, gt=0, lt=0.5)
    """Share of changed answers that a harmless candidate is granted for this purpose."""

    at_least: tuple[Number, ...] = ()
    """Wider and wider bounds; each slice gets the narrowest it has the rows for."""

    at_most: tuple[Number, ...] = ()

    below: Inconclusive = "block"
    """Where even the wider bound needs more rows: does "cannot tell" block, or is it reported?
    Demonstrated harm blocks either way."""

    because: Sentence
    """Why this is acceptable; printed on the card."""

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        """Take one bound as a list of one."""
        if not isinstance(given, dict):
            return given
        several = {k: given[k] for k in ("at_least", "at_most") if given.get(k) is not None}
        lists = {k: v if isinstance(v, list | tuple) else [v] for k, v in several.items()}
        return {k: v for k, v in given.items() if k not in ("at_least", "at_most")} | lists

    def widen(
        self, rule: str, at_least: float | None, at_most: float | None
    ) -> list[tuple[float | None, float | None]]:
        """List the pairs of bounds to try, the rule's own first.

        Raises:
            ValueError: A bound is not wider than the one before, or bounds another side.
        """
        lows = [] if at_least is None else [at_least, *self.at_least]
        highs = [] if at_most is None else [at_most, *self.at_most]
        if (self.at_least and not lows) or (self.at_most and not highs):
            raise ValueError(f"rule '{rule}': small_slices bounds what the rule does not")
        if sorted(set(lows), reverse=True) != lows or sorted(set(highs)) != highs:
            raise ValueError(f"rule '{rule}': each bound of small_slices must be wider")
        steps = max(len(lows), len(highs))
        return [
            (
                lows[min(i, len(lows) - 1)] if lows else None,
                highs[min(i, len(highs) - 1)] if highs else None,
            )
            for i in range(steps)
        ]


class Rule(Record):
    """One requirement on one metric of one check."""

    id: Kebab
    title: Sentence | None = None
    """The requirement in a sentence a compliance officer can read."""

    check: StrictStr
    metric: StrictStr
    over: Literal["whole", "slices", "groups"] = "slices"
    """For metrics per slice: the whole data, every slice (each attribute, each intersection, each
    part by the baseline's confidence), or only those that columns of the data name."""

    at_least: Number | None = None
    """The lower confidence limit must reach this."""

    at_most: Number | None = None
    """The upper confidence limit must not exceed this."""

    severity: Severity = "block"
    """`block`: it decides the verdict. `report`: it is shown, and other rules may need it."""

    on_inconclusive: Inconclusive = "block"
    """What "cannot tell" does to the verdict."""

    small_slices: SmallSlices | None = None

    needs: tuple[Kebab, ...] = ()
    """Rules that must pass before this one can decide anything, e.g. an A/A control."""

    because: Sentence | None = None
    """Why this number."""

    source: Sentence | None = None
    """Where it comes from: a law, a standard, a publication, or `judgement` where nobody has
    fixed it."""

    evidences: tuple[StrictStr, ...] = ()
    """Controls this produces the artefact for, e.g. `MEASURE 2.11`."""

    supports: tuple[StrictStr, ...] = ()
    """Controls this is a partial input to."""

    @model_validator(mode="after")
    def _can_fail(self) -> Self:
        # Without a bound anything would pass.
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"rule '{self.id}' has no bound. Add at_least or at_most.")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"rule '{self.id}': at_least is above at_most; nothing could pass")
        if self.check not in CHECKS_BY_ID:
            raise ValueError(f"no check '{self.check}'. `govprune checks list` names them.")
        if metric(self.check, self.metric) is None:
            names = ", ".join(m.id for m in CHECKS_BY_ID[self.check].metrics)
            raise ValueError(f"check '{self.check}' has no metric '{self.metric}'. It has: {names}")
        self._within_reach()
        small = self.small_slices
        if small is not None:
            small.widen(self.id, self.at_least, self.at_most)
        if self.id in self.needs:
            raise ValueError(f"rule '{self.id}' needs itself")
        lenient = self.on_inconclusive == "report" or (
            small is not None and small.below == "report"
        )
        if self.needs and self.severity == "block" and lenient:
            # Otherwise losing the control would turn a failure into a pass.
            raise ValueError(
                f"rule '{self.id}' needs others, so what it cannot tell must block: leave "
                "on_inconclusive and small_slices.below at block"
            )
        return self

    def _within_reach(self) -> None:
        """Refuse bounds that nothing could break."""
        asked = metric(self.check, self.metric)
        if asked is None or asked.unit not in ("points", "share"):
            return
        lowest = -1.0 if asked.unit == "points" else 0.0
        if (self.at_least is not None and self.at_least <= lowest) or (
            self.at_most is not None and self.at_most >= 1.0
        ):
            raise ValueError(
                f"rule '{self.id}': nothing could break this bound; bounds are fractions: -0.02 is "
                "2 points"
            )


class Dropped(Record):
    """A rule of the extended policy that this one leaves out, and why."""

    rule: Kebab
    because: Sentence


class SlicePolicy(Record):
    """Which slices are asked about."""

    depth: int = Field(default=2, ge=1, le=4)
    """1: single attributes; 2: and their pairs; ..."""

    disclosure_floor: int = Field(default=10, ge=1)
    """A slice with fewer rows is merged with its like: a table of three people is personal data."""

    confidence: int = Field(default=0, ge=0, le=20)
    """Into how many parts to cut the rows by the baseline's confidence; 0 for none."""


class Policy(Record):
    """A named, complete set of rules, with nothing left to inherit."""

    name: StrictStr = Field(min_length=1, max_length=100)
    version: StrictStr = Field(default="1.0", max_length=40)
    description: Sentence | None = None

    alpha: Number = Field(default=0.05, gt=0, lt=0.5)
    """One-sided level of every interval that may pass a rule."""

    attempts: Literal["charged", "counted"] = "charged"
    """Whether the k-th candidate gated on the same baseline and data is judged at
    alpha * 6 / (pi k)^2, or only numbered on the card."""

    valid_days: int = Field(default=90, ge=1, le=3650)
    """How long a PASSED verdict may be used to promote."""

    tasks: tuple[Task, ...] = ()
    """What kinds of model it is written for; empty for any."""

    slices: SlicePolicy = SlicePolicy()
    params: dict[StrictStr, dict[StrictStr, Scalar]] = {}
    """Parameters of the checks, by check id."""

    rules: tuple[Rule, ...] = Field(min_length=1)
    dropped: tuple[Dropped, ...] = ()
    """Rules that policies it extends have and it leaves out."""

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        ids = [rule.id for rule in self.rules]
        if len(ids) != len(set(ids)):
            twice = sorted({i for i in ids if ids.count(i) > 1})
            raise ValueError(f"two rules are called '{twice[0]}'; rename one")
        by_id = {rule.id: rule for rule in self.rules}
        for rule in self.rules:
            for needed in rule.needs:
                if needed not in by_id:
                    raise ValueError(f"rule '{rule.id}' needs '{needed}', which does not exist")
                if by_id[needed].needs:
                    raise ValueError(f"rule '{rule.id}' needs '{needed}', which needs others")
        if not any(rule.severity == "block" for rule in self.rules):
            raise ValueError("no rule blocks: this policy could never fail a model")
        if unknown := sorted(set(self.params) - CHECKS_BY_ID.keys()):
            raise ValueError(f"params name the check '{unknown[0]}', which does not exist")
        return self
