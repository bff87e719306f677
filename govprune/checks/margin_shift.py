"""How confidence moved, and where.

Compression bites first where the baseline was least sure: the rows with the smallest margin between
its two likeliest classes. The mean confidence and the divergence say how far the outputs moved; the
figure says who bore it. Neither says whether the move was for the worse.
"""

from collections.abc import Iterator
from math import log

import numpy as np
import numpy.typing as npt

from ..data import Scores
from ..measurements import Figure, Measurement
from .base import Case, Check, Codes, NoParams, moments

CLIP = 1e-12
"""Probabilities below are read as this inside the logarithms."""
PARTS = 10
FEWEST = 10
"""Rows in a part of the figure: a row about three people would be personal data."""

Floats = npt.NDArray[np.float64]


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Compare both models' confidence per slice, and their outputs over all rows."""
    before, after = (_confidence(scores) for scores in case.both_scores)
    for name, rows in case.slices():
        yield Measurement(
            check="margin-shift",
            metric="confidence-change",
            slice=name,
            basis=moments(before[rows], after[rows], span=1.0),
        )
    apart = divergence(*(scores.probabilities for scores in case.both_scores))
    yield Measurement(
        check="margin-shift",
        metric="divergence",
        basis=moments(np.zeros_like(apart), apart, span=-log(CLIP)),
        notes=(f"nats per row; probabilities below {CLIP:g} are read as {CLIP:g}",),
    )
    yield _by_margin(case)


def divergence(baseline: Floats, candidate: Floats) -> Floats:
    """Kullback-Leibler divergence of the candidate from the baseline.

    Args:
        baseline: Probabilities, shape (rows, classes).
        candidate: The same.

    Returns:
        Shape (rows,), nats, from 0 to -log(CLIP).
    """
    ratio = np.log(np.maximum(baseline, CLIP)) - np.log(np.maximum(candidate, CLIP))
    # Clipping can leave a hair below 0, and no divergence is negative.
    return np.asarray(np.maximum(np.einsum("ij,ij->i", baseline, ratio), 0.0))


def margins(probabilities: Floats) -> Floats:
    """Probability of the likeliest class minus that of the second, shape (rows,)."""
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0])


def _confidence(scores: Scores) -> Floats:
    said = scores.predictions
    return np.asarray(scores.probabilities[np.arange(len(said)), said])


def _by_margin(case: Case) -> Figure:
    margin = margins(case.baseline_scores.probabilities)
    parts = max(min(PARTS, len(margin) // FEWEST), 1)
    cut = np.array_split(np.argsort(margin, kind="stable"), parts)
    return Figure(
        check="margin-shift",
        title=f"By the baseline's margin, {parts} equal parts, least sure first",
        columns=("margin", "rows", "accuracy, %", "answers changed, %", "harm flips"),
        rows=tuple(_part(case, rows, margin[rows]) for rows in cut),
    )


def _part(case: Case, rows: Codes, margin: Floats) -> tuple[str, ...]:
    before, after, labels = (
        values[rows]
        for values in (
            case.baseline_scores.predictions,
            case.candidate_scores.predictions,
            case.data.labels,
        )
    )
    harmed = (before == labels) & (after != labels)
    return (
        f"{margin.min():.3f} to {margin.max():.3f}",
        f"{len(rows):,}",
        f"{100 * (before == labels).mean():.1f} → {100 * (after == labels).mean():.1f}",
        f"{100 * (before != after).mean():.1f}",
        f"{int(harmed.sum()):,}",
    )


MARGIN_SHIFT = Check(id="margin-shift", params=NoParams, measure=measure)
