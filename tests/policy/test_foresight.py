"""What is foreseen is what then happens: chances hold in simulated gates, and advice is sound."""

import numpy as np
import pytest

from govprune import policy
from govprune.measurements import Measurement, Paired, Share
from govprune.policy import Policy, Rule
from govprune.policy.foresight import foresee
from govprune.stats.outlook import accused_from, chance_to_pass, fewest_hits, most_hits
from govprune.stats.paired import EXACT_UP_TO, power
from govprune.subjects import Profile, SliceProfile

GATES = 1_500


def plan(sizes, *, effect=1.0, attempt=1, **fields):
    given = {
        "id": "r", "check": "slice-performance", "metric": "accuracy-change", "at_least": -0.02,
    }  # fmt: skip
    whole = SliceProfile(name="all", attributes=(), by_label=(("0", 5_000), ("1", 5_000)))
    parts = [
        SliceProfile(name=name, attributes=("g",), by_label=(("0", n), ("1", 0)),
                     design_effect=effect)
        for name, n in sizes.items()
    ]  # fmt: skip
    data = Profile(labels=("0", "1"), positive="1", slices=(whole, *parts))
    return policy.make_plan(
        Policy(name="p", attempts="counted", rules=(Rule(**(given | fields)),)), data,
        attempt=attempt,
    )  # fmt: skip


def only(prospects):
    (found,) = prospects
    return found


def statuses(asked, *, loss, churn):
    """Gate candidates of this true loss and churn; say how each question ended."""
    random = np.random.default_rng(7)
    (question,) = asked.questions
    found = []
    for lost, won, same in random.multinomial(
        question.n, [loss + churn / 2, churn / 2, 1 - loss - churn], size=GATES
    ):
        basis = Paired(both=int(same), baseline_only=int(lost), candidate_only=int(won), neither=0)
        m = Measurement(check=question.check, metric=question.metric, slice=question.slice,
                        basis=basis)  # fmt: skip
        found.append(policy.judge(asked, [m])[0].status)
    return found


def test_the_chance_to_be_cleared_is_that_of_simulated_gates():
    asked = plan({"a": 400})
    seen = statuses(asked, loss=0.0, churn=0.02).count("pass") / GATES

    assert only(foresee(asked, churn=0.02).prospects).passes == pytest.approx(seen, abs=0.03)


def test_the_smallest_loss_that_is_accused_is_accused_four_times_in_five():
    asked = plan({"a": 400})
    loss = only(foresee(asked, churn=0.02).prospects).accused_from
    seen = statuses(asked, loss=loss, churn=0.02).count("fail") / GATES

    assert seen == pytest.approx(0.8, abs=0.03)


def test_many_slices_share_the_level_of_an_accusation():
    alone = foresee(plan({"a": 400})).prospects[0].accused_from
    among = foresee(plan(dict.fromkeys("abcdefghij", 400))).prospects[0].accused_from

    assert among > alone


def test_the_largest_churn_is_where_the_chance_falls_below_four_in_five():
    asked = plan({"a": 400})
    most = only(foresee(asked).prospects).most_churn

    assert only(foresee(asked, churn=most).prospects).passes >= 0.8
    assert only(foresee(asked, churn=1.1 * most).prospects).passes < 0.8


def test_the_rows_that_are_advised_suffice():
    needed = only(foresee(plan({"a": 60})).prospects).rows_for_power

    assert only(foresee(plan({"a": needed})).prospects).passes >= 0.8
    assert only(foresee(plan({"a": needed - 20})).prospects).passes < 0.8


def test_rows_that_depend_on_each_other_tell_less():
    free, tied = (only(foresee(plan({"a": 600}, effect=e)).prospects) for e in (1.0, 3.0))

    assert tied.passes < free.passes
    assert tied.accused_from > free.accused_from
    assert tied.rows_for_power == 3 * free.rows_for_power


def test_a_slice_without_rows_clears_nobody_and_accuses_nobody():
    found = only(foresee(plan({"a": 0})).prospects)

    assert (found.passes, found.most_churn, found.accused_from) == (0.0, None, None)


def test_the_whole_gate_lies_between_the_product_and_the_hardest_question():
    foresight = foresee(plan({"a": 400, "b": 300}))
    first, second = (p.passes for p in foresight.prospects)

    assert foresight.at_least == pytest.approx(first * second)
    assert foresight.at_most == min(first, second)


def test_slices_that_are_only_shown_do_not_lower_the_chance():
    small = {"at_least": -0.10, "below": "report", "because": "few people"}
    foresight = foresee(plan({"many": 2_000, "few": 20}, small_slices=small))
    many, few = foresight.prospects

    assert few.passes < 0.8
    assert foresight.at_least == many.passes


def test_two_bounds_must_both_be_cleared():
    one = only(foresee(plan({"a": 400}), churn=0.05).prospects)
    both = only(foresee(plan({"a": 400}, at_most=0.02), churn=0.05).prospects)

    assert both.passes < one.passes
    assert both.most_churn < one.most_churn


def test_a_share_is_cleared_as_often_as_its_interval_says():
    asked = plan({"a": 3_000}, check="flips", metric="harm-flip-rate", at_least=None, at_most=0.02)
    found = only(foresee(asked, churn=0.03).prospects)
    hits = np.random.default_rng(1).binomial(3_000, 0.015, size=GATES)
    question = asked.questions[0]
    cleared = sum(
        policy.judge(
            asked,
            [Measurement(check="flips", metric="harm-flip-rate", slice=question.slice,
                         basis=Share(hits=int(h), trials=3_000))],
        )[0].status == "pass"
        for h in hits
    )  # fmt: skip

    assert found.passes == pytest.approx(cleared / GATES, abs=0.04)
    assert found.accused_from > 0.02
    assert most_hits(3_000, 0.02, 0.05) < 60 < fewest_hits(3_000, 0.02, 0.05)


def test_what_has_no_known_spread_is_not_foreseen():
    asked = plan({"a": 400}, check="calibration", metric="brier-change", at_least=None,
                 at_most=0.01)  # fmt: skip
    foresight = foresee(asked)

    assert foresight.prospects == ()
    assert foresight.unforeseen == asked.questions


def test_a_later_attempt_is_less_likely_to_be_cleared():
    first, later = (
        policy.make_plan(
            Policy(name="p", rules=(Rule(id="r", check="slice-performance", over="whole",
                                         metric="accuracy-change", at_least=-0.01),)),
            Profile(labels=("0",), slices=(
                SliceProfile(name="all", attributes=(), by_label=(("0", 900),)),)),
            attempt=k,
        )
        for k in (1, 5)
    )  # fmt: skip

    assert only(foresee(later).prospects).passes < only(foresee(first).prospects).passes


@pytest.mark.parametrize(("margin", "churn"), [(0.01, 0.06), (0.01, 0.1), (0.02, 0.3)])
def test_the_approximation_for_many_rows_is_near_the_enumeration(margin, churn):
    exact = power(EXACT_UP_TO + 1, margin, 0.03, churn)

    assert chance_to_pass(EXACT_UP_TO + 1, margin, 0.03, churn) == pytest.approx(exact, abs=0.02)


def test_for_many_rows_the_accused_loss_errs_upwards_and_by_little():
    few, many = (accused_from(n, 0.02, 0.01, 0.02) for n in (EXACT_UP_TO, EXACT_UP_TO + 1))

    assert few <= many < few + 0.004


def test_power_is_a_chance_even_where_every_answer_may_change():
    assert 0.0 <= power(42, 0.1, 0.03, 0.5) < 0.3
