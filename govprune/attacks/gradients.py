"""Which gradient a model offers an attacker.

Its own, where it can be differentiated and that leads somewhere on most rows. Otherwise one read
off its scores: the difference between a step up and a step down along each feature (ZOO, Chen et
al. 2017). An ONNX graph, an 8-bit kernel and a model that rounds its input all have scores. That
takes two questions per feature and step; where there are too many, no gradient is offered, and no
attack that finds little is taken for robustness.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..models import Model, TorchModel
from ..models.programs import ProgramModel
from .art import Box, Rows, classifier, quiet
from .batches import batches, scores
from .budget import Budget

if TYPE_CHECKING:
    import torch

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

MOST = 0.9
"""Share of rows on which a gradient must lead somewhere to be the only one that is used."""
FARTHEST = 0.25
"""Longest step of a difference, in standard deviations; never more than half of the budget."""
WIDEST = 128
"""Features that differences are taken of at most. Random directions instead of each feature find
far less: of rows that a true gradient loses in 784 features, one in four."""

Kind = Literal["native", "numeric"]


@dataclass(frozen=True)
class Gradient:
    """Something that can be differentiated in a model's place, and on which rows that helps."""

    kind: Kind
    module: "torch.nn.Module"
    """Data units in, scores out; as the model's own up to a factor."""
    usable: Bools
    """Per row: the loss has a finite gradient that is not 0."""


@dataclass(frozen=True)
class Offer:
    """What one model offers: no gradient, one, or both kinds."""

    native: Gradient | None
    numeric: Gradient | None
    wide: bool = False
    """Whether there are too many features to take differences of."""

    @property
    def gradients(self) -> tuple[Gradient, ...]:
        """Those there are, the model's own first."""
        return tuple(g for g in (self.native, self.numeric) if g is not None)

    def usable(self, rows: int) -> Bools:
        """Whether any of them leads somewhere, per row."""
        found = [np.zeros(rows, dtype=bool), *(g.usable for g in self.gradients)]
        return np.asarray(np.any(found, axis=0))

    @property
    def differentiable(self) -> bool:
        """Whether the model's own gradient leads somewhere on most rows."""
        return self.native is not None and bool(self.native.usable.mean() >= MOST)

    @property
    def leads(self) -> bool:
        """Whether what it offers, of either kind, leads somewhere on most rows."""
        found = [g.usable for g in self.gradients]
        return bool(found) and bool(np.any(found, axis=0).mean() >= MOST)

    def borrows(self, other: "Offer") -> bool:
        """Whether the attack on this model also goes by the other's gradient.

        So it does where the other's is a true one and this one's is not, and where what this one
        offers leads nowhere on too many rows.
        """
        return not self.leads or (other.differentiable and not self.differentiable)

    def said(self, other: "Offer", *, shares: bool = False) -> str:
        """Name what the attacks on this model go by, with the share of rows it leads on."""
        words = {"native": "its own gradient", "numeric": "differences of its scores"}
        named = [
            words[g.kind] + (f" (usable on {100 * g.usable.mean():.1f} % of rows)" * shares)
            for g in self.gradients
        ]
        if self.borrows(other) and other.gradients:
            named.append("the other model's gradient")
        if self.wide and self.native is None:
            named.append(f"no gradient (differences are taken of {WIDEST} features at most)")
        return ", ".join(named) or "no gradient"


def offers(
    models: tuple[Model, Model], box: Box, rows: Rows, labels: Codes, budget: Budget
) -> tuple[Offer, Offer]:
    """Look for both models' own gradients; where one lacks it, take differences of both.

    Args:
        rows: Data units, shape (rows, features).
        labels: True class per row.
    """
    natives = [_tried("native", native(m), m, box, rows, labels) for m in models]
    if all(Offer(g, None).differentiable for g in natives):
        return Offer(natives[0], None), Offer(natives[1], None)
    if len(budget.mutable) > WIDEST:
        return Offer(natives[0], None, wide=True), Offer(natives[1], None, wide=True)
    first, second = (
        _tried("numeric", numeric(m, box, rows, budget), m, box, rows, labels) for m in models
    )
    return Offer(natives[0], first), Offer(natives[1], second)


