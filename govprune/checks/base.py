"""What a check is: an id, its parameters, and one function from a case to measurements."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import EvaluationData, Table
from ..lineage import Step
from ..measurements import Figure, Measurement, Paired
from ..models import TorchModel
from ..records import Record

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """What one model says about every evaluation row."""

    logits: npt.NDArray[np.float64]
    """Shape (rows, classes)."""

    @cached_property
    def predictions(self) -> Codes:
        """Class index per row."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Softmax of the logits, shape (rows, classes)."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Case:
    """Everything a check may look at: the models, the data, what was done. Never a bound."""

    step: Step
    baseline: TorchModel
    candidate: TorchModel
    data: EvaluationData
    fine_tuning: tuple[Table, ...]
    members: tuple[npt.NDArray[np.float32], Codes] | None
    """Features and labels of the rows the models were trained on, where they are declared."""
    baseline_scores: Scores
    candidate_scores: Scores
    seed: int

    @cached_property
    def tables(self) -> dict[str, Codes]:
        """Joint counts label x baseline x candidate per slice, `all` first."""
        return dict(
            self.data.tables(self.baseline_scores.predictions, self.candidate_scores.predictions)
        )

    def sample(self, rows: int) -> Codes:
        """Return the sorted indices of at most `rows` evaluation rows, the same for a seed."""
        total = len(self.data.labels)
        if rows >= total:
            return np.arange(total)
        picked = np.random.default_rng(self.seed).choice(total, size=rows, replace=False)
        return np.sort(picked).astype(np.int64)


class NoParams(Record):
    """A check without parameters."""


@dataclass(frozen=True)
class Check:
    """A question that can be asked of any case."""

    id: str
    params: type[Record]
    measure: Callable[[Case, Any], Iterator[Measurement | Figure]]


def paired(baseline: npt.NDArray[np.bool_], candidate: npt.NDArray[np.bool_]) -> Paired:
    """Count two yes-or-no answers per row."""
    return Paired(
        both=int((baseline & candidate).sum()),
        baseline_only=int((baseline & ~candidate).sum()),
        candidate_only=int((~baseline & candidate).sum()),
        neither=int((~baseline & ~candidate).sum()),
    )
