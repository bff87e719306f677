"""Error and bias of predicted numbers, per slice.

Errors are given in usual errors: the baseline's median absolute error over all rows, so that one
bound serves every target, and no outlier of the baseline's can hide everybody else: 0.05 is five
per cent of what the baseline is usually off by.
"""

from collections.abc import Iterator

import numpy as np

from ..errors import CheckError
from ..measurements import Figure, Measurement, Share
from .base import Case, Check, NoParams, moments


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Compare absolute error and bias in each slice."""
    truth = case.data.labels
    off = [np.asarray(scores.said - truth) for scores in case.both_scores]
    scale = float(np.median(np.abs(off[0])))
    if scale == 0.0:
        raise CheckError(
            "the baseline is not off on half of the rows: is the label among its inputs, or were "
            "its predictions made from the label?"
        )
    before, after = off[0] / scale, off[1] / scale
    # An unseen row could be off by as much as the target ranges.
    span = float(truth.max() - truth.min()) / scale
    shown = []
    for name, inside in case.slices():
        one, two = before[inside], after[inside]
        yield Measurement(
            check="regression-error",
            metric="absolute-error-change",
            slice=name,
            basis=moments(np.abs(one), np.abs(two), span=span),
        )
        yield Measurement(
            check="regression-error",
            metric="bias-change",
            slice=name,
            basis=moments(one, two, span=2.0 * span),
        )
        doubled = (np.abs(two) > 2.0 * np.abs(one)) & (np.abs(two) > 1.0)
        yield Measurement(
            check="regression-error",
            metric="excess-error-rows",
            slice=name,
            basis=Share(hits=int(doubled.sum()), trials=len(one)),
            notes=("twice the baseline's error, and more than its usual one",),
        )
        shown.append((name, one * scale, two * scale))
    yield Figure(
        check="regression-error",
        title="Error in the target's own units, baseline → candidate",
        columns=("slice", "rows", "mean absolute error", "bias", "root mean square error"),
        rows=tuple(
            (
                name,
                f"{len(one):,}",
                _arrow(np.abs(one).mean(), np.abs(two).mean()),
                _arrow(one.mean(), two.mean()),
                _arrow(np.sqrt((one**2).mean()), np.sqrt((two**2).mean())),
            )
            for name, one, two in shown
        ),
    )


def _arrow(before: float, after: float) -> str:
    return f"{before:.4g} → {after:.4g}"


REGRESSION_ERROR = Check(id="regression-error", params=NoParams, measure=measure)
