"""A slower candidate is noticed, one row at a time and in batches, and speed is no word of mouth.

A clock that disagrees with itself decides nothing.
"""

import copy
import gc
from time import sleep

import numpy as np
import pytest
from torch import nn
from worlds import Answers, asked, blobs, case, evaluation, mlp, sparse

from govprune.checks import timing
from govprune.checks.latency import LATENCY
from govprune.measurements import Exact, LogRatios, Measurement
from govprune.stats import estimate


class Clock:
    """Time that passes only while a model predicts, in nanoseconds."""

    def __init__(self) -> None:
        self.now = 0
        self.random = np.random.default_rng(0)

    def __call__(self) -> int:
        return self.now


class Takes(nn.Linear):
    """A model that takes so many seconds and so many per row, give or take a hundredth of that.

    Every so manieth prediction takes ten times as long, where that is said.
    """

    clock: Clock

    def __init__(self, seconds: float, per_row: float = 0.0, *, every: int = 0) -> None:
        super().__init__(6, 2)
        self.seconds, self.per_row, self.every, self.asked = seconds, per_row, every, 0

    def forward(self, x):
        self.asked += 1
        times = 10 if self.every and self.asked % self.every == 0 else 1
        taken = times * (self.seconds + self.per_row * len(x))
        Takes.clock.now += int(1e9 * taken * Takes.clock.random.normal(1, 0.01))
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
    monkeypatch.setattr("govprune.checks.timing.perf_counter_ns", Takes.clock)


@pytest.fixture
def data(tmp_path):
    return evaluation(tmp_path, blobs(40, seed=0), features=("x*",))


QUICK = {"pairs": 40, "repeat": 1, "batch": 40}


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


def test_a_batch_may_be_slower_although_a_row_is_faster(tmp_path, data, clock):
    """1 ms + 1 ms a row against 0.1 ms + 2 ms a row: 40 rows take 41 and 80.1 ms."""
    given = case(tmp_path, Takes(0.002, 0.001), Takes(0.0001, 0.002), data)
    found = asked(given, LATENCY, policy_pack="edge", **QUICK)
    assert found.status("not-slower") == "pass"
    assert found.status("batches-not-slower") == "fail"
    assert found.measured("batch-latency-ratio").notes == (
        "median 42 ms → 80.1 ms at batch 40, one thread",
    )


@pytest.mark.parametrize(("claim", "status"), [(2.0, "pass"), (2.1, "pass"), (3.0, "fail")])
def test_a_claimed_throughput_is_held_to_in_batches(tmp_path, data, clock, claim, status):
    """A row alone is no faster: half the time per row, beside a second of overhead."""
    given = case(tmp_path, Takes(1, 1.0), Takes(1, 0.475), data, claim={"throughput": claim})
    found = asked(given, LATENCY, policy_pack="edge", **QUICK)
    assert found.status("throughput-as-claimed") == status


def test_fewer_rows_than_a_batch_are_said_to_be_fewer(tmp_path, data):
    found = asked(case(tmp_path, mlp(6, 2), mlp(6, 2), data), LATENCY, pairs=20, batch=4096)
    assert "the data has 40 rows, fewer than the 4096 asked for" in (
        found.measured("batch-latency-ratio").notes
    )


def test_the_slow_one_in_fifty_shows_at_99_percent_and_not_before(tmp_path, data, clock):
    """Ten predictions of a turn would average a prediction of ten times the time away."""
    given = case(tmp_path, Takes(0.001), Takes(0.001, every=50), data)
    (figure,) = asked(given, LATENCY, pairs=400, repeat=10, seconds=3600).figures
    cells = {row[0]: row[1:] for row in figure.rows}
    usual, slow = cells["batch 1, baseline"], cells["batch 1, candidate"]
    assert usual[2].startswith("1.0") and slow[2].startswith("10")
    assert slow[0].startswith("1") and slow[1].startswith("1.0") and slow[0].endswith("ms]")
    low, high = (float(end.split()[0]) for end in slow[2].split("[")[1].split(","))
    assert low < 10 <= high * 1.05


