"""Whether the attack can be believed.

A model whose gradients are masked looks robust to a gradient attack and is not (Athalye, Carlini
& Wagner 2018). Four symptoms are measured; a policy lets robustness rest on all of them.
"""

from collections.abc import Iterator

import numpy as np
from pydantic import Field, FiniteFloat

from ..attacks.art import Box
from ..attacks.evasion import Budget, attack_pair, pgd, right, usable_gradients
from ..measurements import Measurement, Share
from ..records import Record
from .base import Case, Check, paired


class GradientSanityParams(Record):
    """Parameters of the gradient sanity check."""

    rows: int = Field(default=1000, ge=50)
    eps: FiniteFloat = Field(default=0.5, gt=0)
    """Budget of the comparison with noise and transfer, in standard deviations, all features."""
    large_eps: FiniteFloat = Field(default=5.0, gt=0)
    """A budget at which any model must break."""
    steps: int = Field(default=20, ge=1, le=1000)


def measure(case: Case, params: GradientSanityParams) -> Iterator[Measurement]:
    """Attack without constraints, where an attack that works must work."""
    picked = case.sample(params.rows)
    rows, labels = case.data.features[picked], case.data.labels[picked]
    box = Box.of(case.data.features)
    # Real-valued and unconstrained: this is about the gradients, not about people.
    free = Box(box.low, box.scale, box.high, np.zeros_like(box.integer))
    everything = tuple(range(rows.shape[1]))
    models = case.modules
    usable = [usable_gradients(m, free, rows, labels) for m in models]
    yield Measurement(
        check="gradient-sanity",
        metric="gradient-coverage",
        basis=Share(hits=int((usable[0] & usable[1]).sum()), trials=len(rows)),
        notes=(
            f"baseline {100 * usable[0].mean():.1f} %, candidate {100 * usable[1].mean():.1f} %",
        ),
    )
    budget = Budget(params.eps, params.steps, 1, everything)
    _, after = attack_pair(models, free, rows, labels, budget, case.seed)
    yield Measurement(
        check="gradient-sanity",
        metric="white-box-advantage",
        basis=paired(after.clean & ~after.noisy, after.clean & ~after.own),
        notes=("rows the candidate loses to noise, against rows it loses to its own attack",),
    )
    yield Measurement(
        check="gradient-sanity",
        metric="black-box-excess",
        basis=paired(after.clean & ~after.own, after.clean & ~after.transferred),
        notes=("rows the candidate loses to its own attack, against the baseline's attack",),
    )
    large = Budget(params.large_eps, params.steps, 1, everything)
    broken = [right(m, pgd(m, free, rows, labels, large, case.seed), labels) for m in models]
    worst = broken[0] | broken[1]
    yield Measurement(
        check="gradient-sanity",
        metric="accuracy-at-large-budget",
        basis=Share(hits=int(worst.sum()), trials=len(rows)),
        notes=(
            f"baseline {100 * broken[0].mean():.1f} %, candidate {100 * broken[1].mean():.1f} % "
            f"right at {params.large_eps:g} standard deviations; counted: either right",
        ),
    )


GRADIENT_SANITY = Check(id="gradient-sanity", params=GradientSanityParams, measure=measure)
