"""Single predictions on the clock: models in turn, in random order, with as little else as can be.

Whatever else the machine does hits all models alike. Each prediction is timed on its own, because
a mean of ten hides the slow one that a person waited for.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from random import Random
from time import perf_counter_ns
from typing import Any

import numpy as np
import numpy.typing as npt

from ..models import Model, TorchModel
from ..stats.quantiles import quantile_ranks

Nanoseconds = npt.NDArray[np.int64]
WARM_UP = 5
FEWEST = 10
"""Turns taken however long they last: of fewer nothing can be said."""
QUANTILES = (0.5, 0.95, 0.99)


@contextmanager
def undisturbed(threads: int) -> Iterator[None]:
    """Give torch so many threads, record no gradients, and collect no garbage meanwhile."""
    import torch

    before, collecting = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(threads)
    gc.collect()
    gc.disable()
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
        if collecting:
            gc.enable()


def predictor(model: Model, rows: npt.NDArray[Any]) -> Callable[[], object]:
    """Return a function that lets the model answer the rows, shape (rows, features), once.

    A module that takes numbers is asked directly, without what looks at its answers afterwards.
    """
    import torch

    if not isinstance(model, TorchModel) or rows.dtype != np.float32:
        return lambda: model.outputs(rows)
    module, tensor = model.module, torch.from_numpy(rows)
    return lambda: module(tensor)


def questions(
    model: Model, features: npt.NDArray[Any], rows: int
) -> Callable[[], Callable[[], object]]:
    """Return a function that makes the next question ready: a predictor of other rows each time.

    Rows are asked in their order, over and over, each time as a fresh copy: a model that remembers
    its last answer has no use for it.

    Args:
        model: Whom to ask.
        features: Shape (at least `rows`, features).
        rows: Of one question.
    """
    begun = count()

    def ready() -> Callable[[], object]:
        # Where all rows are asked at once they are asked from another first one each time.
        first = next(begun) * (rows if rows < len(features) else 1)
        return predictor(model, np.take(features, range(first, first + rows), 0, mode="wrap"))

    return ready


def take_turns(
    predictors: Sequence[Callable[[], Callable[[], object]]],
    *,
    turns: int,
    repeat: int,
    seconds: float,
    seed: int,
) -> list[Nanoseconds]:
    """Time each predictor `repeat` times in each turn, in a new random order per turn.

    Args:
        predictors: What makes each one's next prediction ready, which takes no time that counts.
        turns: Most turns to take.
        repeat: Most predictions of one model in a turn; fewer where the time would not do.
        seconds: After so long no further turn begins, once 10 are taken.
        seed: Of the order.

    Returns:
        Per predictor how long each prediction took, shape (turns, predictions of a turn).
    """
    random = Random(seed)  # noqa: S311 an order of timing, no secret
    warm = [_timed(predict, WARM_UP)[-1] for predict in predictors]
    repeat = max(1, min(repeat, int(1e9 * seconds / (turns * max(sum(warm), 1)))))
    times: list[list[list[int]]] = [[] for _ in predictors]
    order = list(range(len(predictors)))
    begun = perf_counter_ns()
    for turn in range(turns):
        if turn >= FEWEST and perf_counter_ns() - begun > 1e9 * seconds:
            break
        random.shuffle(order)
        for i in order:
            times[i].append(_timed(predictors[i], repeat))
    return [np.array(of_one, dtype=np.int64) for of_one in times]


def _timed(ready: Callable[[], Callable[[], object]], times: int) -> list[int]:
    taken = []
    for _ in range(times):
        predict = ready()
        start = perf_counter_ns()
        predict()
        taken.append(perf_counter_ns() - start)
    return taken


def log_ratios(first: Nanoseconds, second: Nanoseconds) -> tuple[float, ...]:
    """Logarithm of second / first per turn, from the time of a whole turn."""
    # Five decimals: far below what a clock resolves, and a third of the archive's size.
    values = np.log(second.sum(axis=1) / np.maximum(first.sum(axis=1), 1))
    return tuple(round(float(value), 5) for value in values)


def quantiles(times: Nanoseconds) -> list[str]:
    """Write the 50th, 95th and 99th percentile of single predictions, each with 95 % limits.

    Predictions of one turn follow each other and are alike, so a whole turn counts as one when
    the ranks of the limits are chosen: the widest limits such likeness could ask for.

    Args:
        times: Shape (turns, predictions of a turn).
    """
    turns, repeat = times.shape
    ordered = np.sort(times, axis=None)
    found = []
    for quantile in QUANTILES:
        low, high = quantile_ranks(turns, quantile)
        middle = ordered[min(int(quantile * len(ordered)), len(ordered) - 1)]
        ends = (
            "none" if low is None else duration(ordered[(low - 1) * repeat]),
            "none" if high is None else duration(ordered[high * repeat - 1]),
        )
        found.append(f"{duration(middle)} [{ends[0]}, {ends[1]}]")
    return found


def duration(nanoseconds: float) -> str:
    """Write a duration with three digits, in the unit that reads best."""
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds / 1e3:.3g} µs"
