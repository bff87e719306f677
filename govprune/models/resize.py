"""Fit a module to the smaller tensors that structured pruning left.

Torch-Pruning and its like take whole channels out of a module in place: same class, same names,
smaller shapes. The code that builds the baseline then builds the candidate as well, once its
layers are cut to the shapes in the file.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def resize(module: "torch.nn.Module", tensors: "Mapping[str, torch.Tensor]") -> tuple[str, ...]:
    """Cut layers to the shapes that a file has, where those are smaller.

    Returns:
        Names of the tensors that were cut.

    Raises:
        RuntimeError: A shape is larger, or of a layer that cannot be cut; names it.
    """
    import torch

    own = module.state_dict()
    cut = [n for n in own if n in tensors and _shape(own[n]) != _shape(tensors[n])]
    for name in cut:
        before, after = own[name].shape, tensors[name].shape
        if len(before) != len(after) or any(a > b for a, b in zip(after, before, strict=True)):
            raise RuntimeError(f"{name} is {tuple(after)} in the file, {tuple(before)} in the code")
    for path in dict.fromkeys(name.rpartition(".")[0] for name in cut):
        layer = module.get_submodule(path)
        for name, parameter in list(layer.named_parameters(recurse=False)):
            shape = tensors[f"{path}.{name}" if path else name].shape
            setattr(layer, name, torch.nn.Parameter(parameter.new_empty(shape)))
        for name, buffer in list(layer.named_buffers(recurse=False)):
            given = tensors.get(f"{path}.{name}" if path else name)
            if given is not None and given.shape != buffer.shape:
                setattr(layer, name, buffer.new_empty(given.shape))
        _say_sizes(layer, path)
    return tuple(cut)


def _shape(value: object) -> tuple[int, ...] | None:
    """Return a tensor's shape; None for what a state dict holds besides tensors."""
    import torch

    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def _say_sizes(layer: "torch.nn.Module", path: str) -> None:
    """Have a layer's own numbers agree with its new weights."""
    import torch

    nn, batch_norm = torch.nn, torch.nn.modules.batchnorm._BatchNorm  # noqa: SLF001 its only base
    convolution = torch.nn.modules.conv._ConvNd  # noqa: SLF001 as above
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif isinstance(layer, nn.Embedding):
        layer.num_embeddings, layer.embedding_dim = layer.weight.shape
    elif isinstance(layer, nn.LayerNorm):
        layer.normalized_shape = tuple(layer.weight.shape)
    elif isinstance(layer, batch_norm):
        layer.num_features = layer.weight.shape[0]
    elif isinstance(layer, convolution) and not layer.transposed:
        if layer.groups not in (1, layer.out_channels):
            raise RuntimeError(f"{path} is a grouped convolution, which cannot be cut")
        layer.groups = 1 if layer.groups == 1 else layer.weight.shape[0]
        layer.out_channels = layer.weight.shape[0]
        layer.in_channels = layer.weight.shape[1] * layer.groups
    else:
        raise RuntimeError(
            f"{path} is a {type(layer).__name__}, which cannot be cut; name a factory that builds "
            "the smaller module"
        )
