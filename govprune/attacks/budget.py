"""What an attacker may do to a row: which features, how far, and whole numbers kept whole.

Every attack ends in `project`, so that no attack is stronger than another by bending the rules.
"""

from dataclasses import dataclass

import numpy as np

from .art import Box, Rows


@dataclass(frozen=True)
class Budget:
    """What the attacker may do."""

    eps: float
    """Largest change per feature, in standard deviations of that feature."""
    steps: int
    """Of a gradient attack."""
    restarts: int
    mutable: tuple[int, ...]
    """Features that may change."""
    queries: int = 200
    """Of a query attack, per row and model."""


def reach(box: Box, budget: Budget) -> Rows:
    """Furthest each feature can go, in data units; 0 where it cannot change. Shape (features,)."""
    allowed = np.zeros(len(box.low), dtype=np.float32)
    allowed[list(budget.mutable)] = budget.eps
    furthest = np.minimum(allowed, box.high) * box.scale
    return np.asarray(np.where(box.integer, _whole(furthest), furthest), dtype=np.float32)


def noise(box: Box, rows: Rows, budget: Budget, seed: int) -> Rows:
    """Move each mutable feature to a random corner of the budget: what luck alone does."""
    random = np.random.default_rng(seed)
    signs = random.choice(np.array([-1.0, 1.0], dtype=np.float32), size=rows.shape)
    return shifted(box, rows, (budget.eps * signs).astype(np.float32), budget)


def shifted(box: Box, rows: Rows, by: Rows, budget: Budget) -> Rows:
    """Shift rows by standard deviations, within the range of the data and the budget.

    Args:
        rows: Data units, shape (rows, features).
        by: Shift in standard deviations, same shape.
    """
    moved = np.clip(box.enter(rows) + by, 0.0, box.high)
    return project(rows, box.leave(moved.astype(np.float32)), box, budget)


def project(rows: Rows, moved: Rows, box: Box, budget: Budget) -> Rows:
    """Keep immutable features, whole numbers whole, and everything inside the budget."""
    mutable = np.zeros(rows.shape[1], dtype=bool)
    mutable[list(budget.mutable)] = True
    limit = budget.eps * box.scale
    delta = np.clip(moved - rows, -limit, limit)
    delta = np.where(box.integer, _whole(delta), delta)
    return np.where(mutable, rows + delta, rows).astype(np.float32)


def _whole(change: Rows) -> Rows:
    # A hair of float32 rounding must not cost a whole year of age.
    return np.asarray(np.fix(change + np.sign(change) * 1e-3))
