"""Whether confidence still means what it says.

A compressed model can give the same answers and be surer of the wrong ones. Both models are scored
on the same rows by two proper scoring rules, row by row, so their difference has an interval. The
expected calibration error is shown beside them and judged by nobody: it is biased upwards in small
slices, where every bin is a guess, and the bias would be read as harm.
"""

from collections.abc import Iterator
from math import log

import numpy as np
import numpy.typing as npt

from ..data import Scores
from ..measurements import Figure, Measurement
from .base import Case, Check, Codes, NoParams, moments

CLIP = 1e-12
"""Probabilities below are read as this, so that one certain mistake costs no infinity."""
BINS = 15
"""Equal-width bins of confidence (Guo et al. 2017)."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Compare both models' losses per slice."""
    labels, both = case.data.labels, case.both_scores
    briers = [brier(scores.probabilities, labels) for scores in both]
    losses = [log_loss(scores.probabilities, labels) for scores in both]
    clipped = f"probabilities below {CLIP:g} are read as {CLIP:g}"
    for name, rows in case.slices():
        yield Measurement(
            check="calibration",
            metric="brier-change",
            slice=name,
            basis=moments(briers[0][rows], briers[1][rows], span=1.0),
        )
        yield Measurement(
            check="calibration",
            metric="negative-log-likelihood-change",
            slice=name,
            basis=moments(losses[0][rows], losses[1][rows], span=-log(CLIP)),
            notes=(clipped,),
        )
    yield _reliability(case)


def brier(probabilities: Floats, labels: Codes) -> Floats:
    """Half the squared distance between the probabilities and the truth (Brier 1950).

    Args:
        probabilities: Shape (rows, classes).
        labels: Shape (rows,): index of the true class.

    Returns:
        Shape (rows,), from 0 to 1. With two classes it is (p - y)^2.
    """
    true = probabilities[np.arange(len(labels)), labels]
    squares = np.einsum("ij,ij->i", probabilities, probabilities)
    return np.asarray(np.clip((squares - 2.0 * true + 1.0) / 2.0, 0.0, 1.0))


def log_loss(probabilities: Floats, labels: Codes) -> Floats:
    """Negative log-likelihood of the true class in nats, shape (rows,), at most -log(CLIP)."""
    true = probabilities[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.clip(true, CLIP, 1.0)))


def calibration_error(confidence: Floats, right: Bools) -> float:
    """Mean distance between confidence and accuracy over 15 bins, weighted by their rows.

    Guo, Pleiss, Sun & Weinberger (2017), "On calibration of modern neural networks", ICML.

    Args:
        confidence: Probability of the predicted class, shape (rows,).
        right: Whether the prediction was right, shape (rows,).
    """
    # Bins are open below and closed above: a confidence of exactly 1 is in the last.
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gap = np.bincount(bins, weights=confidence - right, minlength=BINS)
    return float(np.abs(gap).sum() / len(confidence))


def _reliability(case: Case) -> Figure:
    sides = [_sides(scores, case.data.labels) for scores in case.both_scores]
    rows = [
        (name, f"{int(chosen.sum()):,}", *(cell for side in sides for cell in _cells(side, chosen)))
        for name, chosen in case.slices()
    ]
    return Figure(
        check="calibration",
        title=(
            f"Reliability: mean confidence → accuracy, %, and expected calibration error (ECE, "
            f"{BINS} equal-width bins, points). Shown, not judged: ECE is biased upwards in small "
            "slices"
        ),
        columns=("slice", "rows", "baseline", "baseline ECE", "candidate", "candidate ECE"),
        rows=tuple(rows),
    )


def _sides(scores: Scores, labels: Codes) -> tuple[Floats, Bools]:
    said = scores.predictions
    return scores.probabilities[np.arange(len(said)), said], said == labels


def _cells(side: tuple[Floats, Bools], chosen: Bools) -> tuple[str, str]:
    confidence, right = side[0][chosen], side[1][chosen]
    return (
        f"{100 * confidence.mean():.1f} → {100 * right.mean():.1f}",
        f"{100 * calibration_error(confidence, right):.1f}",
    )


CALIBRATION = Check(id="calibration", params=NoParams, measure=measure)
