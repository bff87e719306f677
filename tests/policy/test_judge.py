"""Pass, fail and cannot tell, each in the world it belongs to; and the accusation is careful."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from govprune import policy
from govprune.errors import EvidenceError
from govprune.measurements import Exact, Measurement, Paired, Share, Undefined, Unmeasured
from govprune.policy import Policy, Rule, Verdict
from govprune.subjects import Profile, SliceProfile


def rule(**fields):
    given = {
        "id": "r", "check": "slice-performance", "metric": "accuracy-change", "at_least": -0.02,
    }  # fmt: skip
    return Rule(**(given | fields))


def world(rules, *measurements, slices=("a", "b"), n=1000, unmeasured=()):
    whole = SliceProfile(name="all", attributes=(), by_label=(("0", n), ("1", n)))
    sizes = slices if isinstance(slices, dict) else dict.fromkeys(slices, n)
    parts = [
        SliceProfile(name=name, attributes=("g",), by_label=(("0", rows), ("1", rows)))
        for name, rows in sizes.items()
    ]
    data = Profile(labels=("0", "1"), positive="1", slices=(whole, *parts))
    made = Policy(name="p", attempts="counted", rules=tuple(rules))
    plan = policy.make_plan(made, data)
    return policy.decide(policy.judge(plan, measurements, unmeasured))


def change(name, lost, won=0, n=2000, **fields):
    basis = Paired(both=n - lost - won, baseline_only=lost, candidate_only=won, neither=0)
    given = {"check": "slice-performance", "metric": "accuracy-change", "slice": name}
    return Measurement(**(given | fields), basis=basis)


def states(verdict):
    return [f.status for f in verdict.findings]


def test_untouched_slices_pass():
    verdict = world([rule()], change("a", 2, 3), change("b", 0))

    assert (verdict.result, states(verdict)) == ("PASSED", ["pass", "pass"])


def test_a_lost_slice_fails_although_the_other_gains():
    verdict = world([rule()], change("a", 0, 100), change("b", 120))

    assert (verdict.result, states(verdict)) == ("FAILED", ["pass", "fail"])


def test_few_rows_cannot_tell_and_the_gate_stays_shut():
    verdict = world([rule()], change("a", 0), change("b", 1, 0, n=60))

    assert (verdict.result, states(verdict)) == ("UNDECIDED", ["pass", "inconclusive"])
    assert verdict.findings[1].rows_to_decide > 60


def test_an_observed_drop_within_the_margin_is_not_enough():
    """1.5 points lost of 2 tolerated, on 200 rows: a point estimate would promote."""
    verdict = world([rule()], change("a", 3, n=200), slices=("a",))

    assert verdict.findings[0].value == -0.015
    assert verdict.result == "UNDECIDED"


def test_silence_is_not_measured_and_says_why():
    verdict = world(
        [rule()], change("a", 0),
        unmeasured=[Unmeasured(check="slice-performance", reason="the disk was full")],
    )  # fmt: skip

    assert verdict.result == "UNDECIDED"
    assert verdict.findings[1].reason == "the disk was full"


def test_an_undefined_rate_never_passes():
    m = Measurement(
        check="slice-performance", metric="accuracy-change", slice="a",
        basis=Undefined(reason="no rows"),
    )  # fmt: skip

    assert states(world([rule()], m, slices=("a",))) == ["inconclusive"]


def test_two_answers_to_one_question_are_refused():
    with pytest.raises(EvidenceError, match="twice"):
        world([rule()], change("a", 0), change("a", 50))


def test_accusations_are_adjusted_within_the_rule():
    """One slice at p of about .01 is accused alone, and not among twenty harmless ones."""
    suspect = change("a", 53, 5, n=1500)
    harmless = [change(f"s{i}", 0, 0) for i in range(20)]

    alone = world([rule()], suspect, slices=("a",))
    names = ("a", *(f"s{i}" for i in range(20)))
    among = world([rule()], suspect, *harmless, slices=names)

    assert states(alone) == ["fail"]
    assert states(among)[0] == "inconclusive"
    assert alone.findings[0].p_adjusted * 21 == pytest.approx(among.findings[0].p_adjusted)


def test_an_exact_number_fails_without_statistics():
    size = rule(check="size", metric="size-ratio", at_least=None, at_most=1.0)
    m = Measurement(check="size", metric="size-ratio", basis=Exact(value=1.01, n=5))

    assert states(world([size], m)) == ["fail"]


def test_a_finding_rests_on_what_it_needs():
    control = rule(id="control", check="flips", metric="gain-flip-rate", at_least=None, at_most=0.5,
                   over="whole", severity="report")  # fmt: skip
    resting = rule(needs=("control",))
    gains = {"check": "flips", "metric": "gain-flip-rate"}
    good = Measurement(**gains, basis=Share(hits=1, trials=100))
    bad = Measurement(**gains, basis=Share(hits=90, trials=100))

    sound = world([control, resting], good, change("a", 0), change("b", 200))
    shaky = world([control, resting], bad, change("a", 0), change("b", 200))
    silent = world([control, resting], change("a", 0), change("b", 200))

    assert states(sound) == ["pass", "pass", "fail"]
    assert states(shaky) == ["fail", "inconclusive", "inconclusive"]
    assert states(silent) == ["not_measured", "inconclusive", "inconclusive"]
    assert (shaky.result, silent.result) == ("UNDECIDED", "UNDECIDED")


def test_a_rule_that_only_reports_decides_nothing():
    shown = rule(id="shown", severity="report")
    verdict = world([rule(over="whole"), shown], change("all", 0), change("a", 500), change("b", 0))

    assert (verdict.result, states(verdict)) == ("PASSED", ["pass", "fail", "pass"])


def test_a_slice_too_small_is_reported_and_still_blocks_when_harm_is_shown():
    small = rule(small_slices={"at_least": -0.05, "below": "report", "because": "few people"})
    sizes = {"many": 1000, "few": 20}

    quiet = world([small], change("many", 0), change("few", 1, n=40), slices=sizes)
    loud = world([small], change("many", 0), change("few", 20, n=40), slices=sizes)

    assert (quiet.result, states(quiet)) == ("PASSED", ["pass", "inconclusive"])
    assert (loud.result, states(loud)) == ("FAILED", ["pass", "fail"])


def test_slices_that_are_all_too_small_clear_nobody():
    small = rule(small_slices={"at_least": -0.05, "below": "report", "because": "few people"})

    verdict = world([small], change("few", 0, n=40), slices={"few": 20})

    assert verdict.result == "UNDECIDED"


def test_passed_cannot_be_written_above_a_failure():
    verdict = world([rule()], change("a", 500), change("b", 0))

    with pytest.raises(ValidationError, match="does not follow"):
        Verdict(result="PASSED", findings=verdict.findings)
    with pytest.raises(ValidationError, match="does not follow"):
        Verdict.model_validate_json(verdict.model_dump_json().replace('"FAILED"', '"PASSED"'))


def test_a_verdict_of_nothing_is_undecided():
    assert policy.decide(()).result == "UNDECIDED"


def test_credit_judges_adverse_impact_from_the_archive_alone():
    """The pack reads; what a bare archive does not hold is not measured."""
    credit = policy.load("credit", root=Path()).policy
    whole = SliceProfile(name="all", attributes=(), by_label=(("0", 5000), ("1", 5000)))
    part = SliceProfile(name="g=a", attributes=("g",), by_label=(("0", 5000), ("1", 5000)))
    plan = policy.make_plan(credit, Profile(labels=("0", "1"), positive="1", slices=(whole, part)))

    verdict = policy.decide(policy.judge(plan, ()))

    assert verdict.result == "UNDECIDED"
    assert set(states(verdict)) == {"not_measured"}
