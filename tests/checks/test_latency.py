"""A slower candidate is noticed, and a clock that disagrees with itself decides nothing."""

import copy
from time import sleep

import numpy as np
import pytest
from torch import nn
from worlds import Answers, asked, blobs, case, evaluation, mlp

from govprune.checks.latency import LATENCY
from govprune.measurements import Exact, LogRatios, Measurement
from govprune.stats import estimate


class Slow(nn.Module):
    """The same answers, some milliseconds later."""

    def __init__(self, inner: nn.Module, seconds: float) -> None:
        super().__init__()
        self.inner, self.seconds = inner, seconds

    def forward(self, x):
        sleep(self.seconds)
        return self.inner(x)


@pytest.fixture
def data(tmp_path):
    return evaluation(tmp_path, blobs(40, seed=0), features=("x*",))


QUICK = {"pairs": 40, "repeat": 1}


def test_a_candidate_that_waits_is_slower(tmp_path, data):
    """3 milliseconds against 9: a factor no machine's noise makes up for."""
    fast, slow = Slow(mlp(6, 2), 0.003), Slow(mlp(6, 2), 0.009)
    found = asked(case(tmp_path, fast, slow, data), LATENCY, **QUICK)
    assert 2 < estimate(found.basis("latency-ratio")) < 4
    assert found.status("clock-can-be-trusted") == "pass"
    assert found.status("not-slower") == "fail"


def test_the_same_model_twice_is_not_slower(tmp_path, data):
    fast = Slow(mlp(6, 2), 0.003)
    found = asked(case(tmp_path, fast, copy.deepcopy(fast), data), LATENCY, **QUICK)
    assert found.status("clock-can-be-trusted") == "pass"
    assert found.status("not-slower") == "pass"


def test_a_claimed_speed_up_must_be_measured(tmp_path, data):
    slow, fast = Slow(mlp(6, 2), 0.009), Slow(mlp(6, 2), 0.003)
    for claim, status in ((2.0, "pass"), (10.0, "fail")):
        given = case(tmp_path, slow, fast, data, claim={"speed_up": claim})
        found = asked(given, LATENCY, **QUICK)
        assert found.status("speed-up-as-claimed") == status


def test_without_a_claim_there_is_no_speed_up_to_keep(tmp_path, data):
    found = asked(case(tmp_path, mlp(6, 2), mlp(6, 2), data), LATENCY, **QUICK)
    assert found.basis("speed-up-kept") == Exact(value=1.0)
    assert found.measured("speed-up-kept").notes == ("the step claims no speed-up",)


def judged(data, ratio, control, *, spread=0.01):
    """Latencies of a machine whose A/A control shows `control`."""
    random = np.random.default_rng(0)

    def basis(middle: float) -> LogRatios:
        values = np.log(middle) + random.normal(0, spread, 200)
        return LogRatios(values=tuple(values.tolist()), seed=0)

    taken = [
        Measurement(check="latency", metric="latency-ratio", basis=basis(ratio)),
        Measurement(check="latency", metric="control-ratio", basis=basis(control)),
        Measurement(check="latency", metric="speed-up-kept", basis=Exact(value=1.0)),
    ]
    return Answers(taken, data, "baseline")


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_a_clock_that_disagrees_with_itself_decides_nothing_either_way(data, ratio):
    found = judged(data, ratio, control=1.2)
    assert found.status("clock-can-be-trusted") == "fail"
    assert found.status("not-slower") == "inconclusive"
    assert found.status("speed-up-as-claimed") == "inconclusive"


def test_a_clock_too_noisy_to_compare_decides_nothing(data):
    found = judged(data, 3.0, control=1.0, spread=1.5)
    assert found.status("clock-can-be-trusted") == "inconclusive"
    assert found.status("not-slower") == "inconclusive"
