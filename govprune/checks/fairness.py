"""What the step did to each group: Fairlearn's metrics, on counts, with the paired change.

Fairlearn defines every metric. It is run on the table of counts (sample_weight = count), which
gives the same numbers as running it on the rows; the same tables give the intervals. Where
Fairlearn says 0 for a rate without a denominator, this check says undefined.
"""

from collections.abc import Iterator
from math import isclose, isfinite
from typing import Literal

import numpy as np
from pydantic import Field

from ..data import paired_of
from ..errors import CheckError
from ..measurements import (
    Basis,
    Figure,
    Grouped,
    GroupStatistic,
    GroupTable,
    Measurement,
    Undefined,
)
from ..records import Record
from ..stats.resampled import group_values
from ..subjects import CONFIDENCE
from .base import Case, Check, Codes
from .fairlearn_frames import binary_metrics, figure, multiclass_metrics
from .slice_performance import against_rest

AGGREGATES: tuple[GroupStatistic, ...] = (
    "demographic-parity-difference",
    "demographic-parity-ratio",
    "equalized-odds-difference",
    "equalized-odds-ratio",
)


OF: dict[str, Literal["change", "baseline", "candidate"]] = {
    "-change": "change",
    "": "candidate",
    "-of-the-baseline": "baseline",
}
"""How the metric's name says whose statistic it is."""


MOST_GROUPS = 200
"""Groups beyond which a statement about the largest and the smallest is one about chance."""


class FairnessParams(Record):
    """Parameters of the fairness check."""

    minimum_group_rows: int = Field(default=100, ge=1)
    """Groups with fewer positives or fewer negatives are left out of the aggregates, by name:
    largest minus smallest over groups is otherwise a statement about the smallest one."""

    replicates: int = Field(default=2000, ge=100, le=100_000)
    """Bootstrap replicates of the aggregates."""


def measure(case: Case, params: FairnessParams) -> Iterator[Measurement | Figure]:
    """Measure every group, then every way of grouping."""
    positive = case.data.positive
    if positive is None:
        yield figure(case.tables, multiclass_metrics(), positive=False)
        raise CheckError(
            f"fairness rates need a favourable class, and of {len(case.data.classes)} none is "
            "named: name it under evaluation.positive (it is then set against all others), or ask "
            "slice-performance for the recall of each class"
        )
    tables = {name: table.binary(positive) for name, table in case.tables.items()}
    for name, table in tables.items():
        yield from _group(case, params, name, table, tables["all"])
    for axis in case.data.axes:
        if axis.attributes == (CONFIDENCE,):
            continue  # no group of people
        members = {name: tables[name] for name in axis.levels}
        yield from _aggregates(case, params, " x ".join(axis.attributes), members)
    one_against_rest = {name: table.against(positive) for name, table in case.tables.items()}
    yield figure(one_against_rest, binary_metrics(), positive=True)


def _group(
    case: Case, params: FairnessParams, name: str, table: Codes, whole: Codes
) -> Iterator[Measurement]:
    rates: dict[str, tuple[Codes, Codes, str]] = {
        "true-positive-rate-change": (table[1], whole[1], "no positive row"),
        "false-positive-rate-change": (table[0], whole[0], "no negative row"),
        "selection-rate-change": (table.sum(axis=0), whole.sum(axis=0), "no row"),
    }
    for metric, (cells, everyone, empty) in rates.items():
        basis: Basis = (
            paired_of(_order(cells)) if cells.sum() else Undefined(reason=f"{empty} in {name}")
        )
        yield Measurement(check="fairness", metric=metric, slice=name, basis=basis)
        if name != "all" and metric != "selection-rate-change":
            rest = against_rest(paired_of(_order(cells)), paired_of(_order(everyone)))
            yield Measurement(check="fairness", metric=f"excess-{metric}", slice=name, basis=rest)
    selected = table.sum(axis=0)
    if selected[1].sum() and selected[:, 1].sum():
        precision: Basis = Grouped(
            statistic="precision",
            groups=(_group_table(name, table),),
            seed=case.seed,
            replicates=params.replicates,
        )
    else:
        precision = Undefined(reason=f"one of the models selects nobody in {name}")
    yield Measurement(check="fairness", metric="precision-change", slice=name, basis=precision)


def _order(cells: Codes) -> Codes:
    """Favourable answers over (baseline, candidate): both, baseline's, candidate's, neither."""
    return np.array([cells[1, 1], cells[1, 0], cells[0, 1], cells[0, 0]])


def _group_table(name: str, table: Codes) -> GroupTable:
    return GroupTable(group=name, counts=tuple(int(c) for c in table.reshape(-1)))


def _aggregates(
    case: Case, params: FairnessParams, attribute: str, members: dict[str, Codes]
) -> Iterator[Measurement]:
    smallest = params.minimum_group_rows
    kept = {n: t for n, t in members.items() if t.sum(axis=(1, 2)).min() >= smallest}
    left_out = [n for n in members if n not in kept]
    notes = (
        (f"left out (under {smallest} positives or negatives): {'; '.join(left_out)}",)
        if left_out
        else ()
    )
    too_few = (
        f"fewer than two groups of {attribute} have {smallest} positives and {smallest} negatives"
    )
    if len(kept) > MOST_GROUPS:
        kept = {}
        too_few = f"{attribute} makes over {MOST_GROUPS} groups: largest against smallest is chance"
    for statistic in AGGREGATES:
        for suffix, of in OF.items():
            basis: Basis = (
                Undefined(reason=too_few)
                if len(kept) < 2
                else _grouped(case, params, statistic, of, kept)
            )
            yield Measurement(
                check="fairness",
                metric=f"{statistic}{suffix}",
                slice=attribute,
                basis=basis,
                notes=notes,
            )


def _grouped(
    case: Case,
    params: FairnessParams,
    statistic: GroupStatistic,
    of: Literal["change", "baseline", "candidate"],
    kept: dict[str, Codes],
) -> Basis:
    basis = Grouped(
        statistic=statistic,
        of=of,
        groups=tuple(_group_table(n, t) for n, t in kept.items()),
        seed=case.seed,
        replicates=params.replicates,
    )
    if not all(isfinite(value) for value in group_values(basis)):
        return Undefined(reason="one of the models selects nobody: 0 to 0 has no ratio")
    if of == "change":
        _agrees_with_fairlearn(basis)
    return basis


def _agrees_with_fairlearn(basis: Grouped) -> None:
    """Compute the aggregate with Fairlearn itself and refuse to differ from it."""
    from fairlearn import metrics

    function = getattr(metrics, basis.statistic.replace("-", "_"))
    cells = np.indices((2, 2, 2)).reshape(3, -1)
    weights = np.array([g.counts for g in basis.groups])
    names = np.repeat([g.group for g in basis.groups], 8)
    label, *models = (np.tile(axis, len(weights)) for axis in cells)
    kept = weights.reshape(-1) > 0
    for predicted, ours in zip(models, group_values(basis), strict=True):
        theirs = function(
            label[kept],
            predicted[kept],
            sensitive_features=names[kept],
            sample_weight=weights.reshape(-1)[kept],
        )
        if not isclose(theirs, ours, rel_tol=0, abs_tol=1e-12):
            raise CheckError(
                f"{basis.statistic}: Fairlearn says {theirs:.6f}, the count table {ours:.6f}; "
                "please report this"
            )


FAIRNESS = Check(id="fairness", params=FairnessParams, measure=measure)
