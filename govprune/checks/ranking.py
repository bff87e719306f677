"""Whether the candidate still ranks rows as well, per slice, whatever the threshold.

Area under the ROC curve of both models on the same rows, compared as DeLong, DeLong and
Clarke-Pearson (1988) do.
"""

from collections.abc import Iterator

from ..errors import CheckError
from ..measurements import Basis, Measurement, Normal, Undefined
from ..stats.auc import paired_auc
from .base import Case, Check, NoParams


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
        yes, no = inside & positive, inside & ~positive
        basis: Basis
        if yes.sum() < 2 or no.sum() < 2:
            basis = Undefined(reason=f"{name} has fewer than two rows of one of the classes")
        else:
            area = paired_auc((before[yes], after[yes]), (before[no], after[no]))
            basis = Normal(
                baseline=area.first,
                candidate=area.second,
                standard_error=area.standard_error,
                n=area.n,
                fewer=area.fewer,
            )
        yield Measurement(check="ranking", metric="auc-change", slice=name, basis=basis)


RANKING = Check(id="ranking", params=NoParams, measure=measure)
