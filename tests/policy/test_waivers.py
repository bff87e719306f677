"""A waiver accepts one finding, on one side, down to one value; what was not measured, never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govprune.policy import Finding, Question, Waiver, decide, waive

ASKED = {"check": "size", "metric": "size-ratio", "rule": "smaller", "slice": "all"}


def finding(status="fail", low=None, high=None, **bounds):
    question = Question(**{**ASKED, **bounds})
    return Finding(question=question, status=status, reason="", value=low, low=low, high=high, n=9)


def result(found, worst, *others, **scope):
    waiver = Waiver(**{"rule": "smaller", "slice": "all", "worst": worst, **scope})
    return waive(decide((found, *others)), [waiver])


def accepted(found, worst):
    return result(found, worst).result == "PASSED WITH WAIVER"


def test_a_loss_is_accepted_down_to_the_value_that_was_named():
    lost = finding(low=-0.10, high=-0.04, at_least=-0.02)
    assert accepted(lost, -0.10)
    assert accepted(lost, -0.2)
    assert not accepted(lost, -0.0999)
    assert not accepted(lost, -0.07)  # the point estimate is not what may be true
    assert not accepted(lost, 0.1)


def test_a_growth_is_accepted_up_to_the_value_that_was_named():
    grown = finding(low=1.1, high=1.4, at_most=1.0)
    assert accepted(grown, 1.4)
    assert not accepted(grown, 1.39)
    assert not accepted(grown, -5.0)


@pytest.mark.parametrize("worst", [1.1, 0.1, -1.0, 1.0])
def test_of_a_rule_with_two_bounds_the_side_that_is_broken_must_be_accepted(worst):
    """Fifty times the size, where 0.2 to 1.0 is asked: no number below fifty accepts it."""
    assert not accepted(finding(low=50.0, high=50.0, at_least=0.2, at_most=1.0), worst)
    assert accepted(finding(low=50.0, high=50.0, at_least=0.2, at_most=1.0), 50.0)
    assert not accepted(finding(low=0.01, high=0.01, at_least=0.2, at_most=1.0), 0.1)
    assert accepted(finding(low=0.01, high=0.01, at_least=0.2, at_most=1.0), 0.01)


def test_what_may_lie_outside_on_both_sides_is_not_accepted_by_one_number():
    wide = finding("inconclusive", low=0.5, high=1.54, at_least=0.8, at_most=1.25)
    assert not any(accepted(wide, worst) for worst in (0.5, 1.54, 0.0, 9.0, -9.0))


@pytest.mark.parametrize(
    "found",
    [
        finding("not_measured", at_least=-0.02),
        finding("inconclusive", low=None, high=-0.01, at_least=-0.02),
        finding("inconclusive", low=0.1, high=None, at_most=0.2),
    ],
    ids=["not measured", "nothing below", "nothing above"],
)
@pytest.mark.parametrize("worst", [-1e300, 1e300, 0.0])
def test_what_nothing_bounds_is_never_accepted(found, worst):
    assert not accepted(found, worst)


def test_everything_else_that_keeps_the_gate_shut_still_does():
    lost = finding(low=-0.10, high=-0.04, at_least=-0.02)
    silent = finding("not_measured", at_least=0.0, rule="another")
    judged = result(lost, -0.2, silent)
    assert (judged.result, len(judged.waived)) == ("FAILED", 1)


def test_what_rests_on_a_control_that_did_not_pass_is_not_accepted():
    control = finding(
        "fail", low=0.1, high=0.2, at_least=0.5, rule="attack-works", severity="report"
    )
    lost = finding("inconclusive", low=-0.1, high=0.0, at_least=-0.02, needs=("attack-works",))
    judged = result(lost, -0.5, control)
    assert judged.result == "UNDECIDED"
    assert "rests on 'attack-works'" in judged.idle[0][1]


def test_nothing_is_waived_of_a_pass():
    fine = finding("pass", low=0.0, high=0.1, at_least=-0.02)
    judged = result(fine, -0.5)
    assert judged.result == "PASSED"
    assert judged.idle[0][1] == "the finding keeps nothing shut"


@given(
    st.floats(-2, 2), st.floats(0, 1), st.floats(-1, 1), st.floats(0, 1), st.floats(-3, 3),
    st.sampled_from(["low", "high", "both"]),
)  # fmt: skip
def test_nothing_worse_than_what_was_named_is_ever_accepted(low, width, bound, gap, worst, sides):
    """Whatever is accepted lies, with all that may be true, on the good side of `worst`."""
    bounds = {"at_least": bound} if sides != "high" else {}
    bounds |= {"at_most": bound + gap} if sides != "low" else {}
    found = finding("inconclusive", low=low, high=low + width, **bounds)
    if accepted(found, worst):
        at_least, at_most = bounds.get("at_least"), bounds.get("at_most")
        below = at_least is not None and low < at_least
        above = at_most is not None and low + width > at_most
        assert below != above
        assert low >= worst if below else low + width <= worst
