"""What a check is: an id, its parameters, and one function from a case to measurements."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Answers, EvaluationData, Scores, Table
from ..errors import CheckError
from ..job import ModelFiles
from ..lineage import Step
from ..measurements import Figure, Measurement, Moments, Paired
from ..models import Model, TorchModel
from ..records import Record
from ..stats.means import Central

__all__ = ["Case", "Check", "Codes", "NoParams", "Scores", "Source", "moments", "paired"]

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """Where a model can be loaded from again, as it was the first time."""

    files: ModelFiles
    root: Path
    unsafe: bool = False
    """Whether files that can run code of their own may be loaded."""


@dataclass(frozen=True)
class Link:
    """One step, with the models before and after it and what they say."""

    step: Step
    before: tuple[Model, Scores]
    after: tuple[Model, Scores]


@dataclass(frozen=True)
class Case:
    """Everything a check may look at: the models, the data, what was done. Never a bound."""

    step: Step
    models: tuple[Model, Model] | None
    """Baseline and candidate; None where only their predictions were given."""
    data: EvaluationData
    fine_tuning: tuple[Table, ...]
    members: tuple[npt.NDArray[np.float32], Codes] | None
    """Features and labels of the rows the models were trained on, where they are declared."""
    baseline_scores: Scores
    candidate_scores: Scores
    seed: int
    also: tuple[Scores, ...] = ()
    """What further candidates of the same baseline say."""
    between: tuple[tuple[Step, Model, Scores], ...] = ()
    """Steps before the last, the models they made, and what those say."""
    sources: tuple[Source, Source] | None = None
    """Files of baseline and candidate; None where the models were made in memory."""

    @property
    def both_scores(self) -> tuple[Scores, Scores]:
        """What baseline and candidate say."""
        return self.baseline_scores, self.candidate_scores

    @property
    def baseline(self) -> Model:
        """The model before the step.

        Raises:
            CheckError: Only predictions were given.
        """
        return self._both()[0]

    @property
    def candidate(self) -> Model:
        """The model after the step; raises as `baseline` does."""
        return self._both()[1]

    @property
    def links(self) -> tuple[Link, ...]:
        """Every step from baseline to candidate; raises as `baseline` does."""
        steps = [*(step for step, _, _ in self.between), self.step]
        made = [
            (self.baseline, self.baseline_scores),
            *((model, scores) for _, model, scores in self.between),
            (self.candidate, self.candidate_scores),
        ]
        return tuple(Link(s, made[i], made[i + 1]) for i, s in enumerate(steps))

    @property
    def modules(self) -> tuple[TorchModel, TorchModel]:
        """Both models as torch modules, which can be differentiated and taken apart.

        Raises:
            CheckError: One of them is none.
        """
        baseline, candidate = self._both()
        if isinstance(baseline, TorchModel) and isinstance(candidate, TorchModel):
            return baseline, candidate
        other = candidate if isinstance(baseline, TorchModel) else baseline
        raise CheckError(
            f"the {other.role} is {other.kind}: this needs two torch modules (.safetensors and the "
            "code that builds them)"
        )

    def _both(self) -> tuple[Model, Model]:
        if self.models is None:
            raise CheckError("only predictions were given; this can be measured on models only")
        return self.models

    @cached_property
    def tables(self) -> dict[str, Answers]:
        """Joint counts label x baseline x candidate per slice, `all` first."""
        return dict(
            self.data.tables(self.baseline_scores.predictions, self.candidate_scores.predictions)
        )

    def slices(self) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """Yield each slice's name and which rows it holds, shape (rows,); `all` first."""
        yield "all", np.ones(len(self.data.labels), dtype=bool)
        for axis in self.data.axes:
            for level, name in enumerate(axis.levels):
                yield name, axis.codes == level

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


def moments(
    baseline: npt.NDArray[np.float64], candidate: npt.NDArray[np.float64], *, span: float
) -> Moments:
    """Sum up a quantity of both models per row.

    Args:
        baseline: Shape (rows,).
        candidate: Shape (rows,).
        span: The largest difference one row can make.
    """
    central = Central.of(candidate - baseline)
    before = float(baseline.mean()) if central.n else 0.0
    return Moments(
        n=central.n,
        baseline=before,
        candidate=before + central.mean,
        variance=central.variance,
        third=central.third,
        span=span,
    )
