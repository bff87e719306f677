"""What one model says about every evaluation row."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import CheckError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Answers, and the scores they came from where there are any."""

    said: npt.NDArray[Any]
    """Shape (rows,): class index, or a number where numbers are predicted; shape (rows, labels)
    of yes and no where a row can carry several labels."""
    logits: Floats | None = None
    """Shape (rows, classes); None where only answers were given."""
    ranks: Floats | None = None
    """Shape (rows,): the higher, the likelier the second class; None where nothing ranks."""

    @classmethod
    def of_logits(cls, logits: Floats) -> "Scores":
        """Scores of a classifier: its answer is the class of the largest logit."""
        said = np.asarray(logits.argmax(axis=1), dtype=np.int64)
        ranks = logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else None
        return cls(said=said, logits=logits, ranks=ranks)

    @classmethod
    def of_probabilities(cls, scores: Floats, threshold: float, positive: int = 1) -> "Scores":
        """Scores of a binary model that says how likely one of the classes is.

        Args:
            scores: Shape (rows,). Outside of [0, 1] they rank and decide, and are no
                probabilities.
            threshold: That class is answered from here on.
            positive: Index of that class.
        """
        said = np.where(scores >= threshold, positive, 1 - positive).astype(np.uint8)
        ranks = scores if positive == 1 else -scores
        if scores.min() < 0.0 or scores.max() > 1.0:
            return cls(said=said, ranks=ranks)
        inside = np.clip(scores, 1e-15, 1.0 - 1e-15)
        columns = [np.log1p(-inside), np.log(inside)]
        logits = np.stack(columns if positive == 1 else columns[::-1], axis=1)
        return cls(said=said, logits=logits, ranks=ranks)

    @property
    def predictions(self) -> npt.NDArray[Any]:
        """Class index per row."""
        return self.said

    @cached_property
    def probabilities(self) -> Floats:
        """Softmax of the logits, shape (rows, classes).

        Raises:
            CheckError: Only answers were given.
        """
        if self.logits is None:
            raise CheckError(
                "only answers were given, no probabilities: give the probability of the positive "
                "class as predictions, or the model"
            )
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
