"""The plan asks every rule of every slice, and no number of attempts makes it ask less."""

from math import pi
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govprune import policy
from govprune.errors import PolicyError
from govprune.subjects import Profile, SliceProfile

CREDIT = policy.load("credit", root=Path()).policy


def profile(**positives: int) -> Profile:
    slices = [SliceProfile(name="all", attributes=(), by_label=(("0", 9000), ("1", 3000)))]
    slices += [
        SliceProfile(name=f"g={name}", attributes=("g",), by_label=(("0", 1000), ("1", n)))
        for name, n in positives.items()
    ]
    return Profile(labels=("0", "1"), positive="1", slices=tuple(slices))


def tpr(plan: policy.Plan) -> dict[str, policy.Question]:
    return {q.slice: q for q in plan.questions if q.rule == "no-group-loses-true-positives"}


def test_every_slice_is_asked_about():
    groups = {"large": 344, "middling": 343, "smaller": 102, "small": 31, "empty": 0}
    asked = tpr(policy.make_plan(CREDIT, profile(**groups)))

    assert {name: (q.tier, q.at_least) for name, q in asked.items()} == {
        "g=large": ("stated", -0.02),
        "g=middling": ("wider", -0.05),
        "g=smaller": ("wider", -0.1),
        "g=small": ("too-small", -0.1),
        "g=empty": ("too-small", -0.1),
    }
    assert asked["g=small"].on_inconclusive == "report"
    assert asked["g=middling"].on_inconclusive == "block"


@given(st.integers(1, 500), st.integers(0, 2000))
def test_trying_often_widens_no_margin_and_excuses_no_slice(attempt, positives):
    first = policy.make_plan(CREDIT, profile(g=positives))
    later = policy.make_plan(CREDIT, profile(g=positives), attempt=attempt)

    def terms(plan):
        return [(q.key, q.at_least, q.at_most, q.tier, q.on_inconclusive) for q in plan.questions]

    assert terms(first) == terms(later)
    assert later.alpha <= first.alpha


def test_all_attempts_together_spend_alpha():
    spent = sum(policy.charged_alpha(CREDIT, k) for k in range(1, 20_000))

    assert spent == pytest.approx(0.05, rel=1e-3)
    assert spent < 0.05
    assert policy.charged_alpha(CREDIT, 1) == pytest.approx(0.05 * 6 / pi**2)


def test_a_policy_may_only_count_attempts():
    counting = CREDIT.model_copy(update={"attempts": "counted"})

    assert policy.charged_alpha(counting, 7) == 0.05


def test_rates_of_positives_need_a_positive_class():
    data = profile(a=10).model_copy(update={"positive": None})

    with pytest.raises(PolicyError, match="names no positive class"):
        policy.make_plan(CREDIT, data)


def test_a_rule_that_no_slice_is_large_enough_for_blocks():
    """Otherwise a data set of small groups only would be cleared without one answer."""
    asked = tpr(policy.make_plan(CREDIT, profile(small=31, empty=0)))

    assert {q.tier for q in asked.values()} == {"too-small"}
    assert {q.on_inconclusive for q in asked.values()} == {"block"}


def test_a_rule_about_slices_needs_slices():
    with pytest.raises(PolicyError, match="asks about slices, but the job names none"):
        policy.make_plan(CREDIT, profile())
