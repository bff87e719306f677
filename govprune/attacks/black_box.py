"""The query attack: it asks the model for scores and needs nothing else of it.

A random search after Square Attack (Andriushchenko et al. 2020), for rows of features where that
one is for images: the first proposal moves every mutable feature to a random end of the budget,
later ones move fewer and fewer, and what lowers the margin of the true class is kept. What a row
is offered depends on the seed and the query alone, so two models are asked the same.
"""

import numpy as np
import numpy.typing as npt

from ..models import Model
from .art import Box, Rows, quiet
from .batches import scores
from .budget import Budget, project

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FIRST = 0.8
"""Share of the features that the first proposals after the start move, as in the paper."""
HALVED = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Share of the queries spent when that share is halved, as in the paper."""


def query(model: Model, box: Box, rows: Rows, labels: Codes, budget: Budget, seed: int) -> Rows:
    """Attack each row with `budget.queries` questions; a row that is fooled is asked no more.

    Args:
        rows: Data units, shape (rows, features).
        labels: True class per row.

    Returns:
        The rows with the smallest margin found, in data units, within the budget.
    """
    if not budget.mutable:
        return rows.copy()
    with quiet(seed, threads=1):
        return _searched(model, box, rows, labels, budget, seed)


def _searched(model: Model, box: Box, rows: Rows, labels: Codes, budget: Budget, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    columns = list(budget.mutable)
    ends = _ends(box, rows, budget)
    best = rows.copy()
    lowest = margin(model, rows, labels)
    alive = np.flatnonzero(lowest > 0)
    for asked in range(budget.queries):
        # Drawn for every row, fooled or not: the others must be offered the same.
        high = random.integers(0, 2, size=(len(rows), len(columns)), dtype=np.uint8)
        moves = _moves(random, high.shape, asked / budget.queries)
        if not len(alive):
            break
        tried = best[alive]
        there = np.where(high[alive] == 1, ends[1][alive], ends[0][alive])
        tried[:, columns] = np.where(moves[alive], there, tried[:, columns])
        found = margin(model, tried, labels[alive])
        # Equal ones are kept too: where scores are rounded, the way down leads over steps.
        kept = found <= lowest[alive]
        best[alive[kept]], lowest[alive[kept]] = tried[kept], found[kept]
        alive = alive[lowest[alive] > 0]
    return best


def margin(model: Model, rows: Rows, labels: Codes) -> Floats:
    """Score of the true class above the best other one; not above 0 where the row is fooled."""
    found = scores(model, rows)
    at = np.arange(len(labels))
    true = found[at, labels]
    fooled = found.argmax(axis=1) != labels
    found[at, labels] = -np.inf
    above = true - found.max(axis=1)
    # A tie counts as the model would decide it.
    return np.asarray(np.where(fooled, np.minimum(above, 0.0), np.maximum(above, 1e-300)))


def _ends(box: Box, rows: Rows, budget: Budget) -> tuple[Rows, Rows]:
    columns = list(budget.mutable)
    ends = []
    for sign in (-1.0, 1.0):
        moved = np.clip(box.enter(rows) + np.float32(sign * budget.eps), 0.0, box.high)
        ends.append(project(rows, box.leave(moved), box, budget)[:, columns])
    return ends[0], ends[1]


def _moves(
    random: np.random.Generator, shape: tuple[int, int], spent: float
) -> npt.NDArray[np.bool_]:
    """Which features each row moves: all at the start, then a shrinking share, never none."""
    if spent == 0.0:
        return np.ones(shape, dtype=bool)
    share = FIRST / 2 ** int(np.searchsorted(HALVED, spent))
    moves = random.random(shape, dtype=np.float32) < share
    moves[np.arange(shape[0]), random.integers(0, shape[1], shape[0])] = True
    return np.asarray(moves)
