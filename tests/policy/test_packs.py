"""Each pack says why and by whom, can be asked of its data, and is as strict as it says."""

import re
from pathlib import Path

import pytest
import yaml

from govprune import measurements, policy
from govprune.errors import PolicyError
from govprune.measurements import Discoveries, Exact, Excess, Measurement, Paired, Share
from govprune.policy.load import packs
from govprune.subjects import Profile, SliceProfile

PACKS = sorted(packs())
TASKS = dict.fromkeys(PACKS, "classification") | {"ranking": "ranking"}
CITED = re.compile(r"judgement|Regulation \(EU\) 20\d\d/\d+|\d+ CFR \d+|\((19|20)\d\d\)")


def load(name):
    return policy.load(name, root=Path()).policy


def rules(name):
    return {rule.id: rule for rule in load(name).rules}


def profile(task="classification", n=20_000):
    """A whole and two groups, of a kind of answer."""
    labelled = task != "regression"
    return Profile(
        task=task,
        labels=("no", "yes") if labelled else (),
        positive="yes" if task == "classification" else None,
        slices=tuple(
            SliceProfile(
                name=name,
                attributes=() if name == "all" else ("site",),
                by_label=(("no", rows // 2), ("yes", rows // 2)) if labelled else (),
                rows=None if labelled and task != "multi-label" else rows,
            )
            for name, rows in (("all", n), ("site=a", n // 2), ("site=b", n // 2))
        ),
    )


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_says_why_and_by_whom(name):
    for rule in load(name).rules:
        assert rule.because, rule.id
        assert CITED.search(rule.source or ""), (rule.id, rule.source)


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_has_a_sentence_for_people(name):
    assert [rule.id for rule in load(name).rules if not rule.title] == []


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_left_out_is_left_out_with_a_reason(name):
    dropped = yaml.safe_load(packs()[name].read_text()).get("drop", [])

    assert all(len(drop["because"]) > 10 for drop in dropped)


@pytest.mark.parametrize("name", PACKS)
def test_every_pack_can_be_asked_of_the_data_it_is_for(name):
    plan = policy.make_plan(load(name), profile(TASKS[name]))

    areas = {q.check for q in plan.questions if q.severity == "block"}
    assert areas & {"slice-performance", "ranking"}
    assert all(n.reason for n in plan.not_asked)


@pytest.mark.parametrize("name", PACKS)
def test_silence_never_passes_a_pack(name):
    plan = policy.make_plan(load(name), profile(TASKS[name]))

    assert policy.decide(policy.judge(plan, ())).result == "UNDECIDED"


@pytest.mark.parametrize("task", ["classification", "multi-label", "regression"])
def test_answers_of_each_kind_are_asked_about_what_answers_can_show(task):
    plan = policy.make_plan(load("predictions"), profile(task))

    needs_more = {"calibration", "margin-shift", "slice-discovery", "generalisation-gap", "ranking",
                  "evasion", "size", "latency", "derivation", "pii"}  # fmt: skip
    assert {q.check for q in plan.questions} & needs_more == set()
    assert any(q.severity == "block" for q in plan.questions)


def test_scores_are_refused_by_packs_on_answers_and_asked_by_their_own():
    with pytest.raises(PolicyError, match="choose another policy"):
        policy.make_plan(load("predictions"), profile("ranking"))

    blocking = [q for q in policy.make_plan(load("ranking"), profile("ranking")).questions
                if q.severity == "block"]  # fmt: skip
    assert {q.rule for q in blocking} == {
        "area-holds",
        "no-slice-loses-area",
        "no-group-sinks",
        "no-group-rises-wrongly",
    }


def answered(plan, **instead):
    """Answer every question of a plan harmlessly, but for rules that are given another basis."""
    untouched = Paired(both=9_000, baseline_only=0, candidate_only=0, neither=1_000)
    harmless = {
        "harm-flip-rate": Share(hits=10, trials=20_000),
        "exemplar-rate": Share(hits=10, trials=20_000),
        "excess-accuracy-change": Excess(inside=untouched, outside=untouched),
        "classes-lost": Exact(value=0),
        "rarest-class-kept": Exact(value=1.0),
        "distinct-outputs": Exact(value=2),
    }
    return {
        q.key: Measurement(
            check=q.check, metric=q.metric, slice=q.slice, label=q.label,
            basis=instead.get(q.rule, harmless.get(q.metric, untouched)),
        )
        for q in plan.questions
    }.values()  # fmt: skip


def verdict(name, **instead):
    plan = policy.make_plan(load(name), profile())
    return policy.decide(policy.judge(plan, answered(plan, **instead)))


def test_answers_alone_can_pass_and_fail():
    lost = Paired(both=8_500, baseline_only=500, candidate_only=0, neither=1_000)

    assert verdict("predictions").result == "PASSED"
    assert verdict("predictions", **{"accuracy-holds": lost}).result == "FAILED"


def test_a_gap_that_grew_without_a_loss_fails_when_it_is_shown():
    behind = Excess(
        inside=Paired(both=9_000, baseline_only=0, candidate_only=0, neither=1_000),
        outside=Paired(both=9_000, baseline_only=0, candidate_only=800, neither=200),
    )
    failed = [f.question.rule for f in verdict("predictions", **{"no-slice-falls-behind": behind}
                                               ).findings if f.blocks]  # fmt: skip

    assert set(failed) == {"no-slice-falls-behind"}


def judged(name, rule, basis):
    """Judge one rule of a pack on one answer."""
    chosen = load(name)
    kept = tuple(r for r in chosen.rules if r.id == rule)
    plan = policy.make_plan(chosen.model_copy(update={"rules": kept}), profile())
    made = [
        Measurement(check=q.check, metric=q.metric, slice=q.slice, label=q.label, basis=basis)
        for q in plan.questions
    ]
    return policy.decide(policy.judge(plan, made)).result


def discovered(lost, n=400):
    found = Paired(both=n - lost, baseline_only=lost, candidate_only=0, neither=0)
    tested = measurements.Tested(slice="age under 30", basis=found)
    return Discoveries(searched=300, tested=(tested,))


def test_a_hidden_slice_blocks_only_when_its_harm_is_shown():
    assert judged("baseline", "no-hidden-slice-loses", discovered(60)) == "FAILED"
    assert judged("baseline", "no-hidden-slice-loses", discovered(18)) == "PASSED"


def test_credit_blocks_a_falling_impact_ratio_and_only_shows_its_level():
    credit = rules("credit")

    assert credit["adverse-impact-ratio-holds"].severity == "block"
    assert credit["adverse-impact-ratio-shown"].severity == "report"
    assert credit["adverse-impact-ratio-shown"].at_least == 0.8


def test_high_risk_is_nowhere_more_lenient_than_credit():
    credit, high = load("credit"), load("high-risk")
    strict = rules("high-risk")

    assert high.alpha < credit.alpha
    assert high.attempts == "charged"
    for rule in credit.rules:
        other = strict.get(rule.id)
        if other is None:
            continue
        assert other.at_least == rule.at_least or other.at_least > rule.at_least, rule.id
        assert other.at_most == rule.at_most or other.at_most < rule.at_most, rule.id
        assert (other.severity, rule.severity) != ("report", "block"), rule.id
        if rule.small_slices:
            # A small group that is not asked at a wide margin is asked at none: no stricter.
            assert other.small_slices.at_least == rule.small_slices.at_least
            assert other.small_slices.at_most == rule.small_slices.at_most


def test_medical_imaging_asks_the_recall_of_every_class_at_every_site():
    plan = policy.make_plan(load("medical-imaging"), profile())

    asked = {(q.slice, q.label) for q in plan.questions if q.rule == "no-slice-loses-recall"}
    assert asked == {(s, c) for s in ("site=a", "site=b") for c in ("no", "yes")}


def test_edge_lets_size_and_speed_block():
    edge = rules("edge")

    for name in ("claims-are-true", "file-not-larger", "speed-up-as-claimed", "not-slower",
                 "throughput-as-claimed", "batches-not-slower", "operations-as-claimed",
                 "memory-as-claimed"):  # fmt: skip
        assert edge[name].severity == "block"
    assert judged("edge", "file-not-larger", Exact(value=1.0)) == "FAILED"
    assert judged("edge", "operations-as-claimed", Exact(value=0.02)) == "FAILED"
    assert judged("edge", "memory-as-claimed", Exact(value=1.0)) == "PASSED"


def test_edge_lets_nothing_block_that_a_machine_or_a_form_may_be_unable_to_measure():
    """No meter, no files, no torch module: shown as not measured, unless it was claimed."""
    edge = rules("edge")

    for name in ("no-more-operations", "no-more-memory", "no-more-energy", "energy-as-claimed"):
        assert edge[name].severity == "report"
    assert edge["memory-as-claimed"].needs == edge["operations-as-claimed"].needs == ()


@pytest.mark.parametrize("name", ["throughput-as-claimed", "batches-not-slower"])
def test_batches_are_judged_only_by_a_clock_that_agrees_with_itself(name):
    assert rules("edge")[name].needs == ("batch-clock-can-be-trusted",)


def test_the_documents_name_every_pack():
    text = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()

    assert [name for name in PACKS if f"`{name}`" not in text] == []
