"""Accuracy and recall lost in each slice of the data.

A model can keep its overall accuracy and lose a minority; this check counts, slice by slice, the
rows that only one of the two models gets right.
"""

from collections.abc import Iterator

import numpy as np

from ..measurements import Measurement, Paired
from .base import Case, Check, Codes, NoParams


def measure(case: Case, params: NoParams) -> Iterator[Measurement]:
    """Count right answers per slice, and per slice and class."""
    for name, table in case.tables.items():
        per_class = [_right(table, label) for label in range(len(table))]
        total = np.sum(per_class, axis=0)
        yield Measurement(
            check="slice-performance", metric="accuracy-change", slice=name, basis=_basis(total)
        )
        for label, counts in enumerate(per_class):
            yield Measurement(
                check="slice-performance",
                metric="recall-change",
                slice=name,
                label=case.data.classes[label],
                basis=_basis(counts),
            )


def _right(table: Codes, label: int) -> Codes:
    """Both right, only the baseline, only the candidate, neither: rows of one class."""
    rows = table[label]
    both = rows[label, label]
    baseline, candidate = rows[label].sum(), rows[:, label].sum()
    return np.array(
        [both, baseline - both, candidate - both, rows.sum() - baseline - candidate + both]
    )


def _basis(counts: Codes) -> Paired:
    both, baseline_only, candidate_only, neither = (int(c) for c in counts)
    return Paired(
        both=both, baseline_only=baseline_only, candidate_only=candidate_only, neither=neither
    )


SLICE_PERFORMANCE = Check(id="slice-performance", params=NoParams, measure=measure)
