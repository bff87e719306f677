"""Area under the ROC curve of two scores on the same cases, with DeLong's standard error.

DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44, 837-845; placements by ranks (Sun & Xu 2014).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairedAuc:
    """Two AUCs on the same cases and the standard error of their difference."""

    first: float
    second: float
    standard_error: float
    n: int
    fewer: int
    """Cases of the rarer class."""


def paired_auc(positives: tuple[Floats, Floats], negatives: tuple[Floats, Floats]) -> PairedAuc:
    """Compare two scores.

    Args:
        positives: First and second score of the positive cases, each of shape (m,).
        negatives: The same for the negative cases, each of shape (k,).
    """
    on_positives, on_negatives, areas = [], [], []
    for p, q in zip(positives, negatives, strict=True):
        a, b = _placements(p, q)
        on_positives.append(a)
        on_negatives.append(b)
        areas.append(float(a.mean()))
    m, k = len(positives[0]), len(negatives[0])
    gap = np.array([-1.0, 1.0])
    variance = (
        gap @ np.cov(np.stack(on_positives)) @ gap / m
        + gap @ np.cov(np.stack(on_negatives)) @ gap / k
    )
    return PairedAuc(areas[0], areas[1], float(np.sqrt(max(variance, 0.0))), m + k, min(m, k))


def _placements(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """Share of negatives below each positive, and of positives above each negative; ties half."""
    from scipy.stats import rankdata

    m, k = len(positives), len(negatives)
    ranks = rankdata(np.concatenate([positives, negatives]))
    below = (ranks[:m] - rankdata(positives)) / k
    above = 1.0 - (ranks[m:] - rankdata(negatives)) / m
    return below, above
