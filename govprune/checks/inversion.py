"""How much easier the candidate makes it to reconstruct what a class looks like.

Both models and untrained controls are inverted from the same starts; an independent judge says
which reconstructions it recognises. Where the attack does no better on the baseline than on a
model that knows nothing, the change between the models means nothing either.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import Field, FiniteFloat

from ..attacks.art import Box
from ..attacks.inversion import Judge, reconstruct, starts
from ..measurements import Figure, Measurement
from ..records import Record
from .base import Case, Check, paired

if TYPE_CHECKING:
    import torch


CONTROLS = 10
"""Untrained networks that share the control's starts: one alone leans to some class by luck."""


class InversionParams(Record):
    """Parameters of the inversion check."""

    starts: int = Field(default=60, ge=10, le=10_000)
    """Reconstructions per class."""
    steps: int = Field(default=100, ge=1, le=10_000)
    rate: FiniteFloat = Field(default=0.5, gt=0)
    """Step, in standard deviations per unit of probability gradient."""


def measure(case: Case, params: InversionParams) -> Iterator[Measurement | Figure]:
    """Invert baseline, candidate and controls."""
    classes = len(case.data.classes)
    box = Box.of(case.data.features)
    targets = np.repeat(np.arange(classes), params.starts)
    begin = starts(case.data.features, len(targets), case.seed)
    judge = Judge(box, case.data.features, case.data.labels, seed=case.seed)

    def seen_of(module: "torch.nn.Module", picked: slice) -> npt.NDArray[np.bool_]:
        found = reconstruct(
            module, box, begin[picked], targets[picked],
            steps=params.steps, rate=params.rate, seed=case.seed,
        )  # fmt: skip
        return judge.identifies(found, targets[picked])

    seen = {
        "baseline": seen_of(case.modules[0].module, slice(None)),
        "candidate": seen_of(case.modules[1].module, slice(None)),
        "untrained control": np.zeros(len(targets), dtype=bool),
    }
    for i in range(CONTROLS):
        picked = slice(i, None, CONTROLS)
        control = case.modules[0].untrained(seed=case.seed + i)
        seen["untrained control"][picked] = seen_of(control, picked)
    yield Measurement(
        check="inversion",
        metric="identification-change",
        basis=paired(seen["baseline"], seen["candidate"]),
        notes=(f"ART MIFace, {params.steps} steps from {len(targets)} starts",),
    )
    yield Measurement(
        check="inversion",
        metric="attack-works",
        basis=paired(seen["untrained control"], seen["baseline"]),
        notes=(f"{CONTROLS} untrained controls that share the starts, against the baseline",),
    )
    yield Figure(
        check="inversion",
        title="Reconstructions identified by an independent judge, %",
        columns=("class", "starts before the attack", *seen),
        rows=tuple(
            (
                name,
                f"{100 * judge.identifies(begin, targets)[targets == i].mean():.0f}",
                *(f"{100 * hits[targets == i].mean():.0f}" for hits in seen.values()),
            )
            for i, name in enumerate(case.data.classes[:20])
        ),
    )


INVERSION = Check(id="inversion", params=InversionParams, measure=measure)
