"""The only code that loads models: safely, by what the file is, named by content."""

from .base import Model, logits
from .loading import load
from .stored import save_weights
from .torch_model import TorchModel, from_module

__all__ = ["Model", "TorchModel", "from_module", "load", "logits", "save_weights"]
