"""The digits network: dense, and with its matrices in eight bits."""

import torch
from torch import nn


class Digits(nn.Module):
    """One convolution and two layers over images of 8 x 8 pixels, given as 64 columns."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)
        self.hidden = nn.Linear(16 * 16, 64)
        self.out = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (rows, 10)."""
        x = torch.relu(self.conv(x.reshape(-1, 1, 8, 8) / 16))
        x = nn.functional.max_pool2d(x, 2).flatten(1)
        return self.out(torch.relu(self.hidden(x)))


class Rounded(nn.Module):
    """A layer whose weight is whole numbers times a step per output."""

    def __init__(self, layer: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros_like(layer.weight, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(layer.weight.shape[0]))
        self.bias = layer.bias
        self.padding = getattr(layer, "padding", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer with the weights that the numbers stand for."""
        steps = self.weight_scale.reshape(-1, *(1,) * (self.weight.ndim - 1))
        weight = self.weight.float() * steps
        if self.padding is None:
            return nn.functional.linear(x, weight, self.bias)
        return nn.functional.conv2d(x, weight, self.bias, padding=self.padding)


def build() -> nn.Module:
    """Build the dense network."""
    return Digits()


def build_int8() -> nn.Module:
    """Build the network whose matrices have eight bits."""
    module = Digits()
    for name in ("conv", "hidden", "out"):
        setattr(module, name, Rounded(getattr(module, name)))
    return module
