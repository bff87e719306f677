"""Right answers that became wrong, and wrong ones that became right, per slice.

Two models with equal accuracy can disagree about a tenth of the people.
"""

from collections.abc import Iterator

import numpy as np

from ..measurements import Measurement, Share
from .base import Case, Check, NoParams


def measure(case: Case, params: NoParams) -> Iterator[Measurement]:
    """Count harm flips and gains per slice."""
    for name, table in case.tables.items():
        n = int(table.sum())
        labels = np.arange(len(table))
        baseline_right = int(table[labels, labels, :].sum())
        candidate_right = int(table[labels, :, labels].sum())
        both_right = int(table[labels, labels, labels].sum())
        disagree = int(sum(t.sum() - np.trace(t) for t in table))
        harm, gain = baseline_right - both_right, candidate_right - both_right
        note = f"{disagree - harm - gain} rows went from one wrong class to another"
        yield Measurement(
            check="flips",
            metric="harm-flip-rate",
            slice=name,
            basis=Share(hits=harm, trials=n),
            notes=(note,) if len(table) > 2 else (),
        )
        yield Measurement(
            check="flips", metric="gain-flip-rate", slice=name, basis=Share(hits=gain, trials=n)
        )


FLIPS = Check(id="flips", params=NoParams, measure=measure)
