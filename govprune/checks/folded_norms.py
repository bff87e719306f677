"""Batch normalisation that was folded into the layer before it, as exporters do.

A layer's output times a factor per channel is a layer with other weights: W * g / sqrt(v + eps),
and (b - m) * g / sqrt(v + eps) + a for its bias (Jacob et al. 2018, section 3.2). The weights are
then computed here, and the candidate's must be these, but for rounding in single precision.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..models.grids import Grid

if TYPE_CHECKING:
    import torch

EPS = (1e-5, 1e-3)
"""What a state dict does not say: torch's default, and that of common image networks."""
PARTS = ("weight", "bias", "running_mean", "running_var")
CLOSE = 4e-6
"""Rounding in single precision, of a value and of what was added to it."""


def unfolded(
    baseline: "dict[str, torch.Tensor]",
    candidate: "Mapping[str, torch.Tensor]",
    grids: Mapping[str, Grid],
) -> "dict[str, torch.Tensor]":
    """Return the baseline's tensors as they are after folding, where the candidate's were folded.

    Norms that the candidate lacks are looked for in the layers whose values moved. What was
    computed is replaced by the candidate's own bits where it is the same number.
    """
    found = dict(baseline)
    for norm in _missing_norms(baseline, candidate):
        for layer in _layers(found, norm):
            made = _fold(found, layer, norm, candidate, grids)
            if made is not None:
                found |= made
                for part in (*PARTS, "num_batches_tracked"):
                    found.pop(f"{norm}.{part}", None)
                break
    return found


def _missing_norms(
    baseline: "Mapping[str, torch.Tensor]", candidate: "Mapping[str, torch.Tensor]"
) -> Iterator[str]:
    for name in baseline:
        norm = name.removesuffix(".running_var")
        names = [f"{norm}.{part}" for part in PARTS]
        if norm != name and all(n in baseline and n not in candidate for n in names):
            yield norm


def _layers(tensors: "Mapping[str, torch.Tensor]", norm: str) -> list[str]:
    channels = tensors[f"{norm}.running_var"].shape[0]
    return [
        name.removesuffix(".weight")
        for name, tensor in tensors.items()
        if name.endswith(".weight") and tensor.ndim >= 2 and tensor.shape[0] == channels
    ]


def _fold(
    tensors: "dict[str, torch.Tensor]",
    layer: str,
    norm: str,
    candidate: "Mapping[str, torch.Tensor]",
    grids: Mapping[str, Grid],
) -> "dict[str, torch.Tensor] | None":
    """Fold a norm into a layer; None if the candidate's layer is not what comes of it."""
    import torch

    gain, shift, mean, variance = (tensors[f"{norm}.{part}"].double() for part in PARTS)
    weight, bias = tensors[f"{layer}.weight"].double(), tensors.get(f"{layer}.bias")
    before = torch.zeros_like(mean) if bias is None else bias.double()
    given = candidate.get(f"{layer}.bias")
    if given is None or given.shape != mean.shape:
        return None
    for eps in EPS:
        factor = gain / torch.sqrt(variance + eps)
        made_bias = ((before - mean) * factor + shift).to(given.dtype)
        if not torch.allclose(made_bias, given, rtol=1e-4, atol=1e-5):
            continue
        made = (weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))).float()
        other = candidate.get(f"{layer}.weight")
        if other is not None and other.shape == made.shape and other.dtype == made.dtype:
            made = _snapped(made, other)
        elif f"{layer}.weight" not in grids:
            continue
        return {f"{layer}.weight": made, f"{layer}.bias": _snapped(made_bias, given)}
    return None


def _snapped(made: "torch.Tensor", given: "torch.Tensor") -> "torch.Tensor":
    """Take the given bits where they are the same number but for rounding."""
    import torch

    near = (made - given).abs() <= CLOSE * (made.abs() + made.abs().mean())
    return torch.where(near, given, made)
