"""How much easier the candidate makes it to reconstruct what a class looks like.

Both models and an untrained control are inverted from the same starts; an independent judge says
which reconstructions it recognises. Where the attack does no better on the baseline than on a
model that knows nothing, the change between the models means nothing either.
"""

from collections.abc import Iterator

import numpy as np
from pydantic import Field, FiniteFloat

from ..attacks.art import Box
from ..attacks.inversion import Judge, reconstruct, starts
from ..measurements import Figure, Measurement
from ..records import Record
from .base import Case, Check, paired


class InversionParams(Record):
    """Parameters of the inversion check."""

    starts: int = Field(default=60, ge=10, le=10_000)
    """Reconstructions per class."""
    steps: int = Field(default=100, ge=1, le=10_000)
    rate: FiniteFloat = Field(default=0.5, gt=0)
    """Step, in standard deviations per unit of probability gradient."""


def measure(case: Case, params: InversionParams) -> Iterator[Measurement | Figure]:
    """Invert baseline, candidate and control."""
    classes = len(case.data.classes)
    box = Box.of(case.data.features)
    targets = np.repeat(np.arange(classes), params.starts)
    begin = starts(case.data.features, len(targets), case.seed)
    judge = Judge(box, case.data.features, case.data.labels, seed=case.seed)
    modules = {
        "baseline": case.baseline.module,
        "candidate": case.candidate.module,
        "untrained control": case.baseline.untrained(seed=case.seed),
    }
    seen = {
        name: judge.identifies(
            reconstruct(
                module, box, begin, targets,
                steps=params.steps, rate=params.rate, seed=case.seed,
            ),
            targets,
        )
        for name, module in modules.items()
    }  # fmt: skip
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
        notes=("untrained control, against the baseline",),
    )
    yield Figure(
        check="inversion",
        title="Reconstructions identified by an independent judge, %",
        columns=("class", "starts before the attack", *modules),
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
