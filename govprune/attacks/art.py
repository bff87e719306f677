"""A small, quiet door to the Adversarial Robustness Toolbox (ART).

ART writes a folder into HOME when imported, configures logging, draws from the global random
generators and leaves models in another mode. Everything is put back here.
Whoever imports a part of ART does so inside `quiet`.
"""

import logging
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..models.torch_model import two_columns

if TYPE_CHECKING:
    import torch

Rows = npt.NDArray[np.float32]


@contextmanager
def quiet(seed: int, *, threads: int | None = None) -> Iterator[None]:
    """Seed the global generators for ART, and leave no trace of it afterwards.

    Args:
        threads: Of torch. Steps on small batches are quickest on one: threads that wait for
            each other on a busy machine cost more than they calculate.
    """
    import torch

    python_state = random.getstate()
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
    _import()
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    np.random.seed(seed)
    torch.manual_seed(seed)
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        torch.set_num_threads(before)
        logging.disable(disabled)


def _import() -> None:
    """Import ART with HOME in a scratch folder, and undo what it does to logging."""
    import sys

    if "art" in sys.modules:
        return
    handlers, level = logging.root.handlers[:], logging.root.level
    home = os.environ.get("HOME")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HOME"] = scratch
        try:
            import art.attacks.evasion
            import art.attacks.inference.membership_inference
            import art.attacks.inference.model_inversion
            import art.estimators.classification  # noqa: F401 loaded for its side effects, here
        finally:
            if home is None:
                del os.environ["HOME"]
            else:
                os.environ["HOME"] = home
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@dataclass(frozen=True)
class Box:
    """The space an attacker moves in: features in standard deviations above their minimum."""

    low: Rows
    """Smallest value per feature, shape (features,)."""
    scale: Rows
    """Standard deviation per feature; 1 where a feature never changes."""
    high: Rows
    """Largest value per feature, in box units."""
    integer: npt.NDArray[np.bool_]
    """Features that only hold whole numbers."""

    @classmethod
    def of(cls, features: Rows) -> "Box":
        """Read the box off the data."""
        low, spread = features.min(axis=0), features.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0).astype(np.float32)
        return cls(
            low=low,
            scale=scale,
            high=((features.max(axis=0) - low) / scale).astype(np.float32),
            integer=(features == np.round(features)).all(axis=0),
        )

    def enter(self, features: Rows) -> Rows:
        """Data units to box units."""
        return ((features - self.low) / self.scale).astype(np.float32)

    def leave(self, moved: Rows) -> Rows:
        """Box units to data units."""
        return (self.low + moved * self.scale).astype(np.float32)


def classifier(
    module: "torch.nn.Module", box: Box, *, classes: int, probabilities: bool = False
) -> Any:
    """Wrap a module as an ART classifier over box units.

    Args:
        probabilities: Give softmax outputs instead of logits (model inversion climbs them).
    """
    import torch
    from art.estimators.classification import PyTorchClassifier

    class Boxed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module
            self.low, self.scale = torch.from_numpy(box.low), torch.from_numpy(box.scale)

        def forward(self, moved: "torch.Tensor") -> "torch.Tensor":
            logits = two_columns(self.inner(self.low + moved * self.scale))
            return logits.softmax(dim=1) if probabilities else logits

    return PyTorchClassifier(
        model=Boxed().eval(),
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=box.low.shape,
        nb_classes=classes,
        # A feature that never changes has no range, which ART refuses.
        clip_values=(np.zeros_like(box.high), np.maximum(box.high, np.float32(1e-6))),
        device_type="cpu",
    )
