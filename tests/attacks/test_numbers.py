"""Numbers that are none, or that nothing was counted for, are errors or open; never a pass."""

import json

import numpy as np
import pytest
from sealed import World

from govprune.errors import EvidenceError, PolicyError, SubjectError
from govprune.evidence.statement import to_statement
from govprune.measurements import Exact, Measurement, Moments, Normal, Paired, Share
from govprune.models.onnx_model import finite
from govprune.policy import decide, judge, load, make_plan
from govprune.records import canonical, parse_json

NONE = [float("nan"), float("inf"), float("-inf")]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize("number", NONE)
def test_no_measurement_can_hold_it(number):
    for make in (
        lambda: Exact(value=number, n=10),
        lambda: Normal(baseline=number, candidate=0.5, standard_error=0.1, n=100, fewer=50),
        lambda: Normal(baseline=0.5, candidate=0.5, standard_error=number, n=100, fewer=50),
        lambda: Moments(n=9, baseline=0.1, candidate=number, variance=0.1, third=0.0, span=1.0),
    ):
        with pytest.raises(ValueError, match="finite"):
            make()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_no_json_can_hold_it(text):
    with pytest.raises(EvidenceError):
        canonical(parse_json(f'{{"value":{text}}}'.encode(), source="x"))


@pytest.mark.parametrize("number", NONE)
def test_no_canonical_json_can_be_made_of_it(number):
    with pytest.raises(EvidenceError, match="canonical"):
        canonical({"value": number})


@pytest.mark.parametrize("bound", [".nan", ".inf", "-.Inf", ".NaN", "1e999"])
def test_no_policy_can_ask_for_it(world, bound):
    world.set_policy(bound)
    with pytest.raises(PolicyError, match="not a finite number"):
        load(world.root / "policy.yaml", root=world.root)


@pytest.mark.parametrize("number", NONE)
def test_no_model_may_answer_it(number):
    scores = np.zeros((5, 2))
    scores[3, 1] = number
    with pytest.raises(SubjectError, match="NaN or infinite scores"):
        finite(scores, "candidate", "m.onnx")
    assert finite(scores[:3], "candidate", "m.onnx") is not None


@pytest.mark.parametrize("written", ["-0", "-0.0"])
def test_minus_zero_is_not_written_twice(world, written):
    """Zero has one spelling in what is signed; another one is not canonical."""
    assert canonical({"value": -0.0}) == b'{"value":0}'
    statement = to_statement(world.evidence()).replace(b'"seed":0', b'"seed":' + written.encode())
    with pytest.raises(EvidenceError):
        world.verify(world.forge(world.evidence(), out="lie", statement=statement))


def decided(world, basis):
    """Return the verdict of the sealed job's one question on this basis."""
    evidence = world.evidence()
    plan = make_plan(evidence.policy, evidence.profile)
    taken = Measurement(check="slice-performance", metric="accuracy-change", basis=basis)
    return decide(judge(plan, (taken,))).result


def test_no_rows_pass_nothing(world):
    nobody = Paired(both=0, baseline_only=0, candidate_only=0, neither=0)
    assert decided(world, nobody) == "UNDECIDED"


def test_no_rows_are_refused_where_the_profile_counted_some(world):
    def nobody(predicate):
        basis = predicate["measurements"][0]["basis"]
        basis.update(both=0, baseline_only=0, candidate_only=0, neither=0)

    evidence = world.evidence("FAILED")
    statement = json.loads(to_statement(evidence))
    nobody(statement["predicate"])
    lie = world.forge(evidence, out="lie", statement=canonical(statement))
    with pytest.raises(EvidenceError, match="rests on 0 rows, the data profile says 1000"):
        world.verify(lie)


@pytest.mark.parametrize("cell", ["both", "baseline_only", "candidate_only", "neither"])
def test_a_count_below_zero_is_no_count(cell):
    counts = dict.fromkeys(("both", "baseline_only", "candidate_only", "neither"), 5)
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Paired(**counts | {cell: -1})
    with pytest.raises(ValueError):
        Share(hits=6, trials=5)
