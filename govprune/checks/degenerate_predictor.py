"""Candidates that stopped telling people apart.

A model that says one thing to everybody has perfect fairness gaps; this check notices it.
"""

from collections.abc import Iterator

import numpy as np

from ..measurements import Exact, Figure, Measurement
from .base import Case, Check, NoParams, paired

SATURATED = 1.0 - 1e-6


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Count predicted classes and different outputs."""
    classes = case.data.classes
    n = len(case.data.labels)
    before = np.bincount(case.baseline_scores.predictions, minlength=len(classes))
    after = np.bincount(case.candidate_scores.predictions, minlength=len(classes))
    lost = [classes[i] for i in np.flatnonzero((before > 0) & (after == 0))]
    yield Measurement(
        check="degenerate-predictor",
        metric="classes-lost",
        basis=Exact(value=len(lost), n=n),
        notes=tuple(f"never predicted any more: {name}" for name in lost[:10]),
    )
    predicted = np.flatnonzero(before > 0)
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
    distinct = len(np.unique(np.round(case.candidate_scores.probabilities, 6), axis=0))
    yield Measurement(
        check="degenerate-predictor", metric="distinct-outputs", basis=Exact(value=distinct, n=n)
    )
    yield Measurement(
        check="degenerate-predictor",
        metric="saturation-change",
        basis=paired(
            case.baseline_scores.probabilities.max(axis=1) > SATURATED,
            case.candidate_scores.probabilities.max(axis=1) > SATURATED,
        ),
    )
    yield Figure(
        check="degenerate-predictor",
        title="How often each class is predicted",
        columns=("class", "in the data", "baseline", "candidate"),
        rows=tuple(
            (name, f"{int((case.data.labels == i).sum()):,}", f"{before[i]:,}", f"{after[i]:,}")
            for i, name in enumerate(classes[:50])
        ),
    )


DEGENERATE_PREDICTOR = Check(id="degenerate-predictor", params=NoParams, measure=measure)
