"""Slices that need no attribute: rows by how sure the baseline was of them.

Compression changes the answers the baseline was least sure of first. The cut follows from the
baseline alone, so it is as fixed before the candidate is looked at as a column of the data is.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..errors import PolicyError
from ..policy.rules import SlicePolicy
from ..subjects import CONFIDENCE
from .columns import Coded
from .evaluation import EvaluationData
from .labels import Labels
from .profile import slice_profiles
from .scores import Scores
from .slices import axis_of


def with_confidence(data: EvaluationData, baseline: Scores, policy: SlicePolicy) -> EvaluationData:
    """Add the slices that the policy asks for by quantiles of the baseline's confidence.

    Raises:
        PolicyError: The policy asks for them, and only answers were given.
    """
    if not policy.confidence or data.profile.task != "classification":
        return data
    if baseline.logits is None:
        raise PolicyError(
            "the policy slices by the baseline's confidence (slices.confidence), and only answers "
            "were given: give probabilities, or a policy with slices.confidence: 0"
        )
    if any(axis.attributes == (CONFIDENCE,) for axis in data.axes):
        raise PolicyError(
            f"the policy slices by the baseline's confidence (slices.confidence), and the data has "
            f"a slice column '{CONFIDENCE}' too: rename the column, or set slices.confidence: 0"
        )
    sure = baseline.probabilities.max(axis=1)
    edges = np.unique(np.quantile(sure, np.linspace(0, 1, policy.confidence + 1)[1:-1]))
    # Right of an edge: where many rows share the highest value, they stay together.
    bands = np.searchsorted(edges, sure, side="right").astype(np.uint8)
    present = np.unique(bands)
    names = _names(edges)
    coded = Coded(tuple(names[b] for b in present), np.searchsorted(present, bands))
    axis, note = axis_of({CONFIDENCE: coded}, policy.disclosure_floor)
    if len(axis.levels) < 2:
        return data  # one confidence for every row cuts nothing
    labels = Labels(data.labels, data.classes, data.profile.positive)
    profile = data.profile.model_copy(
        update={
            "slices": (*data.profile.slices, *slice_profiles(labels, axis, data.clusters)),
            "merged": (*data.profile.merged, *([note] if note else [])),
        }
    )
    return replace(data, axes=(*data.axes, axis), profile=profile)


def _names(edges: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[str]:
    """Name each band, with as many digits as it takes that no two read alike."""
    ends: list[str] = []
    for digits in range(4, 18):  # seventeen tell any two floats apart
        ends = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(ends)) == len(ends):
            break
    if not ends:
        return ["any"]
    return [f"under {ends[0]}", *(f"{a} to {b}" for a, b in pairwise(ends)), f"{ends[-1]} and over"]
