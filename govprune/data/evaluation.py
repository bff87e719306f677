"""The evaluation data: features, labels and slices of the rows both models are judged on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..job import EvaluationSection
from ..policy.rules import SlicePolicy
from ..subjects import Profile, SliceProfile, expect
from .slices import Axis, Codes, as_text, cut
from .tables import Table, read_features, read_table, select

if TYPE_CHECKING:
    import polars as pl

MAX_CLASSES = 1000


@dataclass(frozen=True)
class EvaluationData:
    """Rows, ready to be scored and counted."""

    table: Table
    label: str
    """Column with the true class."""
    names: tuple[str, ...]
    """Feature names."""
    features: npt.NDArray[np.float32]
    """Shape (rows, features)."""
    labels: Codes
    """Shape (rows,): index into `profile` classes, in the order of the model's outputs."""
    classes: tuple[str, ...]
    axes: tuple[Axis, ...]
    mutable: tuple[int, ...]
    """Columns an attacker could change."""
    profile: Profile

    @property
    def positive(self) -> int | None:
        """Index of the favourable class."""
        return None if self.profile.positive is None else self.classes.index(self.profile.positive)

    def tables(self, baseline: Codes, candidate: Codes) -> Iterator[tuple[str, Codes]]:
        """Count label x baseline prediction x candidate prediction, per slice, in one pass each.

        Yields:
            Slice name (`all` first) and counts of shape (classes, classes, classes).
        """
        k = len(self.classes)
        cell = (self.labels * k + baseline) * k + candidate
        yield "all", np.bincount(cell, minlength=k**3).reshape(k, k, k)
        for axis in self.axes:
            shown = axis.codes >= 0
            joint = axis.codes[shown] * k**3 + cell[shown]
            counts = np.bincount(joint, minlength=len(axis.levels) * k**3)
            yield from zip(axis.levels, counts.reshape(-1, k, k, k), strict=True)


def read_evaluation(
    section: EvaluationSection, policy: SlicePolicy, *, root: Path
) -> EvaluationData:
    """Read the evaluation file.

    Raises:
        SubjectError: A column is missing, a label unknown, a value not finite; says where.
    """
    path = root / section.file
    table, frame = read_table(path, role="evaluation", root=root)
    expect(table.subject, section.sha256)
    for column in (section.label, *section.slices):
        if column not in frame.columns:
            raise SubjectError(f"{path}: no column '{column}'")
    names = select(frame.columns, section.features, path=path)
    if section.label in names:
        raise SubjectError(f"{path}: the label '{section.label}' is among the features")
    features = read_features(frame, names, path=path)
    labels, classes = _labels(frame, section, path)
    axes, merged = cut(frame, section, policy, classes=len(classes), path=path)
    positive = _positive(section, classes, path)
    profile = _profile(labels, classes, axes, positive, merged, path)
    return EvaluationData(
        table=table,
        label=section.label,
        names=names,
        features=features,
        labels=labels,
        classes=classes,
        axes=axes,
        mutable=_mutable(section, names, features, path),
        profile=profile,
    )


def _labels(
    frame: "pl.DataFrame", section: EvaluationSection, path: Path
) -> tuple[Codes, tuple[str, ...]]:
    series = frame[section.label]
    if series.null_count():
        row = int(series.is_null().arg_max() or 0) + 1
        raise SubjectError(f"{path}: row {row} has no label")
    if series.dtype.is_float():
        raise SubjectError(
            f"{path}: label '{section.label}' holds decimal numbers; give text or integers"
        )
    found = series.unique().sort().to_list()
    text = [as_text(value) for value in found]
    classes = section.classes or tuple(text)
    if unknown := sorted(set(text) - set(classes)):
        raise SubjectError(
            f"{path}: label '{unknown[0]}' is not among evaluation.classes {list(classes)}; "
            "labels and classes must be of one kind"
        )
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise SubjectError(f"{path}: {len(classes)} classes; a gate needs 2 to {MAX_CLASSES}")
    index = {name: i for i, name in enumerate(classes)}
    lookup = {value: index[as_text(value)] for value in found}
    codes = np.array([lookup[value] for value in series.to_list()], dtype=np.int64)
    return codes, tuple(classes)


def _positive(section: EvaluationSection, classes: tuple[str, ...], path: Path) -> str | None:
    if section.positive is not None and section.positive not in classes:
        raise SubjectError(f"{path}: positive class '{section.positive}' is not in {list(classes)}")
    if len(classes) != 2:
        return None
    return section.positive or classes[1]


def _profile(
    labels: Codes,
    classes: tuple[str, ...],
    axes: tuple[Axis, ...],
    positive: str | None,
    merged: tuple[str, ...],
    path: Path,
) -> Profile:
    k = len(classes)

    def by_label(counts: Codes) -> tuple[tuple[str, int], ...]:
        return tuple((name, int(counts[i])) for i, name in enumerate(classes))

    whole = np.bincount(labels, minlength=k)
    if (whole == 0).any():
        lost = classes[int(np.argmin(whole))]
        raise SubjectError(f"{path}: holds no row of class '{lost}'; add some")
    slices = [SliceProfile(name="all", attributes=(), by_label=by_label(whole))]
    for axis in axes:
        shown = axis.codes >= 0
        joint = np.bincount(axis.codes[shown] * k + labels[shown], minlength=k * len(axis.levels))
        for name, counts in zip(axis.levels, joint.reshape(-1, k), strict=True):
            slices.append(
                SliceProfile(name=name, attributes=axis.attributes, by_label=by_label(counts))
            )
    return Profile(labels=classes, positive=positive, slices=tuple(slices), merged=merged)


def _mutable(
    section: EvaluationSection,
    names: tuple[str, ...],
    features: npt.NDArray[np.float32],
    path: Path,
) -> tuple[int, ...]:
    if section.mutable is not None:
        chosen = select(names, section.mutable, path=path)
        return tuple(names.index(name) for name in chosen)
    return tuple(i for i in range(len(names)) if len(np.unique(features[:, i])) > 2)
