"""How long one prediction takes, candidate against baseline, with the baseline against itself.

The three are timed in turn, in random order, so that whatever else the machine does hits them
alike. If the baseline differs from itself, the clock of this machine decides nothing.
"""

from collections.abc import Callable, Iterator
from math import log
from random import Random
from time import perf_counter

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ..measurements import Basis, Exact, LogRatios, Measurement
from ..models import Model, TorchModel
from ..records import Record
from .base import Case, Check


class LatencyParams(Record):
    """Parameters of the latency check."""

    pairs: int = Field(default=400, ge=20, le=100_000)
    batch: int = Field(default=1, ge=1)
    """Rows per prediction; 1 is on-line serving."""
    repeat: int = Field(default=10, ge=1)
    """Predictions per timing."""


def measure(case: Case, params: LatencyParams) -> Iterator[Measurement]:
    """Time baseline, candidate and baseline again, interleaved."""
    import torch

    rows = case.data.features[: params.batch]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = _interleaved(
            [_runner(m, rows, params) for m in (case.baseline, case.candidate, case.baseline)],
            params.pairs,
            Random(case.seed),  # noqa: S311 an order of timing, no secret
        )
    finally:
        torch.set_num_threads(threads)
    first, candidate, second = times
    note = (
        f"median {1e6 * _median(first) / params.repeat:.0f} µs → "
        f"{1e6 * _median(candidate) / params.repeat:.0f} µs at batch {params.batch}, one thread"
    )
    ratio = _ratios(first, candidate, case.seed)
    yield Measurement(check="latency", metric="latency-ratio", basis=ratio, notes=(note,))
    control = _ratios(first, second, case.seed)
    yield Measurement(check="latency", metric="control-ratio", basis=control)
    yield _claim(case, first, candidate)


def _claim(case: Case, first: list[float], candidate: list[float]) -> Measurement:
    claimed = case.step.claim.speed_up
    basis: Basis
    if claimed is None:
        basis, note = Exact(value=1.0), "the step claims no speed-up"
    else:
        values = tuple(log(a / b) - log(claimed) for a, b in zip(first, candidate, strict=True))
        basis, note = LogRatios(values=values, seed=case.seed), f"claimed: {claimed:g} times faster"
    return Measurement(check="latency", metric="speed-up-kept", basis=basis, notes=(note,))


def _runner(
    model: Model, rows: npt.NDArray[np.float32], params: LatencyParams
) -> Callable[[], None]:
    import torch

    if not isinstance(model, TorchModel):
        return _repeated(lambda: model.outputs(rows), params.repeat)
    module, tensor = model.module, torch.from_numpy(rows)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(params.repeat):
                module(tensor)

    return run


def _repeated(predict: Callable[[], object], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            predict()

    return run


def _interleaved(
    runners: list[Callable[[], None]], pairs: int, random: Random
) -> list[list[float]]:
    for run in runners * 5:  # warm up
        run()
    times: list[list[float]] = [[] for _ in runners]
    order = list(range(len(runners)))
    for _ in range(pairs):
        random.shuffle(order)
        for i in order:
            start = perf_counter()
            runners[i]()
            times[i].append(perf_counter() - start)
    return times


def _ratios(first: list[float], second: list[float], seed: int) -> LogRatios:
    # Five decimals: far below what a clock resolves, and a third of the archive's size.
    values = tuple(round(log(b / a), 5) for a, b in zip(first, second, strict=True))
    return LogRatios(values=values, seed=seed)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


LATENCY = Check(id="latency", params=LatencyParams, measure=measure)
