"""Evasion: the smallest lie that changes the answer.

Projected gradient descent (Madry et al. 2018) as ART implements it, over the features a person
could misreport, within the range of the data, whole numbers kept whole; and a query attack, which
needs no gradient. Each model meets its own attacks, those made for the other model (transfer), and
random noise: robust means fooled by none of them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import CheckError, SubjectError
from ..models import Model
from .art import Box, Rows, classifier, quiet
from .batches import SIZE, padded, scores
from .black_box import query
from .budget import Budget, noise, project
from .gradients import Offer

if TYPE_CHECKING:
    import torch

Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def pgd(
    module: "torch.nn.Module", box: Box, rows: Rows, labels: Codes, budget: Budget, seed: int,
    *, classes: int = 2,
) -> Rows:  # fmt: skip
    """Attack each row within the budget.

    Args:
        module: What is differentiated: the model, or what stands in for it.
        rows: Data units, shape (rows, features).
        labels: True class per row.

    Returns:
        Adversarial rows in data units; integers moved towards the original where rounded.
    """
    mask = np.zeros(rows.shape[1], dtype=np.float32)
    mask[list(budget.mutable)] = 1.0
    with quiet(seed, threads=1):
        from art.attacks.evasion import ProjectedGradientDescentPyTorch

        attack = ProjectedGradientDescentPyTorch(
            classifier(module, box, classes=classes),
            norm=np.inf,
            eps=budget.eps,
            eps_step=2.5 * budget.eps / budget.steps,
            max_iter=budget.steps,
            num_random_init=budget.restarts,
            batch_size=SIZE,
            verbose=False,
        )
        moved = attack.generate(x=padded(box.enter(rows)), y=padded(labels), mask=mask)[: len(rows)]
    return project(rows, box.leave(moved), box, budget)


def right(model: Model, rows: Rows, labels: Codes) -> Bools:
    """Whether the model gives the true class, per row."""
    return np.asarray(scores(model, rows).argmax(axis=1) == labels)


@dataclass(frozen=True)
class Robustness:
    """Which rows a model still gets right under each thing that was tried; shape (rows,) each."""

    clean: Bools
    native: Bools
    """Under the attack by its own gradient; everywhere True where it has none."""
    numeric: Bools
    """Under the attack by differences of its scores; everywhere True where that was not needed."""
    transferred: Bools
    """Under the gradient attacks made for the other model."""
    queried: Bools
    noisy: Bools
    lent: Bools
    """Under the other model's gradient attacks, where they are borrowed; otherwise all True."""

    @property
    def own(self) -> Bools:
        """Under the gradient attacks it is judged by."""
        return self.native & self.numeric & self.lent

    @property
    def others(self) -> Bools:
        """Under what needs no gradient of it: the query attack and the transferred one."""
        return self.transferred & self.queried

    @property
    def robust(self) -> Bools:
        """Right when clean and fooled by nothing."""
        return self.clean & self.own & self.others & self.noisy


def attack_pair(
    models: tuple[Model, Model],
    offered: tuple[Offer, Offer],
    box: Box,
    rows: Rows,
    labels: Codes,
    budget: Budget,
    seed: int,
) -> tuple[Robustness, Robustness]:
    """Attack both models at the same budget, and each with the other's adversarial rows.

    Raises:
        CheckError: A model cannot score a row that an attacker made.
    """
    try:
        return _attacked(models, offered, box, rows, labels, budget, seed)
    except SubjectError as error:
        raise CheckError(f"a row that an attacker made stops the attack: {error}") from error


def _attacked(
    models: tuple[Model, Model],
    offered: tuple[Offer, Offer],
    box: Box,
    rows: Rows,
    labels: Codes,
    budget: Budget,
    seed: int,
) -> tuple[Robustness, Robustness]:
    classes = scores(models[0], rows[:1]).shape[1]
    made = [
        {
            g.kind: pgd(g.module, box, rows, labels, budget, seed, classes=classes)
            for g in offer.gradients
        }
        for offer in offered
    ]
    random = noise(box, rows, budget, seed)
    every = np.ones(len(rows), dtype=bool)
    results = []
    for i, m in enumerate(models):
        own = {kind: right(m, moved, labels) for kind, moved in made[i].items()}
        transferred = np.all([every, *(right(m, x, labels) for x in made[1 - i].values())], axis=0)
        results.append(
            Robustness(
                clean=right(m, rows, labels),
                native=own.get("native", every),
                numeric=own.get("numeric", every),
                transferred=transferred,
                queried=right(m, query(m, box, rows, labels, budget, seed), labels),
                noisy=right(m, random, labels),
                lent=transferred if offered[i].borrows(offered[1 - i]) else every,
            )
        )
    return results[0], results[1]