def test_time_runs_out_before_the_pairs_do(tmp_path, data, clock):
    found = asked(case(tmp_path, Takes(1), Takes(1), data), LATENCY, pairs=400, seconds=60)
    assert 10 <= found.basis("latency-ratio").n <= 25


def test_a_quick_model_gets_every_prediction_and_the_archive_only_the_pairs(tmp_path, data, clock):
    before = Takes(1e-4)
    given = case(tmp_path, before, before, data)
    found = asked(given, LATENCY, pairs=50, repeat=10)
    assert found.basis("latency-ratio").n == 50
    assert given.baseline.module.asked >= 2 * 2 * 500


def test_garbage_waits_while_the_clock_runs(tmp_path, data, monkeypatch):
    seen = []
    monkeypatch.setattr(timing, "perf_counter_ns", lambda: seen.append(gc.isenabled()) or len(seen))
    asked(case(tmp_path, mlp(6, 2), mlp(6, 2), data), LATENCY, pairs=20)
    assert seen and not any(seen)
    assert gc.isenabled()


WIDE, NARROW = (512, 2048, 2048, 2), (512, 64, 64, 2)


@pytest.fixture
def wide_data(tmp_path):
    return evaluation(tmp_path, blobs(128, seed=0, features=512), features=("x*",))


def test_nine_tenths_of_the_weights_at_zero_are_no_faster_and_break_the_claim(tmp_path, wide_data):
    """On the real clock: a dense product multiplies zeros as fast as any number."""
    dense = mlp(*WIDE)
    claim = {"speed_up": 5.0, "throughput": 5.0}
    given = case(tmp_path, dense, sparse(dense, 0.9), wide_data, claim=claim)
    found = asked(given, LATENCY, policy_pack="edge", pairs=20, repeat=3)
    for metric in ("speed-up-kept", "batch-speed-up-kept"):
        assert estimate(found.basis(metric)) < 0.5
    assert found.status("speed-up-as-claimed") != "pass"
    assert found.status("throughput-as-claimed") != "pass"


def test_a_module_of_a_thirtieth_of_the_width_really_is_faster(tmp_path, wide_data):
    claim = {"speed_up": 1.5, "throughput": 2.0}
    given = case(tmp_path, mlp(*WIDE), mlp(*NARROW), wide_data, claim=claim)
    found = asked(given, LATENCY, policy_pack="edge", pairs=20, repeat=3)
    for metric in ("speed-up-kept", "batch-speed-up-kept"):
        assert estimate(found.basis(metric)) > 1


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


class Remembers(Takes):
    """Answers at once what it was asked last, by place in memory or by value."""

    def __init__(self, seconds: float, *, by: str) -> None:
        super().__init__(seconds)
        self.by, self.last = by, None

    def forward(self, x):
        known = self.last
        if known is not None and known[0].shape == x.shape:
            place = known[0].data_ptr() == x.data_ptr()
            if (place and self.by == "place") or (self.by == "value" and known[0].equal(x)):
                return known[1]
        self.last = (x, super().forward(x))
        return self.last[1]


@pytest.mark.parametrize("by", ["place", "value"])
def test_a_model_that_remembers_its_last_answer_is_no_faster(tmp_path, monkeypatch, by):
    Takes.clock = Clock()
    monkeypatch.setattr(timing, "perf_counter_ns", Takes.clock)
    data = evaluation(tmp_path, blobs(40, seed=0), features=("x*",))
    given = case(tmp_path, Takes(0.001), Remembers(0.001, by=by), data, claim={"speed_up": 5})
    found = asked(given, LATENCY, policy_pack="edge", pairs=30)
    assert np.median(found.basis("latency-ratio").values) == pytest.approx(0, abs=0.01)
    assert np.median(found.basis("batch-latency-ratio").values) == pytest.approx(0, abs=0.01)
