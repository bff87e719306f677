"""The slices in which errors concentrate, found among all conjunctions of given levels.

Sagadeeva & Boehm (2021), "SliceLine: fast, linear-algebra-based slice finding for ML model
debugging", SIGMOD. Slices grow by one level at a time, all counts are products of matrices of
yes and no, and what an upper bound shows to be hopeless is neither counted nor grown.
"""

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

WEIGHT = 0.95
"""What the error of a slice counts against its size (the paper's alpha)."""
MOST_PARENTS = 5000
"""Slices of one depth that are grown, those that could be worst first."""
CHUNK = 65_536
BATCH = 64

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Score:
    """How bad a slice looks, and how bad any part of it still could."""

    n: int
    harmed: int
    minimum: int

    def of(self, size: Any, errors: Any) -> Floats:
        """The paper's score: how much more error than everywhere, and how much fewer rows."""
        size = np.maximum(np.asarray(size, dtype=np.float64), 1.0)
        more = np.asarray(errors) / size * (self.n / self.harmed) - 1.0
        return np.asarray(WEIGHT * more - (1.0 - WEIGHT) * (self.n / size - 1.0))

    def bound(self, size: Any, errors: Any) -> Floats:
        """The highest score of a slice of at most so many rows, at most so many of them harmed."""
        size, errors = np.asarray(size, dtype=np.float64), np.asarray(errors, dtype=np.float64)
        # Monotone between these sizes: errors are 0 or 1, so rows are dropped without losing any
        # until all that is left is harmed, or the fewest rows are reached.
        best = np.full(np.broadcast(size, errors).shape, -inf)
        for s in (np.full_like(size, self.minimum), np.maximum(errors, self.minimum), size):
            best = np.maximum(best, self.of(s, np.minimum(errors, s)))
        return np.where((size >= self.minimum) & (errors > 0), best, -inf)


@dataclass(frozen=True)
class Slices:
    """Conjunctions of one length."""

    parts: Codes
    """Indices of levels, rising, shape (slices, length)."""
    size: Floats
    errors: Floats

    def where(self, chosen: Any) -> "Slices":
        """Keep some."""
        return Slices(self.parts[chosen], self.size[chosen], self.errors[chosen])


@dataclass(frozen=True)
class Search:
    """What was found on one half."""

    best: tuple[tuple[int, ...], ...]
    """Indices of levels, the worst slice first; no two hold the same rows."""
    searched: int
    complete: bool
    """Whether nothing had to be left out for being too much."""


def search(inside: Bools, sources: Codes, harmed: Bools, score: Score, *, depth: int,
           top: int) -> Search:  # fmt: skip
    """Find the slices of the highest score.

    Args:
        inside: Which row lies in which level, shape (rows, levels).
        sources: Feature of each level; two levels of one feature are never combined.
        harmed: Shape (rows,).
        score: Made for these rows.
        depth: Most levels in a slice.
        top: How many to return; only those of a positive score.
    """
    size, errors = inside.sum(axis=0), inside[harmed].sum(axis=0)
    order = np.argsort(-score.bound(size, errors), kind="stable")
    inside, sources = inside[:, order], sources[order]
    found = Slices(np.arange(len(order))[:, None], size[order] * 1.0, errors[order] * 1.0)
    every, searched, complete = [found], len(order), True
    for _ in range(1, depth):
        bar = _bar(every, score, top)
        bounds = score.bound(found.size, found.errors)
        worst_first = np.argsort(-bounds, kind="stable")
        parents = found.where(worst_first[bounds[worst_first] > bar])
        complete &= len(parents.size) <= MOST_PARENTS
        longer: list[Slices] = []
        for start in range(0, min(len(parents.size), MOST_PARENTS), BATCH):
            few = parents.where(slice(start, min(start + BATCH, MOST_PARENTS)))
            bar = _bar([*every, *longer], score, top)
            made, looked_at = _longer(few, every[0], inside, sources, harmed, score, bar)
            searched += looked_at
            longer.append(made)
        if not longer:
            break
        found = _together(longer)
        every.append(found)
    best = _distinct(every, inside, score, top)
    return Search(tuple(tuple(int(order[i]) for i in parts) for parts in best), searched, complete)


def _bar(every: list[Slices], score: Score, top: int) -> float:
    """Score that a slice must beat: 0, or that of the last of the best different ones."""
    scores = np.unique(np.concatenate([score.of(s.size, s.errors) for s in every]))
    return max(0.0, float(scores[-top])) if len(scores) >= top else 0.0


def _together(parts: list[Slices]) -> Slices:
    return Slices(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("parts", "size", "errors"))
    )


def _longer(parents: Slices, singles: Slices, inside: Bools, sources: Codes, harmed: Bools,
            score: Score, bar: float) -> tuple[Slices, int]:  # fmt: skip
    """Add one level to each parent; count rows only where the bound leaves hope."""
    # Few rows are harmed, so errors are counted for all, and bound what need not be counted.
    errors = _meet(inside[harmed], parents.parts)
    size = np.minimum(parents.size[:, None], singles.size[None, :])
    allowed = np.arange(len(sources))[None, :] > parents.parts[:, -1:]
    for position in range(parents.parts.shape[1]):
        allowed &= sources[None, :] != sources[parents.parts[:, position]][:, None]
    hopeful = allowed & (score.bound(size, errors) > bar)
    columns = np.flatnonzero(hopeful.any(axis=0))
    size[:, columns] = _meet(inside, parents.parts, columns)
    which, level = np.nonzero(hopeful & (size >= score.minimum))
    parts = np.concatenate([parents.parts[which], level[:, None]], axis=1)
    return Slices(parts, size[which, level], errors[which, level]), int(allowed.sum())


def _meet(inside: Bools, parts: Codes, columns: Codes | None = None) -> Floats:
    """Count the rows that each conjunction shares with each level, shape (slices, levels)."""
    shared = np.zeros((len(parts), inside.shape[1] if columns is None else len(columns)))
    for start in range(0, len(inside), CHUNK):
        rows = inside[start : start + CHUNK]
        both = np.logical_and.reduce([rows[:, i] for i in parts.T])
        # Counts of one chunk are whole numbers that float32 holds.
        other = rows if columns is None else rows[:, columns]
        shared += both.T.astype(np.float32) @ other.astype(np.float32)
    return shared


def _distinct(every: list[Slices], inside: Bools, score: Score, top: int) -> list[Codes]:
    """Return the best slices that hold different rows, the shortest name for each."""
    bar = _bar(every, score, top)
    ranked = sorted(
        (-value, parts.shape[0], tuple(parts))
        for s in every
        for value, parts in zip(score.of(s.size, s.errors), s.parts, strict=True)
        if value > 0 and value >= bar
    )
    best: dict[bytes, Codes] = {}
    for _, _, parts in ranked:
        rows = np.packbits(inside[:, list(parts)].all(axis=1)).tobytes()
        best.setdefault(rows, np.array(parts))
        if len(best) == top:
            break
    return list(best.values())
