"""What the rule promises about its errors, over thousands of gates of known truth."""

import numpy as np
import pytest
from other_gates import drop_promotes, spread, spread_lower_ends, wald_promotes
from simulated_gates import (
    CHURN,
    HARMLESS,
    MARGIN,
    Truth,
    all_at_bound,
    all_halfway,
    all_harmless,
    draw,
    noise,
    one_harmed,
    plan_for,
    remembered,
    simulate,
    verdict,
)

from govprune.stats.paired import power, rows_for_power

GATES = 2000
LEVEL = 0.05
ROWS = [100, 400, 2000]
GAINS = [0.0, 0.01, 0.05]
AMPLE = 5000


@pytest.fixture(scope="module")
def crowd():
    """Fifty slices of 2,000 rows, the first of them harmed by exactly the margin."""
    plan = plan_for("counted", [2000] * 50)
    return simulate(plan, one_harmed(plan, gains=0.01), gates=GATES)


# --- promoted although a slice is harmed


@pytest.mark.parametrize("gains", GAINS)
@pytest.mark.parametrize("n", ROWS)
@pytest.mark.parametrize(("name", "slices"), [("counted", 1), ("counted", 10), ("charged", 1)])
def test_harm_at_the_stated_margin_in_one_slice_rarely_passes(name, slices, n, gains):
    plan = plan_for(name, [n] * slices)
    run = simulate(plan, one_harmed(plan, gains=gains), gates=GATES)

    assert run.share("PASSED") <= plan.alpha + noise(GATES)


@pytest.mark.parametrize("gains", GAINS)
@pytest.mark.parametrize(("n", "margin"), [(100, 0.10), (200, 0.05), (400, 0.02), (2000, 0.02)])
def test_harm_at_the_margin_the_shipped_rule_grants_a_slice_rarely_passes(n, margin, gains):
    """The harmed slice stands beside three that pass nearly always."""
    plan = plan_for("pack", [n] + [AMPLE] * 3)
    run = simulate(plan, one_harmed(plan, gains=gains), gates=GATES)

    assert plan.questions[0].at_least == -margin
    assert run.share("PASSED") <= plan.alpha + noise(GATES)


def test_forty_nine_harmless_slices_do_not_hide_a_harmed_one(crowd):
    assert 0.0 < crowd.share("PASSED") <= LEVEL + noise(GATES)


def test_the_observed_drop_promotes_the_same_harm_nearly_every_second_time(crowd):
    assert drop_promotes(crowd).mean() > 0.4


def test_a_wald_interval_promotes_harm_in_few_rows_more_often_than_it_says():
    """100 rows, 2 points lost and none gained: no changed answer has no variance."""
    plan = plan_for("counted", [100])
    run = simulate(plan, one_harmed(plan, gains=0.0), gates=GATES)

    assert wald_promotes(run).mean() > LEVEL + noise(GATES)
    assert run.share("PASSED") <= LEVEL


def test_where_every_slice_is_too_small_nothing_is_promoted():
    plan = plan_for("pack", [31] * 10)
    run = simulate(plan, all_harmless(plan), gates=GATES)

    assert {question.tier for question in plan.questions} == {"too-small"}
    assert run.share("PASSED") == 0.0


def test_charged_attempts_keep_ten_tries_together_within_the_level():
    def any_of_ten(name):
        passed = np.zeros(GATES, dtype=bool)
        for attempt in range(1, 11):
            plan = plan_for(name, [2000], attempt=attempt)
            run = simulate(plan, one_harmed(plan, gains=0.01), gates=GATES)
            passed |= np.array(run.results) == "PASSED"
        return passed.mean()

    assert any_of_ten("charged") <= LEVEL + noise(GATES)
    assert any_of_ten("counted") > 0.25


# --- not promoted although nobody is harmed


@pytest.mark.parametrize("slices", [1, 10, 50])
def test_a_harmless_model_passes_with_the_rows_that_all_slices_need_together(slices):
    plan = plan_for("charged", [AMPLE])
    n = rows_for_power(MARGIN, plan.alpha, CHURN, 0.8 ** (1 / slices))
    plan = plan_for("charged", [n] * slices)
    run = simulate(plan, all_harmless(plan), gates=GATES)

    computed = power(n, MARGIN, plan.alpha, CHURN) ** slices
    assert run.share("PASSED") >= 0.8 - noise(GATES, 0.8)
    assert abs(run.share("PASSED") - computed) <= noise(GATES, 0.8)


