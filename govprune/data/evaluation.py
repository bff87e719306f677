"""The evaluation data: features, labels and slices of the rows both models are judged on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..job import EvaluationSection
from ..policy.rules import SlicePolicy
from ..subjects import InputKind, Profile, expect
from .counts import Answers, Joint, tabulate, tabulate_all
from .labels import read_labels
from .profile import make_profile, read_clusters
from .slices import Axis, cut
from .tables import Table, read_features, read_table, read_texts, select

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True)
class EvaluationData:
    """Rows, ready to be scored and counted."""

    table: Table
    label: str
    """Column with the true answer."""
    names: tuple[str, ...]
    """Columns the model takes; empty where only predictions were given."""
    features: npt.NDArray[Any]
    """Shape (rows, features): float32, or texts (objects of type str)."""
    labels: npt.NDArray[Any]
    """Shape (rows,): index into `classes`, in the order of the model's outputs; or a number where
    numbers are predicted. Shape (rows, labels) of yes and no for a multi-label task."""
    classes: tuple[str, ...]
    """Empty where numbers are predicted."""
    axes: tuple[Axis, ...]
    mutable: tuple[int, ...]
    """Columns an attacker could change."""
    profile: Profile
    clusters: npt.NDArray[np.int64] | None = None
    """Shape (rows,): which rows belong together; None where all are independent."""
    inputs: InputKind = "numbers"
    """What the model takes."""

    @property
    def positive(self) -> int | None:
        """Index of the favourable class."""
        return None if self.profile.positive is None else self.classes.index(self.profile.positive)

    def tables(
        self, baseline: npt.NDArray[Any], candidate: npt.NDArray[Any]
    ) -> Iterator[tuple[str, Answers]]:
        """Count label x baseline's answer x candidate's answer, per slice.

        Args:
            baseline: Class index per row, shape (rows,).
            candidate: The same.

        Yields:
            Slice name (`all` first) and its counts.
        """
        k = len(self.classes)
        said = [self.labels, baseline, candidate]
        columns = {c: axis.columns[i] for axis in self.axes for i, c in enumerate(axis.attributes)}
        finest = tabulate_all(
            [*(c.codes for c in columns.values()), *said],
            [*(len(c.levels) for c in columns.values()), k, k, k],
        )
        last = (-3, -2, -1)
        yield "all", _answers(finest.onto(last) if finest else tabulate(said, (k, k, k)), k)
        for axis in self.axes:
            if finest is not None:
                which = [list(columns).index(name) for name in axis.attributes]
                part = finest.onto([*which, *last])
                level = axis.levels_at(part.codes()[:-3])
            else:
                part = tabulate([axis.codes + 1, *said], (len(axis.levels) + 1, k, k, k))
                level = part.codes()[0] - 1
            for i, name in enumerate(axis.levels):
                yield name, _answers(part, k, level == i)


def _answers(joint: Joint, classes: int, kept: Any = slice(None)) -> Answers:
    label, baseline, candidate = (c[kept] for c in joint.codes()[-3:])
    return Answers(classes, label, baseline, candidate, joint.counts[kept])


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
    refuse_missing(section, frame.columns, path)
    names = _names(section, frame.columns, path)
    kind: InputKind = "numbers" if section.text is None else "texts"
    features = read_rows(frame, names, kind, path=path)

    def read(name: str) -> "list[pa.Array]":
        return [frame[name].to_arrow()]

    labels = read_labels(read, section, path)
    axes, merged = cut(read, section, policy, path=path)
    clusters = read_clusters(read, section, path)
    profile = make_profile(labels, axes, merged, section, clusters)
    return EvaluationData(
        table=table,
        label=", ".join(section.label_columns),
        names=names,
        features=features,
        labels=labels.values,
        classes=labels.classes,
        axes=axes,
        mutable=_mutable(section, names, features, path) if kind == "numbers" else (),
        profile=profile,
        clusters=clusters,
        inputs=kind,
    )


def _names(section: EvaluationSection, columns: "list[str]", path: Path) -> tuple[str, ...]:
    """Name the columns the model takes."""
    patterns = section.features if section.text is None else (section.text, *section.choices)
    if not patterns:
        raise SubjectError(
            f"{path}: neither evaluation.features nor evaluation.text names a column; name the "
            "model's inputs"
        )
    names = select(columns, patterns, path=path)
    if section.choices and len(names) != len(patterns):
        raise SubjectError(f"{path}: evaluation.text and choices name one column each")
    if stray := [name for name in section.label_columns if name in names]:
        raise SubjectError(f"{path}: the label '{stray[0]}' is among the features")
    return names


def read_rows(
    frame: "pl.DataFrame", names: tuple[str, ...], kind: InputKind, *, path: Path
) -> npt.NDArray[Any]:
    """Return what a model takes, shape (rows, columns); raises as the reader of its kind does."""
    reader = read_features if kind == "numbers" else read_texts
    return reader(frame, names, path=path)


def refuse_missing(section: EvaluationSection, columns: "list[str]", path: Path) -> None:
    """Refuse a file without a column that the job names."""
    cluster = () if section.cluster is None else (section.cluster,)
    for column in (*section.label_columns, *section.slices, *cluster):
        if column not in columns:
            known = ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "")
            raise SubjectError(f"{path}: no column '{column}'. It has: {known}")


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
