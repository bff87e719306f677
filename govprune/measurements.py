"""What was observed: counts, and no opinion.

A measurement holds what a number was computed from, never the number itself: the value and
its interval, at any level, are functions of the basis (`govprune.stats.limits`). So nobody can
write a value that its counts do not support, and an auditor can ask for another level years later.
Every change is candidate minus baseline.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt, model_validator

from .records import Record


class Paired(Record):
    """Both models on the same rows: how often each did the thing the metric counts."""

    kind: Literal["paired"] = "paired"
    both: NonNegativeInt
    baseline_only: NonNegativeInt
    candidate_only: NonNegativeInt
    neither: NonNegativeInt

    @property
    def n(self) -> int:
        """Rows."""
        return self.both + self.baseline_only + self.candidate_only + self.neither


class Share(Record):
    """How many of a number of independent trials."""

    kind: Literal["share"] = "share"
    hits: NonNegativeInt
    trials: NonNegativeInt

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        if self.hits > self.trials:
            raise ValueError(f"{self.hits} hits of {self.trials} trials")
        return self

    @property
    def n(self) -> int:
        """Trials."""
        return self.trials


class Normal(Record):
    """An estimate with a standard error, asymptotically normal (DeLong's AUC difference)."""

    kind: Literal["normal"] = "normal"
    baseline: FiniteFloat
    candidate: FiniteFloat
    standard_error: FiniteFloat = Field(ge=0)
    """Of candidate minus baseline."""
    n: NonNegativeInt
    fewer: NonNegativeInt
    """Rows of the rarer of the two classes: what the area can be known to at best."""


class Moments(Record):
    """The mean over rows of a paired difference, with the moments its interval follows from.

    The difference is candidate minus baseline of some quantity per row: a loss, an error, a
    confidence. Where there is no baseline (a rank correlation) the baseline's mean is 0.
    """

    kind: Literal["moments"] = "moments"
    n: NonNegativeInt
    baseline: FiniteFloat
    """Mean of the baseline's quantity."""
    candidate: FiniteFloat
    variance: FiniteFloat = Field(ge=0)
    """Of the differences, with n - 1."""
    third: FiniteFloat
    """Third central moment of the differences."""
    span: FiniteFloat = Field(ge=0)
    """The largest difference one row can make: what an unseen kind of row could still do."""


class Excess(Record):
    """How much more one part of the rows changed than another: the slice against the rest."""

    kind: Literal["excess"] = "excess"
    inside: Paired
    outside: Paired

    @property
    def n(self) -> int:
        """Rows of the smaller part, which limits what can be told."""
        return min(self.inside.n, self.outside.n)


class Tested(Record):
    """A slice that was found on one half of the rows and tested on the other."""

    slice: str
    basis: Paired
    """Counts on the half it was not found on."""
    design_effect: FiniteFloat = Field(default=1.0, ge=1)
    """Rows that count as one independent row, where rows come in clusters."""


class Discoveries(Record):
    """Slices nobody named, worst first on the half they were found on."""

    kind: Literal["discoveries"] = "discoveries"
    searched: PositiveInt
    """Slices that were looked at."""
    tested: tuple[Tested, ...] = Field(min_length=1, max_length=100)

    @property
    def n(self) -> int:
        """Rows of the smallest slice tested."""
        return min(t.basis.n for t in self.tested)


class LogRatios(Record):
    """Logarithms of paired ratios (latency candidate / baseline), one per interleaved pair."""

    kind: Literal["log-ratios"] = "log-ratios"
    values: tuple[FiniteFloat, ...]
    seed: NonNegativeInt

    @property
    def n(self) -> int:
        """Pairs."""
        return len(self.values)


class GroupTable(Record):
    """Joint counts of one group: label x baseline prediction x candidate prediction, binary."""

    group: str
    counts: tuple[NonNegativeInt, ...] = Field(min_length=8, max_length=8)
    """Row-major over (label, baseline, candidate), each 0 then 1: index 4*label + 2*base + cand."""


GroupStatistic = Literal[
    "demographic-parity-difference",
    "demographic-parity-ratio",
    "equalized-odds-difference",
    "equalized-odds-ratio",
    "precision",
]


class Grouped(Record):
    """A statistic over the joint tables of several groups, with a multinomial bootstrap."""

    kind: Literal["grouped"] = "grouped"
    statistic: GroupStatistic
    of: Literal["change", "baseline", "candidate"] = "change"
    """Candidate minus baseline, or the statistic of one of the models."""
    groups: tuple[GroupTable, ...] = Field(min_length=1)
    seed: NonNegativeInt
    replicates: int = Field(ge=100, le=100_000)

    @property
    def n(self) -> int:
        """Rows in all groups."""
        return sum(sum(table.counts) for table in self.groups)


class Exact(Record):
    """A number without sampling uncertainty: a size, a count of findings in a full scan."""

    kind: Literal["exact"] = "exact"
    value: FiniteFloat
    n: NonNegativeInt = 0
    """What was looked at: bytes, weights, rows or cells."""


class Undefined(Record):
    """The number does not exist, e.g. a true positive rate where there is no positive."""

    kind: Literal["undefined"] = "undefined"
    reason: str
    n: NonNegativeInt = 0


Basis = Annotated[
    Paired
    | Share
    | Normal
    | Moments
    | Excess
    | Discoveries
    | LogRatios
    | Grouped
    | Exact
    | Undefined,
    Field(discriminator="kind"),
]


class Measurement(Record):
    """One observation of one metric, over one slice and (where the metric has one) one label."""

    check: str
    """Id of the check that took it, e.g. `slice-performance`."""

    metric: str
    """What was counted, e.g. `accuracy-change`."""

    slice: str = "all"
    """Which rows, e.g. `sex=Female`; `all` for every row."""

    label: str | None = None
    """Which class, for metrics that are asked per class."""

    basis: Basis

    notes: tuple[str, ...] = ()
    """Sentences a reviewer should read beside the number. Never personal data."""

    @property
    def key(self) -> tuple[str, str, str, str | None]:
        """What question this can answer."""
        return (self.check, self.metric, self.slice, self.label)


class Unmeasured(Record):
    """A check that could not measure, and why."""

    check: str
    reason: str


class Figure(Record):
    """Numbers of a check that no rule judges but a reviewer wants to see: a small table."""

    check: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Cells as text, already rounded and with units."""
