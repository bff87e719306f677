"""Statistics over joint tables of several groups, and their multinomial bootstrap.

The names and definitions are Fairlearn's (demographic parity, equalized odds: difference and
ratio, largest minus smallest over groups). Fairlearn is the oracle in the tests. A rate with an
empty denominator is NaN here, never 0.
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
LABEL = np.array([0, 0, 0, 0, 1, 1, 1, 1])
BASELINE = np.array([0, 0, 1, 1, 0, 0, 1, 1])
CANDIDATE = np.array([0, 1, 0, 1, 0, 1, 0, 1])


def _rate(cells: Array, hit: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_]) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(cells[..., hit & of].sum(-1) / cells[..., of].sum(-1))


def _spread(rates: Array, statistic: str) -> Array:
    """Largest minus smallest, or smallest over largest, along the last axis (groups)."""
    low, high = rates.min(-1), rates.max(-1)
    if statistic.endswith("difference"):
        return np.asarray(high - low)
    with np.errstate(invalid="ignore", divide="ignore"):
        # 0 to 0 has no ratio: where nobody is selected, nothing is said about parity.
        return np.asarray(low / high)


def statistic_of(cells: Array, statistic: str, predicted: npt.NDArray[np.int_]) -> Array:
    """Compute one model's statistic.

    Args:
        cells: Counts, shape (..., groups, 8), cell order of `GroupTable`.
        statistic: One of `GroupStatistic`.
        predicted: Which axis of the cell is the model: `BASELINE` or `CANDIDATE`.

    Returns:
        Shape (...); NaN where a denominator is empty.
    """
    yes, positive = predicted == 1, LABEL == 1
    everyone = np.ones(8, dtype=bool)
    if statistic == "precision":
        return _rate(cells, positive, yes)[..., 0]
    if statistic.startswith("demographic-parity"):
        return _spread(_rate(cells, yes, everyone), statistic)
    tpr = _spread(_rate(cells, yes, positive), statistic)
    fpr = _spread(_rate(cells, yes, ~positive), statistic)
    # Fairlearn: the worse of the two; for ratios the worse is the smaller.
    return np.maximum(tpr, fpr) if statistic.endswith("difference") else np.minimum(tpr, fpr)


def value_of(cells: Array, statistic: str, of: str) -> Array:
    """Compute the statistic of one model, or candidate minus baseline (`change`); shape (...)."""
    if of == "change":
        return value_of(cells, statistic, "candidate") - value_of(cells, statistic, "baseline")
    return statistic_of(cells, statistic, CANDIDATE if of == "candidate" else BASELINE)


def bootstrap(
    cells: Array, statistic: str, of: str, *, seed: int, replicates: int, rows: int | None = None
) -> Array:
    """Resample the joint table as one multinomial; return the sorted values.

    Args:
        cells: Counts, shape (groups, 8).
        rows: Independent rows to draw; as many as were counted by default.
    """
    return ordered(draw(cells, seed=seed, replicates=replicates, rows=rows), statistic, of)


def draw(cells: Array, *, seed: int, replicates: int, rows: int | None = None) -> Array:
    """Draw joint tables, shape (replicates, groups, 8).

    NumPy's RandomState is used because its stream is frozen (NEP 19): the archive recomputes to
    the same numbers.
    """
    flat = cells.reshape(-1)
    total = int(flat.sum())
    drawn = total if rows is None else rows
    draws = np.random.RandomState(seed).multinomial(drawn, flat / total, size=replicates)
    return draws.reshape(replicates, *cells.shape).astype(np.float64)


def ordered(draws: Array, statistic: str, of: str) -> Array:
    """Sort the statistic's values; replicates in which a denominator came out empty are dropped."""
    values = value_of(draws, statistic, of)
    return np.sort(values[np.isfinite(values)])