def covered(
    models: tuple[Model, Model], offered: tuple[Offer, Offer], rows: Rows
) -> tuple[Bools, Bools]:
    """Whether the attack on each model has a gradient to go by, per row.

    Where a model borrows the other's, that counts on rows to which both give the same answer.
    """
    answers = [scores(m, rows).argmax(axis=1) for m in models]
    usable = [offer.usable(len(rows)) for offer in offered]
    alike = answers[0] == answers[1]
    first, second = (
        usable[i] | (usable[1 - i] & alike) if offered[i].borrows(offered[1 - i]) else usable[i]
        for i in (0, 1)
    )
    return first, second


def own_gradient(model: Model, box: Box, rows: Rows, labels: Codes) -> Gradient | None:
    """Return the model's own gradient, if it has one that leads somewhere on most rows."""
    found = Offer(_tried("native", native(model), model, box, rows, labels), None)
    return found.native if found.differentiable else None


def native(model: Model) -> "torch.nn.Module | None":
    """Return the model as a module, if it is one or a program that acts as one."""
    from torch import nn

    if isinstance(model, TorchModel):
        return model.module
    if not isinstance(model, ProgramModel):
        return None

    class Called(nn.Module):
        def __init__(self, program: Any) -> None:
            super().__init__()
            self.held = (program,)  # in a tuple: no part of this one, as programs refuse eval()
            for parameter in getattr(program, "parameters", list)():
                parameter.requires_grad_(requires_grad=False)

        def forward(self, x: "torch.Tensor") -> Any:
            return self.held[0](x)

    return Called(model.program)


def numeric(model: Model, box: Box, rows: Rows, budget: Budget) -> "torch.nn.Module":
    """Return a module that says what the model says, in units of its median margin.

    Its gradient is made of differences between scores. The unit keeps the loss from saturating,
    whatever the scores were multiplied by.
    """
    top = np.sort(scores(model, rows), axis=1)
    unit = float(np.median(top[:, -1] - top[:, -2])) or 1.0
    return differences(model, box, budget.mutable, min(budget.eps / 2, FARTHEST), unit)


def differences(
    model: Model, box: Box, columns: tuple[int, ...], step: float, unit: float
) -> "torch.nn.Module":
    """Return a module whose backward pass asks the model on both sides of each row.

    Args:
        columns: Features to differentiate by; the gradient is 0 in all others.
        step: Distance to each side, in standard deviations.
        unit: What the scores are divided by.
    """
    import torch

    def scaled(x: Rows) -> npt.NDArray[np.float64]:
        return scores(model, x) / unit

    class Asked(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: "torch.Tensor") -> "torch.Tensor":
            ctx.save_for_backward(x)
            return torch.from_numpy(scaled(x.detach().numpy()).astype(np.float32))

        @staticmethod
        def backward(ctx: Any, *grads: "torch.Tensor") -> "torch.Tensor":
            (held,) = ctx.saved_tensors
            x, weight = held.detach().numpy(), grads[0].numpy().astype(np.float64)
            slope = np.zeros_like(x)
            for column in columns:
                by = np.zeros_like(box.scale)
                by[column] = step * box.scale[column]
                change = scaled(x + by) - scaled(x - by)
                slope[:, column] = (weight * change).sum(axis=1) / (2 * by[column])
            return torch.from_numpy(slope)

    class Differences(torch.nn.Module):
        def forward(self, x: "torch.Tensor") -> Any:
            return Asked.apply(x)  # type: ignore[no-untyped-call]  # torch leaves it untyped

    return Differences()


def _tried(
    kind: Kind, module: "torch.nn.Module | None", model: Model, box: Box, rows: Rows, labels: Codes
) -> Gradient | None:
    if module is None:
        return None
    classes = scores(model, rows[:1]).shape[1]
    try:
        found = usable_gradients(module, box, rows, labels, classes)
    except SubjectError:
        return None  # it cannot score a row beside one that it can
    except Exception:  # no graph to go back through: each kernel raises its own kind
        return None
    return Gradient(kind, module, found) if found.any() else None


def usable_gradients(
    module: "torch.nn.Module", box: Box, rows: Rows, labels: Codes, classes: int
) -> Bools:
    """Whether the loss has a finite, non-zero gradient with respect to the input, per row."""
    with quiet(0, threads=1):
        wrapped = classifier(module, box, classes=classes)
        one_hot = np.eye(classes, dtype=np.float32)[labels]
        found = [
            wrapped.loss_gradient(x=x, y=y)
            for x, y in zip(batches(box.enter(rows)), batches(one_hot), strict=True)
        ]
    gradient = np.concatenate(found)[: len(rows)]
    return np.asarray(np.isfinite(gradient).all(axis=1) & (np.abs(gradient).max(axis=1) > 0))
