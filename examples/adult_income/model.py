"""The income classifier: a multi-layer perceptron, in 32-bit floats and with 8-bit weights."""

from itertools import pairwise

import torch
from torch import nn

FEATURES = 49
HIDDEN = (128, 64)


class Standardise(nn.Module):
    """Subtract the training mean and divide by the training standard deviation."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Take raw features."""
        return (x - self.mean) / self.deviation


class Int8Linear(nn.Module):
    """A linear layer that stores 8-bit weights and one 32-bit scale per output."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(outputs, inputs, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(outputs))
        self.register_buffer("bias", torch.zeros(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Unpack the weights, then multiply."""
        weight = self.weight.to(x.dtype) * self.weight_scale[:, None]
        return nn.functional.linear(x, weight, self.bias)


def _stack(linear: type[nn.Module]) -> nn.Sequential:
    sizes = (FEATURES, *HIDDEN)
    layers: list[nn.Module] = [Standardise()]
    for inputs, outputs in pairwise(sizes):
        layers += [linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, linear(HIDDEN[-1], 2))


def build() -> nn.Module:
    """Return the dense classifier, untrained."""
    return _stack(nn.Linear)


def build_int8() -> nn.Module:
    """Return the classifier with 8-bit weights, empty."""
    return _stack(Int8Linear)
