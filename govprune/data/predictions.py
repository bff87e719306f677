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
    rows = (*section.label_columns, *section.slices, *filter(None, [section.cluster]))
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
        subjects=(
            _model(said.candidate_file, "candidate", answers["candidate"], read, subject, root),
            _model(said.baseline_file, "baseline", answers["baseline"], read, subject, root),
            _content(read, rows, "evaluation", subject),
        ),
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
    if rows == 0:
        raise SubjectError(f"{path}: holds no rows; an empty table decides nothing")

    def read(name: str) -> "Iterable[pa.Array]":
        text = pa.types.is_string(schema.field(name).type) or pa.types.is_large_string(
            schema.field(name).type
        )
        try:
            file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=[name] if text else None)
            for batch in file.iter_batches(batch_size=BATCH, columns=[name]):
                yield batch.column(0)
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
        if len(labels.classes) != 2:
            raise SubjectError(f"{path}: scores rank two classes; there are {len(labels.classes)}")
        if labels.positive == labels.classes[0]:
            raise SubjectError(
                f"{path}: scores count for the second class; list evaluation.classes with "
                f"'{labels.positive}' last"
            )
        if said.threshold is None:
            return Scores(said=np.zeros(len(values), dtype=np.uint8), ranks=values)
        return Scores.of_probabilities(values, said.threshold)
    coded = encode(read(name), name=name, path=path)
    if None in coded.levels:
        row = int(np.argmax(coded.codes == coded.levels.index(None))) + 1
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


def _model(
    file: str | None,
    role: str,
    names: tuple[str, ...],
    read: Reader,
    source: Subject,
    root: Path,
) -> Subject:
    if file is not None:
        return describe(root / file, role=role, root=root)
    return _content(read, names, role, source)


def _content(read: Reader, names: tuple[str, ...], role: str, source: Subject) -> Subject:
    """Name columns by their values, whatever file format, integer width or batches they come in."""
    # One digest for each stream: batches may end anywhere.
    streams = present, ends, values = [hashlib.sha256() for _ in range(3)]
    kinds, size = [], 0
    for name in names:
        kind = ""
        for batch in read(name):
            kind, valid, lengths, data = _bytes(batch)
            present.update(valid)
            ends.update(lengths)
            values.update(data)
            size += len(data)
        kinds.append(f"{len(name)}:{name}:{kind}")
    whole = hashlib.sha256("\n".join(kinds).encode() + b"".join(s.digest() for s in streams))
    return Subject(
        role=role,
        name=f"{source.name}#{','.join(names)}",
        sha256=whole.hexdigest(),
        size=size,
        kind="columns",
    )


def _bytes(batch: "pa.Array") -> tuple[str, bytes, bytes, memoryview]:
    """Return what kind of values these are, which are there, how long, and their bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = batch.dictionary_decode() if pa.types.is_dictionary(batch.type) else batch
    valid = pc.is_valid(plain).cast(pa.uint8()).to_numpy(zero_copy_only=False)
    kind = plain.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind):
        wide = pa.float64() if pa.types.is_floating(kind) else pa.int64()
        filled = pc.fill_null(plain.cast(wide), pa.scalar(0, wide))
        array = np.ascontiguousarray(filled.to_numpy(zero_copy_only=False)).astype(
            "<f8" if wide == pa.float64() else "<i8"
        )
        return str(wide), valid.tobytes(), b"", array.data.cast("B")
    text = pc.fill_null(plain.cast(pa.large_string()), "")
    offsets = np.frombuffer(text.buffers()[1], dtype=np.int64)
    offsets = offsets[text.offset : text.offset + len(text) + 1]
    data = memoryview(text.buffers()[2] or b"")[int(offsets[0]) : int(offsets[-1])]
    lengths = np.diff(offsets).astype("<i8").tobytes()
    return "text", valid.tobytes(), lengths, data
