"""Questions to a model in batches of one size, whatever is asked and for which check.

A module sees how many rows it is given. If one check asked for a thousand gradients at once and
another for four thousand, a module could show a true gradient to the first and a false one to the
second.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..models import Model, logits

SIZE = 128
"""Rows of every batch; what ART asks where it takes no other number."""


def padded(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Repeat rows, the first ones first, until they fill whole batches.

    Args:
        rows: Shape (rows, ...), at least one row; or one label per row.
    """
    if len(rows) % SIZE == 0:
        return rows
    return np.take(rows, np.arange(-(-len(rows) // SIZE) * SIZE) % len(rows), axis=0)


def batches(rows: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Cut padded rows into batches."""
    whole = np.ascontiguousarray(padded(rows))
    for start in range(0, len(whole), SIZE):
        yield whole[start : start + SIZE]


def scores(model: Model, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Ask for logits, shape (rows, classes).

    Args:
        model: Whose `outputs` are asked.
        rows: Data units, shape (rows, features), at least one.

    Raises:
        SubjectError: The model fails on a row.
    """
    found = [logits(model.outputs(batch)) for batch in batches(rows)]
    return np.concatenate(found)[: len(rows)]
