"""What the data holds, in counts, before any model has seen a row."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..job import EvaluationSection
from ..subjects import Profile, SliceProfile
from .columns import encode
from .counts import tabulate
from .labels import Labels
from .slices import Axis, Reader

Codes = npt.NDArray[np.int64]


def make_profile(
    labels: Labels,
    axes: tuple[Axis, ...],
    merged: tuple[str, ...],
    section: EvaluationSection,
    clusters: Codes | None,
) -> Profile:
    """Count rows, labels and clusters per slice."""
    slices = _slices(labels, None, clusters)
    for axis in axes:
        slices += slice_profiles(labels, axis, clusters)
    return Profile(
        task=section.task,
        labels=labels.classes,
        positive=labels.positive,
        cluster=section.cluster,
        slices=tuple(slices),
        merged=merged,
    )


def slice_profiles(labels: Labels, axis: Axis, clusters: Codes | None) -> list[SliceProfile]:
    """Count rows, labels and clusters of each level of an axis."""
    return _slices(labels, axis, clusters)


def _slices(labels: Labels, axis: Axis | None, clusters: Codes | None) -> list[SliceProfile]:
    """Count the slices of an axis, or all rows."""
    names = axis.levels if axis else ("all",)
    by_label = _by_label(labels, axis)
    rows = _count(axis, np.broadcast_to(np.uint8(0), len(labels.values)), 1)[:, 0]
    effects = [1.0] * len(names) if clusters is None else _effects(labels, axis, clusters)
    result = []
    for i, name in enumerate(names):
        counted = tuple(zip(labels.classes, (int(c) for c in by_label[i]), strict=True))
        adds_up = bool(counted) and sum(c for _, c in counted) == rows[i]
        result.append(
            SliceProfile(
                name=name,
                attributes=axis.attributes if axis else (),
                by_label=counted,
                rows=None if adds_up else int(rows[i]),
                design_effect=effects[i],
            )
        )
    return result


def _by_label(labels: Labels, axis: Axis | None) -> Codes:
    """Rows of each class per level, shape (levels, classes)."""
    k = len(labels.classes)
    if labels.values.ndim == 2:
        parts = [_count(axis, column.view(np.uint8), 2)[:, 1] for column in labels.values.T]
        return np.stack(parts, axis=1)
    if k == 0:
        return np.zeros((len(axis.levels) if axis else 1, 0), dtype=np.int64)
    return _count(axis, labels.values, k)


def _count(axis: Axis | None, column: npt.NDArray[Any], codes: int) -> Codes:
    """Count the codes of a column per level, shape (levels, codes); no row is held twice."""
    if axis is None:
        joint = tabulate([column], (codes,))
        level, code = np.zeros(len(joint.keys), dtype=np.int64), joint.keys
        levels = 1
    else:
        joint = tabulate([*(c.codes for c in axis.columns), column], (*axis.shape, codes))
        *where, code = joint.codes()
        level, levels = axis.levels_at(where), len(axis.levels)
    counts = np.zeros((levels, codes), dtype=np.int64)
    shown = level >= 0
    np.add.at(counts, (level[shown], code[shown]), joint.counts[shown])
    return counts


def read_clusters(read: Reader, section: EvaluationSection, path: Path) -> Codes | None:
    """Read which rows belong together, shape (rows,); None where the job names no such column.

    Raises:
        SubjectError: A row belongs to no cluster.
    """
    if section.cluster is None:
        return None
    coded = encode(read(section.cluster), name=section.cluster, path=path)
    if row := coded.first_missing:
        raise SubjectError(f"{path}: row {row} belongs to no cluster ('{section.cluster}')")
    return coded.codes.astype(np.int64)


def _effects(labels: Labels, axis: Axis | None, clusters: Codes) -> list[float]:
    codes = np.zeros(len(clusters), dtype=np.int64) if axis is None else axis.codes
    levels = 1 if axis is None else len(axis.levels)
    return [
        _design_effect(labels, clusters[inside], labels.values[inside])
        for inside in (codes == level for level in range(levels))
    ]


def _design_effect(labels: Labels, clusters: Codes, values: npt.NDArray[Any]) -> float:
    """Rows that count as one, were all rows of a cluster alike: the most it can be.

    Kish (1965): with an intraclass correlation of 1 the effect is the sum of squared cluster sizes
    over the rows. The largest over the slice's rows and over those of each label is taken, because
    every rate of the slice rests on one of these.
    """
    groups = [np.ones(len(values), dtype=bool)]
    if values.ndim == 2:
        groups += list(values.T)
    elif labels.classes:
        for i, name in enumerate(labels.classes):
            groups.append(values == i)
            if name == labels.positive and len(labels.classes) > 2:
                groups.append(values != i)
    sizes = [np.bincount(clusters[g]).astype(np.float64) for g in groups if g.any()]
    return max((float((s @ s) / s.sum()) for s in sizes), default=1.0)
