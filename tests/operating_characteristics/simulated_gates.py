"""Gates over data whose truth is known: how often does the rule say what it should not?

Counts are drawn, everything after them is what a real gate runs: `make_plan`, `judge`, `decide`.
"""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from govprune import policy
from govprune.measurements import Measurement, Paired
from govprune.policy import Plan, Policy, Result, Rule, Verdict
from govprune.stats import limits
from govprune.subjects import Profile, SliceProfile

ROOT = Path(__file__).parents[2]
BASELINE_ACCURACY = 0.85
CHURN = 0.01
"""Share of answers a harmless candidate changes, half of them for the worse."""
MARGIN = 0.02

Counts = NDArray[np.int64]
"""Shape (gates, slices, 4): both right, only the baseline, only the candidate, neither."""


class Truth(NamedTuple):
    """What is true of the two models in one slice."""

    losses: float
    """Chance that only the baseline is right."""
    gains: float
    """Chance that only the candidate is right."""

    @property
    def cells(self) -> tuple[float, float, float, float]:
        """Chances of the four cells, in the order of the counts."""
        return (
            BASELINE_ACCURACY - self.losses,
            self.losses,
            self.gains,
            1.0 - BASELINE_ACCURACY - self.gains,
        )


HARMLESS = Truth(CHURN / 2, CHURN / 2)


def at_bound(bound: float, gains: float) -> Truth:
    """Return a truth whose effect is exactly the bound, e.g. -0.02."""
    return Truth(gains - bound, gains)


# --- what is asked


def _stated(attempts: str) -> Policy:
    rule = Rule(
        id="no-slice-loses-accuracy",
        check="slice-performance",
        metric="accuracy-change",
        at_least=-MARGIN,
    )
    return Policy.model_validate({"name": "stated", "attempts": attempts, "rules": (rule,)})


@cache
def policies() -> dict[str, Policy]:
    """Return the rules under test: one margin for all, at either level, and the shipped one."""
    pack = policy.load("baseline", root=ROOT).policy
    rules = tuple(rule for rule in pack.rules if rule.id == "no-slice-loses-accuracy")
    return {
        "counted": _stated("counted"),
        "charged": _stated("charged"),
        "pack": pack.model_copy(update={"rules": rules}),
    }


def plan_for(name: str, rows: Sequence[int], *, attempt: int = 1) -> Plan:
    """Plan the gate of one policy over slices with these many rows."""
    every = SliceProfile(name="all", attributes=(), by_label=(("yes", sum(rows)),))
    slices = [
        SliceProfile(name=f"slice={i}", attributes=("slice",), by_label=(("yes", n),))
        for i, n in enumerate(rows)
    ]
    profile = Profile(labels=("yes",), positive="yes", slices=(every, *slices))
    return policy.make_plan(policies()[name], profile, attempt=attempt)


def rows_of(plan: Plan) -> list[int]:
    """Return the rows of each slice of a plan."""
    return [question.n or 0 for question in plan.questions]


def bounds_of(plan: Plan) -> list[float]:
    """Return the bound each slice is asked at, e.g. -0.02."""
    return [question.at_least or 0.0 for question in plan.questions]


def accusing_bounds_of(plan: Plan) -> list[float]:
    """Return the bound beyond which harm counts as demonstrated, per slice."""
    return [
        bound if question.accused_below is None else question.accused_below
        for question, bound in zip(plan.questions, bounds_of(plan), strict=True)
    ]


# --- what is true


def one_harmed(plan: Plan, *, gains: float) -> list[Truth]:
    """Harm exactly at its bound in the first slice, none in the others."""
    first, *others = bounds_of(plan)
    return [at_bound(first, gains), *(HARMLESS for _ in others)]


def all_at_bound(plan: Plan, *, gains: float) -> list[Truth]:
    """Every slice loses all that it may without being accused, and not more."""
    return [at_bound(bound, gains) for bound in accusing_bounds_of(plan)]


def all_halfway(plan: Plan, *, gains: float = CHURN) -> list[Truth]:
    """Every slice loses half of that."""
    return [at_bound(bound / 2, gains) for bound in accusing_bounds_of(plan)]


def all_harmless(plan: Plan) -> list[Truth]:
    """Answers change, nobody loses."""
    return [HARMLESS for _ in plan.questions]


def draw(plan: Plan, truths: Sequence[Truth], gates: int, seed: int) -> Counts:
    """Draw the counts of many gates; slices are independent."""
    rng = np.random.default_rng(seed)
    cells = np.array([truth.cells for truth in truths])
    return rng.multinomial(rows_of(plan), cells, size=(gates, len(truths))).astype(np.int64)


# --- what the gate says


def verdict(plan: Plan, counts: Sequence[Sequence[int]]) -> Verdict:
    """Judge one gate, one row of counts per slice."""
    measurements = [
        Measurement(
            check=question.check,
            metric=question.metric,
            slice=question.slice,
            basis=Paired(
                both=both, baseline_only=losses, candidate_only=gains, neither=neither
            ),
        )
        for question, (both, losses, gains, neither) in zip(plan.questions, counts, strict=True)
    ]  # fmt: skip
    return policy.decide(policy.judge(plan, measurements))


@contextmanager
def remembered() -> Iterator[None]:
    """Let the pure functions behind a finding remember: the same counts come up again and again.

    A bisection per finding would make these simulations eight times slower.
    """
    judging = importlib.import_module("govprune.policy.judge")
    places = [(limits, "tango_lower"), (limits, "tango_upper"), (judging, "rows_to_decide")]
    plain = [getattr(module, name) for module, name in places]
    for (module, name), function in zip(places, plain, strict=True):
        setattr(module, name, lru_cache(maxsize=None)(function))
    try:
        yield
    finally:
        for (module, name), function in zip(places, plain, strict=True):
            setattr(module, name, function)


def noise(gates: int, share: float = 0.05) -> float:
    """Return three standard errors of a share estimated from this many gates."""
    return 3.0 * float(np.sqrt(share * (1.0 - share) / gates))


@dataclass(frozen=True)
class Simulated:
    """Many gates over one truth, and what each said."""

    plan: Plan
    counts: Counts
    results: tuple[Result, ...]

    def share(self, result: Result) -> float:
        """Return how often the gate said this."""
        return self.results.count(result) / len(self.results)


def simulate(plan: Plan, truths: Sequence[Truth], *, gates: int) -> Simulated:
    """Run many gates, each on counts of its own. The same question gives the same draws."""
    seed = crc32(repr((rows_of(plan), list(truths), plan.attempt)).encode())
    counts = draw(plan, truths, gates, seed)
    with remembered():
        results = tuple(verdict(plan, one).result for one in counts.tolist())
    return Simulated(plan, counts, results)
