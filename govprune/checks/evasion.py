"""Accuracy under attack, both models at the same budget.

A row counts as robust only if neither the model's own white-box attack, nor the attack made for
the other model, nor random noise changes its answer.
"""

from collections.abc import Iterator

import numpy as np
from pydantic import Field, FiniteFloat

from ..attacks.art import Box
from ..attacks.evasion import Budget, attack_pair, reach
from ..errors import CheckError
from ..measurements import Figure, Measurement
from ..records import Record
from .base import Case, Check, paired


class EvasionParams(Record):
    """Parameters of the evasion check."""

    eps: FiniteFloat = Field(default=0.1, gt=0)
    """Largest change per feature, in standard deviations of that feature."""
    steps: int = Field(default=20, ge=1, le=1000)
    restarts: int = Field(default=2, ge=1, le=50)
    rows: int = Field(default=4000, ge=50)
    """Evaluation rows attacked, drawn once."""


def measure(case: Case, params: EvasionParams) -> Iterator[Measurement | Figure]:
    """Attack a sample of the evaluation rows."""
    picked = case.sample(params.rows)
    rows, labels = case.data.features[picked], case.data.labels[picked]
    budget = Budget(params.eps, params.steps, params.restarts, case.data.mutable)
    box = Box.of(case.data.features)
    furthest = reach(box, budget)
    moving = [f"{case.data.names[i]} ±{furthest[i]:.3g}" for i in np.flatnonzero(furthest)]
    if not moving:
        raise CheckError(
            f"an attacker with {params.eps:g} standard deviations can change no feature: name "
            "features under evaluation.mutable, or raise params.evasion.eps in the policy"
        )
    before, after = attack_pair(case.modules, box, rows, labels, budget, case.seed)
    yield Measurement(
        check="evasion",
        metric="robust-accuracy-change",
        basis=paired(before.robust, after.robust),
        notes=(
            f"the attacker can change {len(moving)} of {len(furthest)} features, each by "
            f"{params.eps:g} standard deviations: {', '.join(moving[:8])}",
            f"ART PGD, {params.steps} steps, {params.restarts} restarts; transfer both ways; noise",
        ),
    )
    yield Figure(
        check="evasion",
        title=f"Accuracy on {len(rows):,} rows, %",
        columns=("under", "baseline", "candidate"),
        rows=tuple(
            (
                label,
                f"{100 * getattr(before, key).mean():.1f}",
                f"{100 * getattr(after, key).mean():.1f}",
            )
            for label, key in (
                ("no attack", "clean"),
                ("random noise", "noisy"),
                ("its own attack (white box)", "own"),
                ("the other model's attack (transfer)", "transferred"),
                ("all of them: robust accuracy", "robust"),
            )
        ),
    )


EVASION = Check(id="evasion", params=EvasionParams, measure=measure)
