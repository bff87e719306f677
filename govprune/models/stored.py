"""How a module's state lies in a file: plain tensors, each under a name of its own.

Quantised weights are no plain tensors: torchao keeps them in tensor subclasses, torch.ao in packed
pairs. Each is laid out as the integers and the grid they stand on, `NAME.qdata`, `NAME.scale` and
`NAME.zero_point`, so that a file says what it holds and can be compared without the tool.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SubjectError

if TYPE_CHECKING:
    import torch

PACKED = "_packed_params._packed_params"
"""Where torch.ao.quantization keeps weight and bias of a linear layer."""


def flatten(state: Mapping[str, Any]) -> "dict[str, torch.Tensor]":
    """Lay a state dict out as plain tensors.

    Args:
        state: What `module.state_dict()` gives.

    Raises:
        TypeError: An entry is of a kind that no file could hold; names it.
    """
    import torch

    plain: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if name.endswith(PACKED) and isinstance(value, tuple):
            layer = name.removesuffix(PACKED)
            weight, bias = value
            plain |= _of_tensor(f"{layer}weight", weight)
            plain |= {} if bias is None else {f"{layer}bias": bias.detach()}
        elif isinstance(value, torch.Tensor):
            plain |= _of_tensor(name, value)
        elif not isinstance(value, torch.dtype):  # a type is structure: the code says it
            raise TypeError(f"'{name}' is kept as {type(value).__name__}, which no file can hold")
    return plain


def _of_tensor(name: str, tensor: "torch.Tensor") -> "dict[str, torch.Tensor]":
    import torch

    if tensor.is_quantized:
        if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
            scale, zero = torch.tensor(tensor.q_scale()), torch.tensor(tensor.q_zero_point())
        else:
            scale, zero = tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
        return {
            f"{name}.qdata": tensor.int_repr(),
            f"{name}.scale": scale.double(),
            f"{name}.zero_point": zero,
        }
    if is_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()  # type: ignore[attr-defined]  # as its class says
        parts: dict[str, torch.Tensor] = {}
        for part in names:
            parts |= _of_tensor(f"{name}.{part}", getattr(tensor, part))
        return parts
    return {name: tensor.detach()}


def is_subclass(tensor: "torch.Tensor") -> bool:
    """Whether a tensor is made of others, as torchao's are."""
    return hasattr(type(tensor), "__tensor_flatten__")


def restore(
    module: "torch.nn.Module", tensors: "Mapping[str, torch.Tensor]"
) -> tuple[list[str], list[str]]:
    """Fill a module with what a file holds.

    Returns:
        Names that the file lacks, and names that the module does not know.

    Raises:
        RuntimeError: A tensor has another shape or type than the module's.
    """
    import torch

    own = module.state_dict()  # with the version of each layer's layout
    wanted = flatten(own)
    missing = [name for name in wanted if name not in tensors]
    unexpected = [name for name in tensors if name not in wanted]
    if missing or unexpected:
        return missing, unexpected
    with torch.no_grad():
        for name, value in list(own.items()):
            if name.endswith(PACKED) and isinstance(value, tuple):
                own[name] = _packed(name.removesuffix(PACKED), value, tensors)
            elif not isinstance(value, torch.Tensor):
                continue
            elif is_subclass(value):
                _copy_parts(name, value, tensors)
                del own[name]
            else:
                own[name] = (
                    _quantised(name, value, tensors) if value.is_quantized else tensors[name]
                )
    module.load_state_dict(own, strict=False)
    return [], []


def _copy_parts(name: str, target: "torch.Tensor", tensors: "Mapping[str, torch.Tensor]") -> None:
    """Write into the parts of a subclass in place: a state dict holds the module's own."""
    names, _ = target.__tensor_flatten__()  # type: ignore[attr-defined]  # as its class says
    for part in names:
        inner = getattr(target, part)
        if is_subclass(inner):
            _copy_parts(f"{name}.{part}", inner, tensors)
            continue
        given = tensors[f"{name}.{part}"]
        if inner.shape != given.shape or inner.dtype != given.dtype:
            raise RuntimeError(
                f"{name}.{part} is {given.dtype} {tuple(given.shape)} in the file, "
                f"{inner.dtype} {tuple(inner.shape)} in the module"
            )
        inner.copy_(given)


def _packed(
    layer: str, value: tuple[Any, Any], tensors: "Mapping[str, torch.Tensor]"
) -> tuple[Any, Any]:
    bias = None if value[1] is None else tensors[f"{layer}bias"]
    return _quantised(f"{layer}weight", value[0], tensors), bias


def _quantised(
    name: str, like: "torch.Tensor", tensors: "Mapping[str, torch.Tensor]"
) -> "torch.Tensor":
    import torch

    stored, scale, zero = (tensors[f"{name}.{part}"] for part in ("qdata", "scale", "zero_point"))
    if scale.ndim == 0:
        made = torch._make_per_tensor_quantized_tensor(  # noqa: SLF001 torch has no other name for it
            stored, float(scale), int(zero)
        )
    else:
        made = torch._make_per_channel_quantized_tensor(  # noqa: SLF001 as above
            stored, scale, zero, like.q_per_channel_axis()
        )
    if made.shape != like.shape or made.dtype != like.dtype:
        raise RuntimeError(f"{name} is {made.dtype} {tuple(made.shape)} in the file")
    return made


def masks_applied(tensors: "Mapping[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """Resolve torch.nn.utils.prune's weight_orig * weight_mask, where masks were left in."""
    state = dict(tensors)
    for name in tensors:
        base = name.removesuffix("_orig")
        # Where the weight is there as well, nobody knows which of the two is used.
        if base != name and f"{base}_mask" in tensors and base not in tensors:
            state[base] = state.pop(name) * state.pop(f"{base}_mask")
    return state


def save_weights(module: "torch.nn.Module", path: Path | str) -> Path:
    """Write a module's weights as safetensors, quantised ones as the integers they are.

    The file appears whole or not at all.

    Args:
        path: Ends in `.safetensors`.

    Raises:
        SubjectError: The module holds something that no file can hold.
    """
    import safetensors.torch

    path = Path(path)
    try:
        plain = flatten(module.state_dict())
    except TypeError as error:
        raise SubjectError(f"{path}: {error}") from error
    state = {n: t.detach().cpu().contiguous().clone() for n, t in plain.items()}
    partial = path.with_suffix(".partial")
    safetensors.torch.save_file(state, partial)
    return partial.rename(path)
