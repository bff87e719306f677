"""The true answers: a class, several labels, a number, or which rows should rank higher."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..job import EvaluationSection
from .columns import CHUNK, Coded, encode, numbers, recode
from .counts import tabulate
from .slices import Reader, as_text

MAX_CLASSES = 1000
FEW = 2
"""Different values of a label up to which it names classes, whatever the job says."""


@dataclass(frozen=True)
class Labels:
    """True answers of all rows."""

    values: npt.NDArray[Any]
    """Shape (rows,) of class indices or numbers, or (rows, labels) of yes and no."""
    classes: tuple[str, ...]
    """Class or label names; empty for numbers."""
    positive: str | None


def read_labels(read: Reader, section: EvaluationSection, path: Path) -> Labels:
    """Read what the job's task says the label is.

    Raises:
        SubjectError: A label is missing, of another kind, or unknown; says where.
    """
    names = section.label_columns
    if section.task == "multi-label":
        return Labels(read_yes_no(read, names, path), names, None)
    if section.task == "regression":
        target = numbers(read(names[0]), name=names[0], path=path)
        if len(np.unique(target[:CHUNK])) <= FEW and len(np.unique(target)) <= FEW:
            raise SubjectError(
                f"{path}: label '{names[0]}' takes {FEW} values or fewer: they are classes, not "
                "numbers; leave task: regression out"
            )
        return Labels(target, (), None)
    coded = encode(read(names[0]), name=names[0], path=path)
    if row := coded.first_missing:
        raise SubjectError(f"{path}: row {row} has no label")
    if any(isinstance(value, float) for value in coded.levels):
        raise SubjectError(
            f"{path}: label '{names[0]}' holds decimal numbers; give text or integers, or say "
            "task: regression"
        )
    texts = [as_text(value) for value in coded.levels]
    # Numbers sort as numbers: 2 before 10.
    ordered = [as_text(value) for value in sorted(coded.levels)]
    classes = section.classes or _choices(section, texts) or tuple(dict.fromkeys(ordered))
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise SubjectError(f"{path}: {len(classes)} classes; a gate needs 2 to {MAX_CLASSES}")
    values = as_classes(coded, texts, classes, what=f"label '{names[0]}'", path=path)
    present = set(tabulate([values], (len(classes),)).keys.tolist())
    if lost := next((name for i, name in enumerate(classes) if i not in present), None):
        raise SubjectError(f"{path}: holds no row of class '{lost}'; add some")
    return Labels(values, classes, _positive(section, classes, path))


def _choices(section: EvaluationSection, texts: list[str]) -> tuple[str, ...]:
    """Name the choices as the label does: by their columns, or by their places from 0."""
    places = tuple(map(str, range(len(section.choices))))
    by_name = not set(texts) <= set(places) or set(texts) <= set(section.choices)
    return section.choices if by_name else places


def as_classes(
    coded: Coded, texts: list[str], classes: tuple[str, ...], *, what: str, path: Path
) -> npt.NDArray[Any]:
    """Turn a coded column into class indices, shape (rows,).

    Raises:
        SubjectError: It holds a value that is no class. The value itself is not quoted where it
            could be anybody's: it may be a cell of the wrong column.
    """
    index = {name: i for i, name in enumerate(classes)}
    for level, text in enumerate(texts):
        if text not in index:
            row = int(np.argmax(coded.codes == level)) + 1
            raise SubjectError(
                f"{path}: row {row}, {what} holds a value that is not among the classes "
                f"{list(classes[:8])}; labels, answers and evaluation.classes must be of one kind"
            )
    kind = np.uint8 if len(classes) <= 256 else np.uint16
    return recode(coded.codes, np.array([index[text] for text in texts], dtype=kind))


def read_yes_no(read: Reader, names: tuple[str, ...], path: Path) -> npt.NDArray[np.bool_]:
    """Read columns of 0 and 1, shape (rows, columns).

    Raises:
        SubjectError: A column holds anything else.
    """
    columns = []
    for name in names:
        coded = encode(read(name), name=name, path=path)
        known = {"0": False, "1": True, "false": False, "true": True}
        texts = [as_text(value) for value in coded.levels]
        if not set(texts) <= set(known):
            raise SubjectError(f"{path}: column '{name}' of a multi-label task holds 0 and 1 only")
        columns.append(recode(coded.codes, np.array([known[text] for text in texts])))
    return np.stack(columns, axis=1)


def _positive(section: EvaluationSection, classes: tuple[str, ...], path: Path) -> str | None:
    if section.positive is not None and section.positive not in classes:
        raise SubjectError(f"{path}: positive class '{section.positive}' is not in {list(classes)}")
    if section.positive is None and len(classes) == 2 and not section.choices:
        return classes[1]
    return section.positive