def test_rows_enough_for_one_slice_are_too_few_for_ten():
    """80 % power each is 11 % together: what the plan calls large enough is meant per slice."""
    plan = plan_for("pack", [344] * 10)
    run = simulate(plan, all_harmless(plan), gates=GATES)

    assert {question.tier for question in plan.questions} == {"stated"}
    assert run.share("PASSED") < 0.25


# --- accused although nobody is harmed


@pytest.mark.parametrize("truths", [all_harmless, all_halfway])
@pytest.mark.parametrize(
    "rows", [[100] * 10, [400], [400] * 10, [2000] * 10, [31] * 10, [31, 2000] * 5, [100] * 50],
    ids=lambda rows: f"{len(rows)}x{rows[0]}",
)  # fmt: skip
def test_a_model_within_its_margins_is_rarely_accused(rows, truths):
    plan = plan_for("pack", rows)
    run = simulate(plan, truths(plan), gates=GATES)

    assert run.share("FAILED") <= LEVEL + noise(GATES)


def test_demonstrated_harm_is_accused_among_many_harmless_slices():
    plan = plan_for("pack", [400] * 10)
    truths = [Truth(0.10, 0.0), *(HARMLESS for _ in plan.questions[1:])]

    assert simulate(plan, truths, gates=GATES).share("FAILED") > 0.99


def test_large_slices_do_not_dilute_the_accusation_of_a_small_one():
    def accused(others):
        plan = plan_for("pack", [31] + [AMPLE] * others)
        truths = [Truth(0.25, 0.0), *(HARMLESS for _ in range(others))]
        return simulate(plan, truths, gates=GATES).share("FAILED")

    assert accused(20) >= accused(1) - noise(GATES, 0.5)
    assert accused(20) > 0.25


# --- the number every dashboard shows


@pytest.mark.parametrize("n", [100, 2000])
def test_twenty_equal_slices_look_different_and_are_not_accused(n):
    plan = plan_for("pack", [n] * 20)
    run = simulate(plan, all_harmless(plan), gates=GATES)

    assert run.share("FAILED") <= LEVEL
    # Largest minus smallest is above 0 in truth nowhere, and in its interval everywhere.
    assert (spread_lower_ends(run.counts[:200]) > 0.0).mean() > 0.95
    assert spread(run.counts).mean() > (0.02 if n == 100 else 0.005)


# --- the simulation itself


def test_remembered_arithmetic_changes_no_verdict():
    sizes = [20, 31, 100, 344, 2000]
    plan = plan_for("pack", sizes)
    truths = [Truth(loss, 0.01) for loss in (0.3, 0.1, 0.1, 0.01, 0.03)]
    gates = draw(plan, truths, 100, seed=1).tolist()

    with remembered():
        fast = [verdict(plan, one) for one in gates for _ in range(2)][::2]

    plain = [verdict(plan, one) for one in gates]
    assert fast == plain
    assert {f.status for v in plain for f in v.findings} >= {"pass", "fail", "inconclusive"}


def test_draws_have_the_truth_they_were_asked_for():
    plan = plan_for("counted", [100, 400])
    counts = draw(plan, [Truth(0.05, 0.01), HARMLESS], 20_000, seed=2)

    assert (counts.sum(axis=2) == [100, 400]).all()
    mean = counts.mean(axis=0) / [[100], [400]]
    assert np.allclose(mean[:, 1:3], [[0.05, 0.01], [0.005, 0.005]], atol=1e-3)
    assert abs(np.corrcoef(counts[:, 0, 1], counts[:, 1, 1])[0, 1]) < 0.05


@pytest.mark.parametrize("n", [100, 200, 400])
def test_a_model_that_loses_exactly_what_it_may_everywhere_is_rarely_accused(n):
    """The least favourable of harmless models. The normal tail accuses it in one run of ten."""
    plan = plan_for("pack", [n] * 10)

    failed = simulate(plan, all_at_bound(plan, gains=0.01), gates=GATES).share("FAILED")

    assert failed <= 0.05 + noise(GATES, 0.05)
