"""What a model is here: something with a file that answers rows."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..subjects import InputKind, Subject

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
    def takes(self) -> tuple[InputKind, ...]:
        """Numbers or texts, or whatever it is given."""

    @property
    def tensors(self) -> "dict[str, torch.Tensor]":
        """Exactly what the file holds."""

    @property
    def weights(self) -> Subject:
        """What ships: a file, or a folder with all its files."""

    @property
    def files(self) -> tuple[Subject, ...]:
        """Every subject that ships, the weights first: a folder goes before the files in it."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader should know of how it is made."""

    @property
    def unsafe(self) -> str | None:
        """Why it was loaded by --unsafe-load only, after its kind: `whose loading can ...`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of its outputs in order, where it says so."""

    @property
    def code(self) -> Subject | None:
        """The file that builds it, where its weights do not say."""

    def outputs(self, features: npt.NDArray[Any]) -> Floats:
        """Return what it says, shape (rows, outputs).

        Args:
            features: Shape (rows, features), numbers (float32) or texts.

        Raises:
            SubjectError: It fails, or gives NaN or infinite scores.
        """


def logits(outputs: Floats) -> Floats:
    """Read outputs as those of a classifier: a single output z means the two logits [0, z]."""
    zeros = np.zeros_like(outputs[:, :1])
    return np.concatenate([zeros, outputs], axis=1) if outputs.shape[1] == 1 else outputs
