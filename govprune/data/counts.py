"""Joint counts of coded columns: one pass over the rows, and tables that add up.

Everything a classifier is judged by follows from how often each label met each pair of answers in
each slice. Only combinations that occur are held, so a thousand classes cost no more than the
rows that use them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from ..measurements import Paired

Codes = npt.NDArray[np.int64]
Column = npt.NDArray[np.integer]
CHUNK = 1 << 20
DENSE = 1 << 22
"""Combinations up to which counting is done in a full table."""
WIDE = 1 << 62
"""Combinations beyond which a key would not fit an integer."""


@dataclass(frozen=True)
class Joint:
    """How often each combination of codes occurs."""

    shape: tuple[int, ...]
    """Codes per column."""
    keys: Codes
    """Shape (cells,): combinations that occur, rising, with the last column running fastest."""
    counts: Codes
    """Shape (cells,)."""

    def __add__(self, other: "Joint") -> "Joint":
        """Counts of both sets of rows."""
        keys = np.concatenate([self.keys, other.keys])
        return _gathered(self.shape, keys, np.concatenate([self.counts, other.counts]))

    def codes(self) -> tuple[Codes, ...]:
        """Return each column's code per cell."""
        return tuple(np.asarray(c) for c in np.unravel_index(self.keys, self.shape))

    def onto(self, columns: Sequence[int]) -> "Joint":
        """Sum over all other columns."""
        codes = self.codes()
        shape = tuple(self.shape[i] for i in columns)
        return _gathered(shape, _ravel([codes[i] for i in columns], shape), self.counts)


def tabulate(columns: Sequence[Column], shape: Sequence[int]) -> Joint:
    """Count combinations in one pass.

    Args:
        columns: Each of shape (rows,), codes from 0; any integer type.
        shape: Codes per column.

    Raises:
        OverflowError: There are more combinations than an integer can number.
    """
    shape = tuple(shape)
    if prod(shape) > WIDE:
        raise OverflowError(f"{prod(shape)} combinations of values")
    rows = len(columns[0])
    dense = np.zeros(prod(shape), dtype=np.int64) if prod(shape) <= DENSE else None
    found = Joint(shape, np.empty(0, np.int64), np.empty(0, np.int64))
    for start in range(0, rows, CHUNK):
        keys = _ravel([c[start : start + CHUNK] for c in columns], shape)
        if dense is not None:
            dense += np.bincount(keys, minlength=len(dense))
        else:
            unique, counts = np.unique(keys, return_counts=True)
            found = found + Joint(shape, unique, counts.astype(np.int64))
    if dense is None:
        return found
    present = np.flatnonzero(dense)
    return Joint(shape, present, dense[present])


def tabulate_all(columns: Sequence[Column], shape: Sequence[int]) -> Joint | None:
    """Count all columns together, so that each part is a sum; None where that table is too wide."""
    return tabulate(columns, shape) if columns and prod(shape) <= DENSE else None


def _ravel(columns: Sequence[Column], shape: tuple[int, ...]) -> Codes:
    key = columns[0].astype(np.int64)
    for column, size in zip(columns[1:], shape[1:], strict=True):
        key *= size
        key += column
    return key


def _gathered(shape: tuple[int, ...], keys: Codes, counts: Codes) -> Joint:
    unique, inverse = np.unique(keys, return_inverse=True)
    summed = np.zeros(len(unique), dtype=np.int64)
    np.add.at(summed, inverse, counts)
    return Joint(shape, unique, summed)


@dataclass(frozen=True)
class Answers:
    """Label x baseline's answer x candidate's answer over the rows of one slice."""

    classes: int
    label: Codes
    """Shape (cells,), as the two below: the class of each cell."""
    baseline: Codes
    candidate: Codes
    counts: Codes

    @property
    def n(self) -> int:
        """Rows."""
        return int(self.counts.sum())

    def per_class(self) -> Codes:
        """Both right, only the baseline, only the candidate, neither: shape (classes, 4)."""
        before, after = self.baseline == self.label, self.candidate == self.label
        return self._sum(self.label * 4 + np.where(before, 0, 2) + np.where(after, 0, 1), 4)

    def spared(self) -> Codes:
        """Of the rows of other classes, those not given each class: shape (classes, 4).

        Both models spare it, only the baseline, only the candidate, neither.
        """
        k = self.classes
        wrong = [np.where(said == self.label, k, said) for said in (self.baseline, self.candidate)]
        first = np.bincount(wrong[0], weights=self.counts, minlength=k + 1)[:k]
        second = np.bincount(wrong[1], weights=self.counts, minlength=k + 1)[:k]
        same = np.where(wrong[0] == wrong[1], wrong[0], k)
        neither = np.bincount(same, weights=self.counts, minlength=k + 1)[:k]
        others = self.n - self.labelled()
        both = others - first - second + neither
        columns = (both, second - neither, first - neither, neither)
        return np.stack(columns, axis=1).astype(np.int64)

    def predicted(self) -> tuple[Codes, Codes]:
        """How often each class is answered by the baseline and by the candidate."""
        return self._sum(self.baseline, 1)[:, 0], self._sum(self.candidate, 1)[:, 0]

    def labelled(self) -> Codes:
        """How many rows each class has."""
        return self._sum(self.label, 1)[:, 0]

    @property
    def changed(self) -> int:
        """Rows that the two models answer differently."""
        return int(self.counts[self.baseline != self.candidate].sum())

    def against(self, positive: int) -> "Answers":
        """One class, then called 1, against all others, then called 0."""
        codes = (self.label == positive, self.baseline == positive, self.candidate == positive)
        joint = tabulate([c.astype(np.uint8) for c in codes], (2, 2, 2))
        summed = self.binary(positive).reshape(-1)[joint.keys]
        label, baseline, candidate = joint.codes()
        return Answers(2, label, baseline, candidate, summed)

    def binary(self, positive: int) -> Codes:
        """One class against the rest: shape (2, 2, 2) over label, baseline, candidate."""
        yes = (self.label == positive, self.baseline == positive, self.candidate == positive)
        cell = (yes[0].astype(np.int64) * 2 + yes[1]) * 2 + yes[2]
        return np.bincount(cell, weights=self.counts, minlength=8).astype(np.int64).reshape(2, 2, 2)

    def _sum(self, group: Codes, width: int) -> Codes:
        total = np.bincount(group, weights=self.counts, minlength=self.classes * width)
        return total.astype(np.int64).reshape(self.classes, width)


def paired_of(counts: Codes) -> Paired:
    """Make a basis of both, only the baseline, only the candidate, neither."""
    both, baseline_only, candidate_only, neither = (int(c) for c in counts)
    return Paired(
        both=both, baseline_only=baseline_only, candidate_only=candidate_only, neither=neither
    )
