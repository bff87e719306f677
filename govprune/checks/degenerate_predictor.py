"""Candidates that stopped telling people apart.

A model that says one thing to everybody has perfect fairness gaps; this check notices it.
"""

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from ..measurements import Basis, Exact, Figure, Measurement, Undefined
from ..records import Record
from .base import Case, Check, paired

SATURATED = 1.0 - 1e-6
SHOWN = 50
"""Classes listed; of more, those that are predicted least often compared to before."""


class DegenerateParams(Record):
    """Parameters of the degenerate-predictor check."""

    fewest: int = Field(default=20, ge=1)
    """Predictions of the baseline below which a class is not asked after: among many classes, one
    that was predicted twice and now is not says nothing."""


def measure(case: Case, params: DegenerateParams) -> Iterator[Measurement | Figure]:
    """Count predicted classes and different outputs."""
    classes = case.data.classes
    n = len(case.data.labels)
    table = case.tables["all"]
    before, after = table.predicted()
    # With two classes each counts: a model that says one thing to everybody is none.
    fewest = params.fewest if len(classes) > 2 else 1
    asked = before >= min(fewest, int(before.max()))
    lost = [classes[i] for i in np.flatnonzero(asked & (after == 0))]
    yield Measurement(
        check="degenerate-predictor",
        metric="classes-lost",
        basis=Exact(value=len(lost), n=n),
        notes=tuple(f"never predicted any more: {name}" for name in lost[:10]),
    )
    predicted = np.flatnonzero(asked)
    kept = after[predicted] / before[predicted]
    rarest = int(np.argmin(kept))
    yield Measurement(
        check="degenerate-predictor",
        metric="rarest-class-kept",
        basis=Exact(value=float(kept[rarest]), n=n),
        notes=(
            f"class {classes[predicted[rarest]]}: predicted {before[predicted[rarest]]:,} times "
            f"by the baseline, {after[predicted[rarest]]:,} times by the candidate",
        ),
    )
    yield from _outputs(case, n)
    labelled, left = table.labelled(), after / np.maximum(before, 1)
    yield Figure(
        check="degenerate-predictor",
        title="How often each class is predicted",
        columns=("class", "in the data", "baseline", "candidate"),
        rows=tuple(
            (classes[i], f"{labelled[i]:,}", f"{before[i]:,}", f"{after[i]:,}")
            for i in (
                np.argsort(left, kind="stable")[:SHOWN] if len(left) > SHOWN else range(len(left))
            )
        ),
    )


def _outputs(case: Case, n: int) -> Iterator[Measurement]:
    """Count different outputs, and confidence that can grow no more."""
    scored = all(s.logits is not None for s in case.both_scores)
    said = case.candidate_scores.probabilities if scored else case.candidate_scores.said[:, None]
    distinct = len(np.unique(np.round(said, 6), axis=0))
    yield Measurement(
        check="degenerate-predictor", metric="distinct-outputs", basis=Exact(value=distinct, n=n)
    )
    if scored:
        saturated = [s.probabilities.max(axis=1) > SATURATED for s in case.both_scores]
        basis: Basis = paired(saturated[0], saturated[1])
    else:
        basis = Undefined(reason="only answers were given, no confidence")
    yield Measurement(check="degenerate-predictor", metric="saturation-change", basis=basis)


DEGENERATE_PREDICTOR = Check(id="degenerate-predictor", params=DegenerateParams, measure=measure)
