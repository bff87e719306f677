"""Whether the attack can be believed.

A model whose gradients are masked looks robust to a gradient attack and is not (Athalye, Carlini
& Wagner 2018). Four symptoms are measured, each on the model that shows it more; a policy lets
robustness rest on all of them. Where a model has no gradient of its own, they are asked of the
attack that is made in its stead.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from pydantic import Field, FiniteFloat

from ..attacks.art import Box
from ..attacks.budget import Budget
from ..attacks.evasion import Robustness, attack_pair
from ..attacks.gradients import Offer, covered, offers
from ..measurements import Measurement, Paired, Share
from ..records import Record
from ..stats import estimate
from .base import Case, Check, paired
from .evasion import ROLES, went_by


class GradientSanityParams(Record):
    """Parameters of the gradient sanity check."""

    rows: int = Field(default=1000, ge=50)
    eps: FiniteFloat = Field(default=0.5, gt=0)
    """Budget of the comparison with noise and transfer, in standard deviations, all features."""
    large_eps: FiniteFloat = Field(default=5.0, gt=0)
    """A budget at which any model must break."""
    steps: int = Field(default=20, ge=1, le=1000)
    queries: int = Field(default=200, ge=1, le=100_000)
    """Of the query attack, per row and model."""


def measure(case: Case, params: GradientSanityParams) -> Iterator[Measurement]:
    """Attack without constraints, where an attack that works must work."""
    picked = case.sample(params.rows)
    rows, labels = case.data.features[picked], case.data.labels[picked]
    box = Box.of(case.data.features)
    # Real-valued and unconstrained: this is about the gradients, not about people.
    free = Box(box.low, box.scale, box.high, np.zeros_like(box.integer))
    everything = tuple(range(rows.shape[1]))
    models = (case.baseline, case.candidate)
    budget = Budget(params.eps, params.steps, 1, everything, queries=params.queries)
    large = Budget(params.large_eps, params.steps, 1, everything, queries=params.queries)
    offered = offers(models, free, rows, labels, budget)
    usable = covered(models, offered, rows)
    yield Measurement(
        check="gradient-sanity",
        metric="gradient-coverage",
        basis=Share(hits=int((usable[0] & usable[1]).sum()), trials=len(rows)),
        notes=(
            f"baseline {100 * usable[0].mean():.1f} %, candidate {100 * usable[1].mean():.1f} %",
            *went_by(offered),
        ),
    )
    pair = attack_pair(models, offered, free, rows, labels, budget, case.seed)
    yield _advantage(pair)
    yield _excess(pair, offered)
    broken = [r.robust for r in attack_pair(models, offered, free, rows, labels, large, case.seed)]
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


def _advantage(pair: tuple[Robustness, Robustness]) -> Measurement:
    """Own attack against noise, for the model on which it does less."""
    bases = [paired(r.clean & ~r.noisy, r.clean & ~r.own) for r in pair]
    worse = int(estimate(bases[1]) <= estimate(bases[0]))
    return Measurement(
        check="gradient-sanity",
        metric="white-box-advantage",
        basis=bases[worse],
        notes=(f"rows the {ROLES[worse]} loses to noise, against rows it loses to its own attack",),
    )


def _excess(pair: tuple[Robustness, Robustness], offered: tuple[Offer, Offer]) -> Measurement:
    """Other attacks against a model's own, for the model where they exceed it most.

    Where one model can be differentiated and the other cannot, the other meets attacks that might
    be weaker. What they miss is measured on the model that can be differentiated.
    """
    compared: list[tuple[Paired, str]] = []
    for role, r in zip(ROLES, pair, strict=True):
        said = f"rows the {role} loses to its own attack, against those it loses to query attack"
        compared.append((_lost(r, r.own, r.others), f"{said} and transfer"))
    if offered[0].differentiable != offered[1].differentiable:
        with_gradient = 0 if offered[0].differentiable else 1
        r = pair[with_gradient]
        met = r.numeric & r.others if offered[1 - with_gradient].leads else r.others
        said = f"rows the {ROLES[with_gradient]} loses to attacks such as the other model met"
        compared.append((_lost(r, met, r.native), f"{said}, against its gradient"))
    # Of equals the last: the candidate before the baseline.
    basis, note = max(reversed(compared), key=lambda found: estimate(found[0]))
    return Measurement(
        check="gradient-sanity", metric="black-box-excess", basis=basis, notes=(note,)
    )


def _lost(r: Robustness, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> Paired:
    return paired(r.clean & ~first, r.clean & ~second)


GRADIENT_SANITY = Check(id="gradient-sanity", params=GradientSanityParams, measure=measure)
