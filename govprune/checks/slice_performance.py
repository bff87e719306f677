"""Accuracy and recall lost in each slice of the data.

A model can keep its overall accuracy and lose a minority; this check counts, slice by slice, the
rows that only one of the two models gets right, and sets each slice against the rest. Where a row
carries several labels, an answer is right when all of them are.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ..data import paired_of
from ..measurements import Basis, Excess, Measurement, Paired, Undefined
from .base import Case, Check, Codes, NoParams, paired

MAX_RECALLS = 20_000
"""Slices times classes beyond which recall is counted over all rows only."""

Rights = dict[str, tuple[Paired, dict[str, Paired], dict[str, Paired]]]
"""Per slice: right answers, and per class (or label) those among its rows and among the others."""


def measure(case: Case, params: NoParams) -> Iterator[Measurement]:
    """Count right answers per slice, and per slice and class."""
    rights = _multi_label(case) if case.data.profile.task == "multi-label" else _classes(case)
    whole = rights["all"][0]
    for name, (total, per_class, others) in rights.items():
        yield _measurement("accuracy-change", name, total)
        if name != "all":
            yield _measurement("excess-accuracy-change", name, against_rest(total, whole))
        for label, basis in per_class.items():
            yield _measurement("recall-change", name, basis, label)
        for label, basis in others.items():
            yield _measurement("specificity-change", name, basis, label)


def _measurement(metric: str, name: str, basis: Basis, label: str | None = None) -> Measurement:
    return Measurement(
        check="slice-performance", metric=metric, slice=name, label=label, basis=basis
    )


def against_rest(inside: Paired, whole: Paired) -> Excess | Undefined:
    """Set a slice against all rows outside of it."""
    outside = Paired(
        both=whole.both - inside.both,
        baseline_only=whole.baseline_only - inside.baseline_only,
        candidate_only=whole.candidate_only - inside.candidate_only,
        neither=whole.neither - inside.neither,
    )
    if not inside.n or not outside.n:
        return Undefined(reason="there are no such rows in the slice or outside of it")
    return Excess(inside=inside, outside=outside)


def _classes(case: Case) -> Rights:
    classes, tables = case.data.classes, case.tables
    everywhere = len(classes) * len(tables) <= MAX_RECALLS
    found: Rights = {}
    for name, table in tables.items():
        counts: Codes = table.per_class()
        total = paired_of(counts.sum(axis=0))
        if not everywhere and name != "all":
            found[name] = (total, {}, {})
            continue
        recalls = {c: paired_of(counts[i]) for i, c in enumerate(classes)}
        spared = table.spared()
        found[name] = (total, recalls, {c: paired_of(spared[i]) for i, c in enumerate(classes)})
    return found


def _multi_label(case: Case) -> Rights:
    truth: npt.NDArray[np.bool_] = case.data.labels
    before, after = case.baseline_scores.said, case.candidate_scores.said
    exact = [(said == truth).all(axis=1) for said in (before, after)]
    found: Rights = {}
    for name, inside in case.slices():
        found[name] = (
            paired(exact[0][inside], exact[1][inside]),
            {
                label: paired(before[rows, j], after[rows, j])
                for j, label in enumerate(case.data.classes)
                for rows in [inside & truth[:, j]]
            },
            {
                label: paired(~before[rows, j], ~after[rows, j])
                for j, label in enumerate(case.data.classes)
                for rows in [inside & ~truth[:, j]]
            },
        )
    return found


SLICE_PERFORMANCE = Check(id="slice-performance", params=NoParams, measure=measure)
