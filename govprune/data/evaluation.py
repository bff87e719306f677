"""The evaluation data: features, labels and slices of the rows both models are judged on."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..job import EvaluationSection
from ..policy.rules import SlicePolicy
from ..subjects import Profile, SliceProfile
from .tables import Table, read_features, read_table, select

if TYPE_CHECKING:
    import polars as pl

MAX_CLASSES = 1000
MAX_LEVELS = 1000
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """One way to cut the rows: each row belongs to exactly one level, or to none (-1)."""

    attributes: tuple[str, ...]
    levels: tuple[str, ...]
    """Slice names, e.g. `sex=Female,race=Black`."""
    codes: Codes
    """Shape (rows,): index into levels; -1 where the row's slice is too small to be shown."""


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
    for column in (section.label, *section.slices):
        if column not in frame.columns:
            raise SubjectError(f"{path}: no column '{column}'")
    names = select(frame.columns, section.features, path=path)
    if section.label in names:
        raise SubjectError(f"{path}: the label '{section.label}' is among the features")
    features = read_features(frame, names, path=path)
    labels, classes = _labels(frame, section, path)
    columns = {name: _levels(frame, name, section, path) for name in section.slices}
    axes, merged = _axes(columns, policy)
    positive = _positive(section, classes, path)
    profile = _profile(labels, classes, axes, positive, merged)
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
    text = [_text(value) for value in found]
    classes = section.classes or tuple(text)
    if unknown := sorted(set(text) - set(classes)):
        raise SubjectError(
            f"{path}: label '{unknown[0]}' is not among evaluation.classes {list(classes)}; "
            "labels and classes must be of one kind"
        )
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise SubjectError(f"{path}: {len(classes)} classes; a gate needs 2 to {MAX_CLASSES}")
    index = {name: i for i, name in enumerate(classes)}
    lookup = {value: index[_text(value)] for value in found}
    codes = np.array([lookup[value] for value in series.to_list()], dtype=np.int64)
    return codes, tuple(classes)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _positive(section: EvaluationSection, classes: tuple[str, ...], path: Path) -> str | None:
    if section.positive is not None and section.positive not in classes:
        raise SubjectError(f"{path}: positive class '{section.positive}' is not in {list(classes)}")
    if len(classes) != 2:
        return None
    return section.positive or classes[1]


def _levels(
    frame: "pl.DataFrame", name: str, section: EvaluationSection, path: Path
) -> tuple[list[str], Codes]:
    """Return the level names of one column and each row's index into them."""
    series = frame[name]
    if name in section.bins:
        edges = np.array(section.bins[name])
        if not series.dtype.is_numeric() or len(edges) == 0 or (np.diff(edges) <= 0).any():
            raise SubjectError(f"{path}: bins of '{name}' need a numeric column and rising edges")
        cut = np.digitize(series.to_numpy(), edges)
        bounds = [f"under {edges[0]:g}"]
        bounds += [f"{a:g} to {b:g}" for a, b in pairwise(edges)]
        bounds += [f"{edges[-1]:g} and over"]
        missing = series.is_null().to_numpy()
        texts = np.array([*bounds, "(missing)"])[np.where(missing, len(bounds), cut)]
    else:
        if series.dtype.is_float():
            raise SubjectError(
                f"{path}: slice column '{name}' holds decimal numbers; name edges under "
                f"evaluation.bins, e.g. {{{name}: [1, 2]}}"
            )
        values = series.to_list()
        texts = np.array(["(missing)" if v is None else _text(v) for v in values])
    levels, codes = np.unique(texts, return_inverse=True)
    if len(levels) > MAX_LEVELS:
        raise SubjectError(f"{path}: slice column '{name}' has {len(levels)} values; bin it")
    return [str(level) for level in levels], codes.astype(np.int64)


def _axes(
    columns: dict[str, tuple[list[str], Codes]], policy: SlicePolicy
) -> tuple[tuple[Axis, ...], tuple[str, ...]]:
    axes: list[Axis] = []
    merged: list[str] = []
    for depth in range(1, min(policy.depth, len(columns)) + 1):
        for chosen in combinations(columns, depth):
            axis, note = _axis(chosen, columns, policy.disclosure_floor)
            if axis.levels:
                axes.append(axis)
            if note:
                merged.append(note)
    return tuple(axes), tuple(merged)


def _axis(
    chosen: tuple[str, ...], columns: dict[str, tuple[list[str], Codes]], floor: int
) -> tuple[Axis, str | None]:
    shape = tuple(len(columns[name][0]) for name in chosen)
    joint = np.ravel_multi_index([columns[name][1] for name in chosen], shape)
    present, codes, counts = np.unique(joint, return_inverse=True, return_counts=True)
    names = []
    for cell in present:
        parts = np.unravel_index(int(cell), shape)
        pairs = [f"{c}={columns[c][0][int(p)]}" for c, p in zip(chosen, parts, strict=True)]
        names.append(",".join(pairs))
    small = counts < floor
    note = None
    if small.any():
        # A table of three people is personal data: such slices are shown together or not at all.
        rows, how_many = int(counts[small].sum()), int(small.sum())
        together = " x ".join(chosen) + f"=(under {floor} rows each)"
        keep = rows >= floor and how_many > 1
        note = f"{' x '.join(chosen)}: {how_many} slices under {floor} rows " + (
            f"are judged together ({rows} rows)" if keep else f"are not shown ({rows} rows)"
        )
        order = np.cumsum(~small) - 1
        target = np.where(small, int((~small).sum()) if keep else -1, order)
        names = [n for n, s in zip(names, small, strict=True) if not s] + [together] * keep
        codes = target[codes]
    return Axis(attributes=chosen, levels=tuple(names), codes=codes.astype(np.int64)), note


def _profile(
    labels: Codes,
    classes: tuple[str, ...],
    axes: tuple[Axis, ...],
    positive: str | None,
    merged: tuple[str, ...],
) -> Profile:
    k = len(classes)

    def by_label(counts: Codes) -> tuple[tuple[str, int], ...]:
        return tuple((name, int(counts[i])) for i, name in enumerate(classes))

    whole = np.bincount(labels, minlength=k)
    if (whole == 0).any():
        lost = classes[int(np.argmin(whole))]
        raise SubjectError(f"the evaluation data holds no row of class '{lost}'; add some")
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
