"""How much easier the candidate makes it to reconstruct what a class looks like.

Both models and untrained controls are inverted from the same starts; an independent judge says
which reconstructions it recognises. Where the attack does no better on the baseline than on a
model that knows nothing, the change between the models means nothing either. Where one model has
no gradient, both are climbed by differences of their scores, so that neither has it easier.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import Field, FiniteFloat

from ..attacks.art import Box
from ..attacks.gradients import FARTHEST, WIDEST, differences, own_gradient
from ..attacks.inversion import Judge, reconstruct, starts, untrained
from ..errors import CheckError
from ..measurements import Figure, Measurement
from ..models import TorchModel
from ..records import Record
from .base import Case, Check, paired

if TYPE_CHECKING:
    import torch


CONTROLS = 10
"""Untrained networks that share the control's starts: one alone leans to some class by luck."""

ROWS = 1000
"""Rows on which it is seen whether a model has a gradient of its own."""
CLIMBED = {
    True: "each model is climbed by its own gradient",
    False: "both models are climbed by differences of their scores, as one has no gradient to use; "
    "the controls are small networks",
}


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

    modules, own = _climbed(case, box)

    def control(seed: int) -> "torch.nn.Module":
        if own and isinstance(case.baseline, TorchModel):
            return case.baseline.untrained(seed=seed)
        return untrained(box, classes=classes, seed=seed)

    seen = {
        "baseline": seen_of(modules[0], slice(None)),
        "candidate": seen_of(modules[1], slice(None)),
        "untrained control": np.zeros(len(targets), dtype=bool),
    }
    for i in range(CONTROLS):
        picked = slice(i, None, CONTROLS)
        seen["untrained control"][picked] = seen_of(control(case.seed + i), picked)
    yield Measurement(
        check="inversion",
        metric="identification-change",
        basis=paired(seen["baseline"], seen["candidate"]),
        notes=(f"ART MIFace, {params.steps} steps from {len(targets)} starts", CLIMBED[own]),
    )
    yield Measurement(
        check="inversion",
        metric="attack-works",
        basis=paired(seen["untrained control"], seen["baseline"]),
        notes=(f"{CONTROLS} untrained controls that share the starts, against the baseline",),
    )
    begun = judge.identifies(begin, targets)
    yield Figure(
        check="inversion",
        title="Reconstructions identified by an independent judge, %",
        columns=("class", "starts before the attack", *seen),
        rows=tuple(
            (
                name,
                f"{100 * begun[targets == i].mean():.0f}",
                *(f"{100 * hits[targets == i].mean():.0f}" for hits in seen.values()),
            )
            for i, name in enumerate(case.data.classes[:20])
        ),
    )


def _climbed(case: Case, box: Box) -> "tuple[tuple[torch.nn.Module, torch.nn.Module], bool]":
    """What is differentiated in each model's place, and whether that is the models themselves."""
    models = (case.baseline, case.candidate)
    picked = case.sample(ROWS)
    found = [own_gradient(m, box, case.data.features[picked], case.data.labels[picked])
             for m in models]  # fmt: skip
    if found[0] is not None and found[1] is not None:
        return (found[0].module, found[1].module), True
    everything = tuple(range(len(case.data.names)))
    if len(everything) > WIDEST:
        lacks = models[0] if found[0] is None else models[1]
        raise CheckError(
            f"the {lacks.role} has no gradient to use, and {len(everything)} features are more "
            f"than the {WIDEST} that differences of scores are taken of: gate a torch module"
        )
    first, second = (differences(m, box, everything, FARTHEST, unit=1.0) for m in models)
    return (first, second), False


INVERSION = Check(id="inversion", params=InversionParams, measure=measure)
