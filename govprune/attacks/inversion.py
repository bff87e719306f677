"""Model inversion: reconstruct what the model thinks a class looks like.

MIFace (Fredrikson et al. 2015) as ART implements it, from the same starts for every model. An
independent judge, trained on the evaluation rows only, says whether a reconstruction is of the
class it was made for.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .art import Box, Rows, classifier, quiet
from .batches import SIZE, padded

if TYPE_CHECKING:
    import torch

Codes = npt.NDArray[np.int64]

WIDTH = 64
"""Of the network that stands for knowing nothing, where a model has no untrained version."""


def starts(features: Rows, count: int, seed: int) -> Rows:
    """Draw each feature from its own column, independently: people who do not exist."""
    random = np.random.default_rng(seed)
    picks = random.integers(0, len(features), size=(count, features.shape[1]))
    return np.take_along_axis(features, picks, axis=0)


def reconstruct(
    module: "torch.nn.Module",
    box: Box,
    begin: Rows,
    targets: Codes,
    *,
    steps: int,
    rate: float,
    seed: int,
) -> Rows:
    """Climb the probability of the target class from each start.

    Args:
        begin: Data units, shape (starts, features).
        targets: Class to reconstruct, per start.
        rate: Step in standard deviations per unit of probability gradient.

    Returns:
        Reconstructions in data units, same shape as `begin`.
    """
    with quiet(seed, threads=1):
        from art.attacks.inference.model_inversion import MIFace

        wrapped = classifier(
            module,
            box,
            classes=int(targets.max()) + 1,
            probabilities=True,
        )
        attack = MIFace(
            wrapped,
            max_iter=steps,
            window_length=steps,
            threshold=2.0,  # ART stops a row above this cost; cost is at most 1, so none stops
            batch_size=SIZE,
            learning_rate=rate,
            verbose=False,
        )
        found = attack.infer(padded(box.enter(begin)), padded(targets))
    return box.leave(np.asarray(found, dtype=np.float32)[: len(begin)])


def untrained(box: Box, *, classes: int, seed: int) -> "torch.nn.Module":
    """Return a small network of random weights that takes rows in data units."""
    import torch
    from torch import nn

    class Standardised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low, self.scale = torch.from_numpy(box.low), torch.from_numpy(box.scale)
            self.middle = torch.from_numpy(box.high) / 2

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x - self.low) / self.scale - self.middle

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            Standardised(),
            nn.Linear(len(box.low), WIDTH), nn.ReLU(),
            nn.Linear(WIDTH, WIDTH), nn.ReLU(),
            nn.Linear(WIDTH, classes),
        ).eval()  # fmt: skip


class Judge:
    """An independent classifier that knows the evaluation rows and neither model."""

    def __init__(self, box: Box, features: Rows, labels: Codes, *, seed: int) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self._box = box
        # Balanced, so that the commoner class is not the safe guess.
        self._forest = RandomForestClassifier(
            n_estimators=100, min_samples_leaf=5, class_weight="balanced", random_state=seed
        ).fit(box.enter(features), labels)

    def identifies(self, rows: Rows, targets: Codes) -> npt.NDArray[np.bool_]:
        """Whether each reconstruction is recognised as its target class."""
        return np.asarray(self._forest.predict(self._box.enter(rows)) == targets)
