"""Accuracy under attack, both models at the same budget.

A row counts as robust only if none of these changes its answer: the attack by the model's own
gradient, or by differences of its scores where it has none; the query attack, which needs no
gradient; the attacks made for the other model; random noise.
"""

from collections.abc import Iterator

import numpy as np
from pydantic import Field, FiniteFloat

from ..attacks.art import Box
from ..attacks.budget import Budget, reach
from ..attacks.evasion import Robustness, attack_pair
from ..attacks.gradients import Offer, offers
from ..errors import CheckError
from ..measurements import Figure, Measurement
from ..records import Record
from .base import Case, Check, paired

ROLES = ("baseline", "candidate")


class EvasionParams(Record):
    """Parameters of the evasion check."""

    eps: FiniteFloat = Field(default=0.1, gt=0)
    """Largest change per feature, in standard deviations of that feature."""
    steps: int = Field(default=20, ge=1, le=1000)
    restarts: int = Field(default=2, ge=1, le=50)
    queries: int = Field(default=200, ge=1, le=100_000)
    """Of the query attack, per row and model."""
    rows: int = Field(default=4000, ge=50)
    """Evaluation rows attacked, drawn once."""


def measure(case: Case, params: EvasionParams) -> Iterator[Measurement | Figure]:
    """Attack a sample of the evaluation rows."""
    models = (case.baseline, case.candidate)
    picked = case.sample(params.rows)
    rows, labels = case.data.features[picked], case.data.labels[picked]
    budget = Budget(
        params.eps, params.steps, params.restarts, case.data.mutable, queries=params.queries
    )
    box = Box.of(case.data.features)
    furthest = reach(box, budget)
    moving = [f"{case.data.names[i]} ±{furthest[i]:.3g}" for i in np.flatnonzero(furthest)]
    if not moving:
        raise CheckError(
            f"an attacker with {params.eps:g} standard deviations can change no feature: name "
            "features under evaluation.mutable, or raise params.evasion.eps in the policy"
        )
    offered = offers(models, box, rows, labels, budget)
    before, after = attack_pair(models, offered, box, rows, labels, budget, case.seed)
    yield Measurement(
        check="evasion",
        metric="robust-accuracy-change",
        basis=paired(before.robust, after.robust),
        notes=(
            f"the attacker can change {len(moving)} of {len(furthest)} features, each by "
            f"{params.eps:g} standard deviations: {', '.join(moving[:8])}",
            f"ART PGD, {params.steps} steps, {params.restarts} restarts; transfer both ways; "
            f"query attack, {params.queries} queries; noise",
            "; ".join(went_by(offered)),
        ),
    )
    yield _figure(before, after, offered)


def went_by(offered: tuple[Offer, Offer]) -> Iterator[str]:
    """Say what the gradient attacks on each model went by."""
    for role, offer, other in zip(ROLES, offered, reversed(offered), strict=True):
        yield f"{role}: {offer.said(other, shares=True)}"


def _figure(before: Robustness, after: Robustness, offered: tuple[Offer, Offer]) -> Figure:
    """Accuracy of both models under each attack."""
    return Figure(
        check="evasion",
        title=f"Accuracy on {len(before.clean):,} rows, %",
        columns=("under", "baseline", "candidate"),
        rows=(
            *(
                (label, *(f"{100 * getattr(model, key).mean():.1f}" for model in (before, after)))
                for label, key in (
                    ("no attack", "clean"),
                    ("random noise", "noisy"),
                    ("its own attack (by gradient)", "own"),
                    ("the other model's attack (transfer)", "transferred"),
                    ("query attack (black box)", "queried"),
                    ("all of them: robust accuracy", "robust"),
                )
            ),
            ("its own attack goes by", offered[0].said(offered[1]), offered[1].said(offered[0])),
        ),
    )


EVASION = Check(id="evasion", params=EvasionParams, measure=measure)
