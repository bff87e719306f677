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


class Clock:
    """Time that passes only while a model predicts."""

    def __init__(self) -> None:
        self.now = 0.0
        self.random = np.random.default_rng(0)

    def __call__(self) -> float:
        return self.now


class Takes(nn.Linear):
    """A model that takes so many seconds, give or take a hundredth of that."""

    clock: Clock

    def __init__(self, seconds: float) -> None:
        super().__init__(6, 2)
        self.seconds = seconds

    def forward(self, x):
        Takes.clock.now += self.seconds * Takes.clock.random.normal(1, 0.01)
        return super().forward(x)


class Slow(nn.Linear):
    """A model that really waits."""

    def __init__(self, seconds: float) -> None:
        super().__init__(6, 2)
        self.seconds = seconds

    def forward(self, x):
        sleep(self.seconds)
        return super().forward(x)


@pytest.fixture
def clock(monkeypatch):
    """The check reads this clock instead of the machine's, which other programs disturb."""
    Takes.clock = Clock()
    monkeypatch.setattr("govprune.checks.latency.perf_counter", Takes.clock)


@pytest.fixture
def data(tmp_path):
    return evaluation(tmp_path, blobs(40, seed=0), features=("x*",))


QUICK = {"pairs": 40, "repeat": 1}


def test_on_the_real_clock_a_candidate_that_waits_does_not_pass(tmp_path, data):
    """5 milliseconds against 100: a factor no machine's noise makes up for."""
    given = case(tmp_path, Slow(0.005), Slow(0.1), data)
    found = asked(given, LATENCY, pairs=20, repeat=1)
    assert estimate(found.basis("latency-ratio")) > 1.5
    assert found.status("not-slower") != "pass"


def test_a_candidate_of_three_times_the_time_is_slower(tmp_path, data, clock):
    found = asked(case(tmp_path, Takes(0.003), Takes(0.009), data), LATENCY, **QUICK)
    assert estimate(found.basis("latency-ratio")) == pytest.approx(3, rel=0.02)
    assert found.status("clock-can-be-trusted") == "pass"
    assert found.status("not-slower") == "fail"


def test_the_same_model_twice_is_not_slower(tmp_path, data, clock):
    fast = Takes(0.003)
    found = asked(case(tmp_path, fast, copy.deepcopy(fast), data), LATENCY, **QUICK)
    assert found.status("clock-can-be-trusted") == "pass"
    assert found.status("not-slower") == "pass"


@pytest.mark.parametrize(("claim", "status"), [(3.0, "pass"), (3.2, "pass"), (4.0, "fail")])
def test_a_claimed_speed_up_must_be_measured_to_nine_tenths(tmp_path, data, clock, claim, status):
    given = case(tmp_path, Takes(0.009), Takes(0.003), data, claim={"speed_up": claim})
    assert asked(given, LATENCY, **QUICK).status("speed-up-as-claimed") == status


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
