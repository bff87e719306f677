"""Predictions instead of models: what any framework, vendor or benchmark log says per row.

Read in batches and held as small codes, so that a hundred million rows fit in memory. Both models
and the data are named by the content of their columns: a file that was merely written anew is the
same model on the same rows.
"""

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SubjectError
from ..job import EvaluationSection, PredictionsSection
from ..policy.rules import SlicePolicy
from ..subjects import Subject, describe, expect, read_subject
from .columns import encode, numbers
from .evaluation import EvaluationData, refuse_missing
from .labels import Labels, as_classes, read_labels, read_yes_no
from .profile import make_profile, read_clusters
from .scores import Scores
from .slices import Reader, as_text, cut
from .tables import Table, read_frame, row_key

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 1 << 20
OBVIOUS = {"0", "1", "false", "true"}
"""Classes of which everybody knows which one is meant by a high score."""


@dataclass(frozen=True)
class Predictions:
    """The rows, and what was said about them."""

    data: EvaluationData
    baseline: Scores
    candidate: Scores
    also: tuple[Scores, ...]
    subjects: tuple[Subject, ...]
    """Baseline, candidate and evaluation rows by the content of their columns, or the models'
    files where they were given."""


def read_predictions(
    section: EvaluationSection, said: PredictionsSection, policy: SlicePolicy, *, root: Path
) -> Predictions:
    """Read labels, slices and both models' answers from one file.

    Raises:
        SubjectError: A column is missing, or answers and labels are not of one kind; says where.
    """
    path = root / section.file
    subject, data = read_subject(path, role="predictions", root=root)
    expect(subject, section.sha256)
    columns, read = _reader(data, path)
    key = row_key(data)
    del data
    refuse_missing(section, columns, path)
    answers = {"baseline": _names(said.baseline), "candidate": _names(said.candidate)}
    answers |= {f"also {name}": (name,) for name in said.also}
    for names in answers.values():
        _refuse_unusable(names, section, columns, path)
    labels = read_labels(read, section, path)
    axes, merged = cut(read, section, policy, path=path)
    clusters = read_clusters(read, section, path)
    profile = make_profile(labels, axes, merged, section, clusters)
    scores = {role: _scores(read, n, labels, section, said, path) for role, n in answers.items()}
    files = {"candidate": said.candidate_file, "baseline": said.baseline_file}
    subjects = []
    for role, file in files.items():
        at = "" if said.threshold is None else f" from {said.threshold:g} on"
        shown = tuple(name + at for name in answers[role])
        content = _content(scores[role], role, shown, subject)
        if file is not None:  # the file ships; the answers are what was tried
            subjects.append(describe(root / file, role=role, root=root))
            content = content.model_copy(update={"role": f"{role}-answers"})
        subjects.append(content)
    truth = Scores(said=labels.values)
    subjects.append(_content(truth, "evaluation", section.label_columns, subject))
    return Predictions(
        data=EvaluationData(
            table=Table(path=path, name=subject.name, subject=subject, key=key),
            label=", ".join(section.label_columns),
            names=(),
            features=np.empty((len(labels.values), 0), dtype=np.float32),
            labels=labels.values,
            classes=labels.classes,
            axes=axes,
            mutable=(),
            profile=profile,
            clusters=clusters,
        ),
        baseline=scores.pop("baseline"),
        candidate=scores.pop("candidate"),
        also=tuple(scores.values()),
        subjects=tuple(subjects),
    )


