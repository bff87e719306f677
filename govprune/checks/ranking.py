"""Whether the candidate still ranks rows as well, per slice, whatever the threshold.

Area under the ROC curve of both models on the same rows, compared as DeLong, DeLong and
Clarke-Pearson (1988) do.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..errors import CheckError
from ..measurements import Basis, Measurement, Normal, Undefined
from ..stats.auc import paired_auc
from .base import Case, Check, NoParams

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def measure(case: Case, params: NoParams) -> Iterator[Measurement]:
    """Compare the areas in each slice."""
    before, after = (scores.ranks for scores in case.both_scores)
    if before is None or after is None:
        raise CheckError(
            "nothing ranks the rows: give the score of the positive class as predictions "
            "(with a threshold, or task: ranking), or a model of two classes"
        )
    positive = case.data.labels == 1
    for name, inside in case.slices():
        parts = {"auc-change": (inside & positive, inside & ~positive)}
        if name != "all":
            # Within a slice nothing shows that the whole slice has sunk.
            parts["positives-auc-change"] = (inside & positive, ~positive)
            parts["negatives-auc-change"] = (positive, inside & ~positive)
        for metric, (yes, no) in parts.items():
            yield Measurement(
                check="ranking",
                metric=metric,
                slice=name,
                basis=_areas(before, after, yes, no, name),
            )


def _areas(before: Floats, after: Floats, yes: Bools, no: Bools, name: str) -> Basis:
    if yes.sum() < 2 or no.sum() < 2:
        return Undefined(reason=f"{name} has fewer than two rows of one of the classes")
    area = paired_auc((before[yes], after[yes]), (before[no], after[no]))
    return Normal(
        baseline=area.first,
        candidate=area.second,
        standard_error=area.standard_error,
        n=area.n,
        fewer=area.fewer,
    )


RANKING = Check(id="ranking", params=NoParams, measure=measure)
