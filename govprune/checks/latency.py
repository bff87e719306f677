"""How long predictions take, candidate against baseline, with the baseline against itself.

Once for one row, as an on-line service is asked, and once for many at a time. If the baseline
differs from itself, the clock of this machine decides nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
from pydantic import Field

from ..measurements import Basis, Exact, Figure, LogRatios, Measurement
from ..records import Record
from .base import Case, Check
from .timing import Nanoseconds, duration, log_ratios, quantiles, questions, take_turns, undisturbed


class LatencyParams(Record):
    """Parameters of the latency check."""

    pairs: int = Field(default=400, ge=20, le=100_000)
    """Most turns, each of which makes one pair."""
    batch: int = Field(default=256, ge=1)
    """Rows per prediction of batch serving; on-line serving has one."""
    repeat: int = Field(default=10, ge=1, le=10_000)
    """Most predictions of one model in a turn; each is timed alone."""
    seconds: float = Field(default=30, gt=0, le=3600)
    """Time for on-line serving, and again for batch serving, once ten turns are taken."""
    threads: int = Field(default=1, ge=1, le=1024)
    """Threads torch may use."""


@dataclass(frozen=True)
class Serving:
    """One way of being asked, and how long each prediction took: shape (turns, predictions)."""

    prefix: str
    batch: int
    asked: int
    """Rows a prediction should have had."""
    baseline: Nanoseconds
    candidate: Nanoseconds
    again: Nanoseconds


def measure(case: Case, params: LatencyParams) -> Iterator[Measurement | Figure]:
    """Time baseline, candidate and baseline again, interleaved: one row, then many."""
    with undisturbed(params.threads):
        online = _serve(case, params, prefix="", rows=1)
        batched = _serve(case, params, prefix="batch-", rows=params.batch)
    claim = case.step.claim
    yield from _compared(case, params, online)
    yield _claim(case, online, claim.speed_up, "speed-up", "times faster")
    yield from _compared(case, params, batched)
    yield _claim(case, batched, claim.throughput, "throughput", "times the rows per second")
    yield Figure(
        check="latency",
        title="Time per prediction (95 % limits by order statistics)",
        columns=("", "half within", "95 % within", "99 % within", "rows per second"),
        rows=tuple(row for serving in (online, batched) for row in _rows(serving)),
    )


def _serve(case: Case, params: LatencyParams, *, prefix: str, rows: int) -> Serving:
    given = min(rows, len(case.data.features))
    models = (case.baseline, case.candidate, case.baseline)
    baseline, candidate, again = take_turns(
        [questions(model, case.data.features, given) for model in models],
        turns=params.pairs, repeat=params.repeat, seconds=params.seconds, seed=case.seed,
    )  # fmt: skip
    return Serving(
        prefix=prefix, batch=given, asked=rows,
        baseline=baseline, candidate=candidate, again=again,
    )  # fmt: skip


def _compared(case: Case, params: LatencyParams, serving: Serving) -> Iterator[Measurement]:
    threads = "one thread" if params.threads == 1 else f"{params.threads} threads"
    notes = [
        f"median {duration(float(np.median(serving.baseline)))} → "
        f"{duration(float(np.median(serving.candidate)))} at batch {serving.batch}, {threads}"
    ]
    if serving.batch < serving.asked:
        notes.append(f"the data has {serving.batch} rows, fewer than the {serving.asked} asked for")
    for metric, second in (("latency-ratio", serving.candidate), ("control-ratio", serving.again)):
        yield Measurement(
            check="latency",
            metric=serving.prefix + metric,
            basis=LogRatios(values=log_ratios(serving.baseline, second), seed=case.seed),
            notes=tuple(notes) if second is serving.candidate else (),
        )


def _claim(
    case: Case, serving: Serving, claimed: float | None, what: str, times: str
) -> Measurement:
    basis: Basis
    if claimed is None:
        basis, note = Exact(value=1.0), f"the step claims no {what}"
    else:
        faster = log_ratios(serving.candidate, serving.baseline)
        values = tuple(round(value - log(claimed), 5) for value in faster)
        basis, note = LogRatios(values=values, seed=case.seed), f"claimed: {claimed:g} {times}"
    metric = f"{serving.prefix}speed-up-kept"
    return Measurement(check="latency", metric=metric, basis=basis, notes=(note,))


def _rows(serving: Serving) -> Iterator[tuple[str, ...]]:
    for name, times in (
        ("baseline", serving.baseline),
        ("candidate", serving.candidate),
        ("baseline again", serving.again),
    ):
        per_second = 1e9 * serving.batch / max(float(times.mean()), 1.0)
        yield (f"batch {serving.batch}, {name}", *quantiles(times), f"{per_second:,.0f}")


LATENCY = Check(id="latency", params=LatencyParams, measure=measure)
