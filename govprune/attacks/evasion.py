"""Evasion: the smallest lie that changes the answer.

Projected gradient descent (Madry et al. 2018) as ART implements it, over the features a person
could misreport, within the range of the data, whole numbers kept whole. Each model meets its own
attack, the other model's (transfer), and random noise: robust means fooled by none of them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..models import TorchModel
from .art import Box, Rows, classifier, quiet

Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Budget:
    """What the attacker may do."""

    eps: float
    """Largest change per feature, in standard deviations of that feature."""
    steps: int
    restarts: int
    mutable: tuple[int, ...]
    """Features that may change."""


def reach(box: Box, budget: Budget) -> Rows:
    """Furthest each feature can go, in data units; 0 where it cannot change. Shape (features,)."""
    allowed = np.zeros(len(box.low), dtype=np.float32)
    allowed[list(budget.mutable)] = budget.eps
    furthest = np.minimum(allowed, box.high) * box.scale
    return np.asarray(np.where(box.integer, _whole(furthest), furthest), dtype=np.float32)


def _whole(change: Rows) -> Rows:
    # A hair of float32 rounding must not cost a whole year of age.
    return np.asarray(np.fix(change + np.sign(change) * 1e-3))


def pgd(model: TorchModel, box: Box, rows: Rows, labels: Codes, budget: Budget, seed: int) -> Rows:
    """Attack each row within the budget.

    Args:
        rows: Data units, shape (rows, features).
        labels: True class per row.

    Returns:
        Adversarial rows in data units; integers moved towards the original where rounded.
    """
    mask = np.zeros(rows.shape[1], dtype=np.float32)
    mask[list(budget.mutable)] = 1.0
    with quiet(seed):
        from art.attacks.evasion import ProjectedGradientDescentPyTorch

        attack = ProjectedGradientDescentPyTorch(
            classifier(model.module, box, classes=_classes(model, rows)),
            norm=np.inf,
            eps=budget.eps,
            eps_step=2.5 * budget.eps / budget.steps,
            max_iter=budget.steps,
            num_random_init=budget.restarts,
            batch_size=len(rows),
            verbose=False,
        )
        moved = attack.generate(x=box.enter(rows), y=labels, mask=mask)
    return project(rows, box.leave(moved), box, budget)


def noise(box: Box, rows: Rows, budget: Budget, seed: int) -> Rows:
    """Move each mutable feature to a random corner of the budget: what luck alone does."""
    random = np.random.default_rng(seed)
    signs = random.choice(np.array([-1.0, 1.0], dtype=np.float32), size=rows.shape)
    moved = np.clip(box.enter(rows) + budget.eps * signs, 0.0, box.high)
    return project(rows, box.leave(moved.astype(np.float32)), box, budget)


def project(rows: Rows, moved: Rows, box: Box, budget: Budget) -> Rows:
    """Keep immutable features, whole numbers whole, and everything inside the budget."""
    mutable = np.zeros(rows.shape[1], dtype=bool)
    mutable[list(budget.mutable)] = True
    limit = budget.eps * box.scale
    delta = np.clip(moved - rows, -limit, limit)
    delta = np.where(box.integer, _whole(delta), delta)
    return np.where(mutable, rows + delta, rows).astype(np.float32)


def right(model: TorchModel, rows: Rows, labels: Codes) -> Bools:
    """Whether the model gives the true class, per row."""
    return np.asarray(model.logits(rows).argmax(axis=1) == labels)


@dataclass(frozen=True)
class Robustness:
    """Which rows each model still gets right under everything that was tried."""

    clean: Bools
    own: Bools
    transferred: Bools
    noisy: Bools

    @property
    def robust(self) -> Bools:
        """Right when clean and fooled by nothing."""
        return self.clean & self.own & self.transferred & self.noisy


def attack_pair(
    models: tuple[TorchModel, TorchModel],
    box: Box,
    rows: Rows,
    labels: Codes,
    budget: Budget,
    seed: int,
) -> tuple[Robustness, Robustness]:
    """Attack both models at the same budget, and each with the other's adversarial rows."""
    attacks = [pgd(m, box, rows, labels, budget, seed) for m in models]
    random = noise(box, rows, budget, seed)
    first, second = (
        Robustness(
            clean=right(m, rows, labels),
            own=right(m, attacks[i], labels),
            transferred=right(m, attacks[1 - i], labels),
            noisy=right(m, random, labels),
        )
        for i, m in enumerate(models)
    )
    return first, second


def usable_gradients(model: TorchModel, box: Box, rows: Rows, labels: Codes) -> Bools:
    """Whether the loss has a finite, non-zero gradient with respect to the input, per row."""
    with quiet(0):
        classes = _classes(model, rows)
        wrapped = classifier(model.module, box, classes=classes)
        one_hot = np.eye(classes, dtype=np.float32)[labels]
        gradient = wrapped.loss_gradient(x=box.enter(rows), y=one_hot)
    return np.asarray(np.isfinite(gradient).all(axis=1) & (np.abs(gradient).max(axis=1) > 0))


def _classes(model: TorchModel, rows: Rows) -> int:
    return int(model.logits(rows[:1]).shape[1])
