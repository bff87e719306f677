"""Whether a model answers the same row alike: asked again, alone, or among others.

A model that draws at random, that normalises over its batch, or that changes its mind after some
calls was not measured by one pass over the evaluation rows. Both models are asked: a baseline that
cannot repeat itself is no yardstick.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ..measurements import Figure, Measurement, Share
from ..models import Model, logits
from ..records import Record
from .base import Case, Check, Codes

Floats = npt.NDArray[np.float64]


class ParityParams(Record):
    """Parameters of the artefact-parity check."""

    rows: int = Field(default=2000, ge=50)
    """Rows asked again."""
    repeats: int = Field(default=3, ge=2, le=50)
    """How often all of them are asked."""
    alone: int = Field(default=1000, ge=50)
    """Rows asked one by one, and in batches."""
    batch: int = Field(default=32, ge=2)
    """Rows in a small batch."""


def measure(case: Case, params: ParityParams) -> Iterator[Measurement | Figure]:
    """Ask both models again, in the order and the company that changes nothing for a sound one."""
    picked = case.sample(params.rows)
    rows = case.data.features[picked]
    alone = np.arange(min(params.alone, len(rows)))
    repeated = np.ones(len(rows), dtype=bool)
    batched = np.ones(len(alone), dtype=bool)
    shown = []
    for model, scores in zip((case.baseline, case.candidate), case.both_scores, strict=True):
        first = scores.predictions[picked]
        runs = [_ask(model, rows) for _ in range(params.repeats)]
        same = np.all([_said(run) == first for run in runs], axis=0)
        one, small = (_in_batches(model, rows[alone], size) for size in (1, params.batch))
        alike = (_said(one) == first[alone]) & (_said(small) == first[alone])
        repeated &= same
        batched &= alike
        shown.append(
            (
                model.role,
                model.kind,
                f"{same.mean():.2%}",
                f"{max(float(np.abs(r - runs[0]).max()) for r in runs[1:]):.2g}",
                f"{alike.mean():.2%}",
                f"{float(np.abs(one - runs[0][alone]).max()):.2g}",
            )
        )
    yield _share("repeat-agreement", repeated, f"asked {1 + params.repeats} times")
    yield _share("batch-agreement", batched, f"in batches of 1, {params.batch} and {len(rows):,}")
    yield Figure(
        check="artefact-parity",
        title="Asked again, and in other company",
        columns=(
            "model", "form", "same answer again", "largest change of a score",
            "same answer alone", "largest change alone",
        ),
        rows=tuple(shown),
    )  # fmt: skip


def _share(metric: str, alike: npt.NDArray[np.bool_], note: str) -> Measurement:
    return Measurement(
        check="artefact-parity",
        metric=metric,
        basis=Share(hits=int(alike.sum()), trials=len(alike)),
        notes=(note,),
    )


def _ask(model: Model, rows: npt.NDArray[np.float32]) -> Floats:
    return logits(model.outputs(rows))


def _in_batches(model: Model, rows: npt.NDArray[np.float32], size: int) -> Floats:
    parts = [_ask(model, rows[i : i + size]) for i in range(0, len(rows), size)]
    return np.concatenate(parts)


def _said(scores: Floats) -> Codes:
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)


ARTEFACT_PARITY = Check(id="artefact-parity", params=ParityParams, measure=measure)
