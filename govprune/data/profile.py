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
    whole = np.zeros(len(labels.values), dtype=np.uint8)
    slices = _slices(labels, whole, ("all",), (), clusters)
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
    return _slices(labels, axis.codes, axis.levels, axis.attributes, clusters)


def _slices(
    labels: Labels,
    codes: Any,
    levels: tuple[str, ...],
    attributes: tuple[str, ...],
    clusters: Codes | None,
) -> list[SliceProfile]:
    shown = codes >= 0
    everywhere = bool(shown.all())
    codes = codes if everywhere else codes[shown]
    rows = np.bincount(codes, minlength=len(levels))
    by_label = _by_label(labels, codes, shown, len(levels), everywhere=everywhere)
    result = []
    for i, name in enumerate(levels):
        counted = tuple(zip(labels.classes, (int(c) for c in by_label[i]), strict=True))
        adds_up = bool(counted) and sum(c for _, c in counted) == rows[i]
        result.append(
            SliceProfile(
                name=name,
                attributes=attributes,
                by_label=counted,
                rows=None if adds_up else int(rows[i]),
                design_effect=1.0
                if clusters is None
                else _design_effect(labels, clusters[shown], codes == i, shown),
            )
        )
    return result


def _by_label(
    labels: Labels, codes: Any, shown: Any, levels: int, *, everywhere: bool
) -> npt.NDArray[np.int64]:
    """Rows of each class per level, shape (levels, classes)."""
    k = len(labels.classes)
    if k == 0:
        return np.zeros((levels, 0), dtype=np.int64)
    values = labels.values if everywhere else labels.values[shown]
    if values.ndim == 2:
        counts = [np.bincount(codes[values[:, j]], minlength=levels) for j in range(k)]
        return np.stack(counts, axis=1).astype(np.int64)
    joint = tabulate([codes, values], (levels, k))
    table = np.zeros(levels * k, dtype=np.int64)
    table[joint.keys] = joint.counts
    return table.reshape(levels, k)


def read_clusters(read: Reader, section: EvaluationSection, path: Path) -> Codes | None:
    """Read which rows belong together, shape (rows,); None where the job names no such column.

    Raises:
        SubjectError: A row belongs to no cluster.
    """
    if section.cluster is None:
        return None
    coded = encode(read(section.cluster), name=section.cluster, path=path)
    if None in coded.levels:
        row = int(np.argmax(coded.codes == coded.levels.index(None))) + 1
        raise SubjectError(f"{path}: row {row} belongs to no cluster ('{section.cluster}')")
    return coded.codes.astype(np.int64)


def _design_effect(labels: Labels, clusters: Codes, inside: Any, shown: Any) -> float:
    """Rows that count as one, were all rows of a cluster alike: the most it can be.

    Kish (1965): with an intraclass correlation of 1 the effect is the sum of squared cluster sizes
    over the rows. The largest over the slice's rows and over those of each label is taken, because
    every rate of the slice rests on one of these.
    """
    values = labels.values[shown][inside]
    groups = [np.ones(len(values), dtype=bool)]
    if values.ndim == 1 and labels.classes:
        for i, name in enumerate(labels.classes):
            groups.append(values == i)
            if name == labels.positive and len(labels.classes) > 2:
                groups.append(values != i)
    sizes = [np.bincount(clusters[inside][g]).astype(np.float64) for g in groups if g.any()]
    return max((float((s @ s) / s.sum()) for s in sizes), default=1.0)
