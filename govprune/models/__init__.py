"""The only code that knows torch: load safely, predict, give gradients, name by content."""

from .torch_model import TorchModel, from_module, load

__all__ = ["TorchModel", "from_module", "load"]
