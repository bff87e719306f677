"""What a model is here: something with a file that answers rows."""

from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from ..subjects import Subject

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]


class Model(Protocol):
    """A model in its file. What it must not be able to do, it lacks: gradients, for instance."""

    @property
    def role(self) -> str:
        """`baseline` or `candidate`."""

    @property
    def kind(self) -> str:
        """What it is, in words: `a torch module`, `an ONNX graph`."""

    @property
    def tensors(self) -> "dict[str, torch.Tensor]":
        """Exactly what the file holds."""

    @property
    def weights(self) -> Subject:
        """The file that ships."""

    @property
    def files(self) -> tuple[Subject, ...]:
        """Every file that ships, the weights first; a folder has several."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader should know of how it is made."""

    @property
    def code(self) -> Subject | None:
        """The file that builds it, where its weights do not say."""

    def outputs(self, features: npt.NDArray[np.float32]) -> Floats:
        """Return what it says, shape (rows, outputs).

        Args:
            features: Shape (rows, features).

        Raises:
            SubjectError: It fails, or gives NaN or infinite scores.
        """


def logits(outputs: Floats) -> Floats:
    """Read outputs as those of a classifier: a single output z means the two logits [0, z]."""
    zeros = np.zeros_like(outputs[:, :1])
    return np.concatenate([zeros, outputs], axis=1) if outputs.shape[1] == 1 else outputs