def _names(given: str | tuple[str, ...]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else given


def _reader(data: bytes, path: Path) -> tuple[list[str], Reader]:
    """Return the column names and what reads one of them in batches."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() != ".parquet":
        frame = read_frame(data, path)
        return frame.columns, lambda name: [frame[name].to_arrow()]
    try:
        schema = pq.read_schema(io.BytesIO(data))
        rows = pq.read_metadata(io.BytesIO(data)).num_rows
    except (pa.ArrowException, OSError) as error:
        raise SubjectError(f"{path}: not a readable parquet file; open it to see why") from error
    if len(set(schema.names)) != len(schema.names):
        twice = next(n for n in schema.names if schema.names.count(n) > 1)
        raise SubjectError(f"{path}: two columns are called '{twice}'; rename one")
    if rows == 0:
        raise SubjectError(f"{path}: holds no rows; an empty table decides nothing")

    def read(name: str) -> "Iterable[pa.Array]":
        text = pa.types.is_string(schema.field(name).type) or pa.types.is_large_string(
            schema.field(name).type
        )
        try:
            file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=[name] if text else None)
            for batch in file.iter_batches(batch_size=BATCH, columns=[name]):
                yield batch.column(name)
        except (pa.ArrowException, OSError) as error:
            raise SubjectError(f"{path}: column '{name}' cannot be read") from error

    return list(schema.names), read


def _refuse_unusable(
    names: tuple[str, ...], section: EvaluationSection, columns: list[str], path: Path
) -> None:
    for name in names:
        if name not in columns:
            known = ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "")
            raise SubjectError(f"{path}: no column '{name}' of predictions. It has: {known}")
        if name in section.label_columns or name in section.slices:
            raise SubjectError(
                f"{path}: column '{name}' is the label or a slice, and cannot be a prediction too"
            )
    if len(names) != len(section.label_columns):
        raise SubjectError(
            f"{path}: {len(section.label_columns)} label columns and {len(names)} columns of "
            "predictions; name one for each label, in the same order"
        )


def _scores(
    read: Reader,
    names: tuple[str, ...],
    labels: Labels,
    section: EvaluationSection,
    said: PredictionsSection,
    path: Path,
) -> Scores:
    """Read one model's answers as the task says."""
    if section.task == "multi-label":
        return Scores(said=read_yes_no(read, names, path))
    (name,) = names
    if section.task == "regression":
        return Scores(said=numbers(read(name), name=name, path=path))
    if section.task == "ranking" or said.threshold is not None:
        values = numbers(read(name), name=name, path=path)
        return _ranked(values, name, labels, section, said, path)
    coded = encode(read(name), name=name, path=path)
    if row := coded.first_missing:
        raise SubjectError(f"{path}: row {row} has no prediction in '{name}'")
    if any(isinstance(value, float) for value in coded.levels):
        raise SubjectError(
            f"{path}: predictions '{name}' are decimal numbers, the labels are classes: say from "
            "which score on the positive class is meant (threshold: 0.5, or --threshold 0.5), or "
            "task: ranking"
        )
    texts = [as_text(value) for value in coded.levels]
    what = f"predictions '{name}'"
    return Scores(said=as_classes(coded, texts, labels.classes, what=what, path=path))


def _ranked(
    values: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    name: str,
    labels: Labels,
    section: EvaluationSection,
    said: PredictionsSection,
    path: Path,
) -> Scores:
    """Read scores of the positive class, and the class they mean from the threshold on."""
    if len(labels.classes) != 2:
        raise SubjectError(f"{path}: scores rank two classes; there are {len(labels.classes)}")
    if section.positive is None and not set(labels.classes) <= OBVIOUS:
        raise SubjectError(
            f"{path}: scores '{name}' count for one of the classes {list(labels.classes)}: say "
            "which (positive: ..., or --positive)"
        )
    first = labels.positive == labels.classes[0]
    if said.threshold is None:
        ranks = -values if first else values
        return Scores(said=np.zeros(len(values), dtype=np.uint8), ranks=ranks)
    low, high = float(values.min()), float(values.max())
    if not low < said.threshold <= high:
        raise SubjectError(
            f"{path}: scores '{name}' lie in {low:.4g} to {high:.4g}; a threshold of "
            f"{said.threshold:g} gives every row one answer"
        )
    return Scores.of_probabilities(values, said.threshold, positive=0 if first else 1)


def _content(scores: Scores, role: str, names: tuple[str, ...], source: Subject) -> Subject:
    """Name answers by what they say, row by row, whatever the file, column or encoding."""
    ranked = scores.ranks is not None and not scores.said.any()
    values = scores.ranks if ranked and scores.ranks is not None else scores.said
    plain = values.astype("<f8") if values.dtype.kind == "f" else values.astype("<u2")
    digest = hashlib.sha256(f"{plain.dtype.str} {plain.shape}\n".encode())
    for start in range(0, len(plain), BATCH):
        digest.update(np.ascontiguousarray(plain[start : start + BATCH]).data)
    return Subject(
        role=role,
        name=f"{source.name}#{','.join(names)}",
        sha256=digest.hexdigest(),
        size=plain.nbytes,
        kind="columns",
    )
