"""Compiled torch programs: torch.export (.pt2) and TorchScript (.ts).

Both are archives whose loaders run code that the archive brings. They are loaded only where that
was asked for by name, and page one of the card says so.
"""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..subjects import InputKind, Subject, read_subject
from .onnx_model import finite, said_fixed
from .torch_model import BATCH, columns_of

if TYPE_CHECKING:
    import torch

EXPORTED, SCRIPTED = (".pt2",), (".ts", ".torchscript", ".jit")
PROGRAMS = (*EXPORTED, *SCRIPTED)


@dataclass(frozen=True)
class ProgramModel:
    """A program, and the tensors it holds."""

    role: str
    program: Callable[..., Any]
    tensors: "dict[str, torch.Tensor]"
    weights: Subject
    kind: str
    code: None = None
    remarks: tuple[str, ...] = ()
    takes: tuple[InputKind, ...] = ("numbers",)
    unsafe: str = "whose loading can run code that it brings"
    classes: tuple[str, ...] = ()
    fixed: Mapping[str, float] = field(default_factory=dict)
    """Value of each argument but the rows."""

    @property
    def files(self) -> tuple[Subject, ...]:
        """Every file that ships."""
        return (self.weights,)

    def outputs(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return what the program says, shape (rows, outputs)."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(features), BATCH):
                rows = torch.from_numpy(features[start : start + BATCH])
                try:
                    said = self.program(rows, **self.fixed)
                    parts.append(columns_of(said).double().numpy())
                except Exception as error:  # the program may raise anything
                    line = str(error).strip().splitlines()[0] if str(error).strip() else ""
                    raise SubjectError(
                        f"the {self.role} cannot score {len(rows)} rows of {features.shape[1]} "
                        f"features: {type(error).__name__}: {line[:300]}. A program exported for "
                        "one batch size must be exported with a dynamic one"
                    ) from error
        return finite(np.concatenate(parts), self.role, self.weights.name)


def load_program(
    path: Path, *, role: str, root: Path, unsafe: bool, fixed: Mapping[str, float] | None = None
) -> ProgramModel:
    """Load a program from the bytes that are digested.

    Args:
        fixed: Value of each argument but the rows, by name.

    Raises:
        SubjectError: Nobody allowed it, or it is missing or broken.
    """
    import torch

    if not unsafe:
        raise SubjectError(
            f"{path}: loading a compiled program can run code that it brings; refused. If you "
            "trust whoever made it: --unsafe-load, which the card will say. Safe forms: "
            ".safetensors with its code, .onnx"
        )
    subject, data = read_subject(path, role=role, root=root)
    try:
        if path.suffix.lower() in EXPORTED:
            exported = _exported(data)
            module, kind = exported.module(), "a torch.export program"
            tensors = _used(exported)
        else:
            scripted: Any = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            module, kind = scripted, "a TorchScript program"
            tensors = dict(scripted.state_dict()) | _read_by_script(scripted)
    except Exception as error:  # the loaders raise many kinds
        raise SubjectError(f"{path}: cannot be loaded ({type(error).__name__})") from error
    plain = {name: tensor.detach() for name, tensor in tensors.items()}
    return ProgramModel(
        role=role, program=module, tensors=plain, weights=subject, kind=kind, fixed=fixed or {},
        remarks=said_fixed(fixed or {}),
    )  # fmt: skip


def _exported(data: bytes) -> Any:
    """Load a torch.export program; quantised ones use operators that are registered on import."""
    import torch

    with contextlib.suppress(ImportError):
        import torch.ao.quantization.fx._decomposed
    return torch.export.load(io.BytesIO(data))


def _used(exported: Any) -> "dict[str, torch.Tensor]":
    """Return the tensors that the program reads: quantising leaves the dense ones in the file."""
    signature = exported.graph_signature
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
        **signature.inputs_to_lifted_custom_objs,
    }
    read = {
        names[node.name]
        for node in exported.graph.nodes
        if node.op == "placeholder" and node.users and node.name in names
    }
    values = {**exported.constants, **exported.state_dict}
    return dict(
        found for name in values if name in read for found in _tensors_in(values[name], name)
    )


def _read_by_script(scripted: Any) -> "dict[str, torch.Tensor]":
    """Return what a TorchScript program reads: attributes by their path, constants by their order.

    Constants are called `constant/0` and so on, in the order of the program with all calls inlined.
    """
    graph = scripted.inlined_graph
    whole = scripted._c  # noqa: SLF001 the only way to plain attributes
    known: dict[str, tuple[str, Any]] = {next(graph.inputs()).debugName(): ("", whole)}
    found: dict[str, torch.Tensor] = {}
    constants = 0
    for node in _nodes(graph):
        if node.kind() == "prim::Constant":
            held = dict(_tensors_in(node.output().toIValue(), f"constant/{constants}"))
            constants += bool(held)
            found |= held
        elif node.kind() == "prim::GetAttr":
            path, owner = known[node.input().debugName()]
            path = f"{path}.{node.s('name')}".lstrip(".")
            value = owner.getattr(node.s("name"))
            known[node.output().debugName()] = path, value
            found |= dict(_tensors_in(value, path))
    return found


def _nodes(block: Any) -> Iterator[Any]:
    """Yield the nodes of a TorchScript graph, those of branches and loops as well."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _tensors_in(value: Any, name: str) -> "Iterator[tuple[str, torch.Tensor]]":
    """Yield the tensors of a value: one, several, or those of an object that states what it has.

    Quantised layers pack their weights into such objects.
    """
    import torch

    parts: list[tuple[Any, Any]] = []
    if isinstance(value, torch.Tensor):
        parts = _on_its_grid(value) if value.is_quantized else []
        if not parts:
            yield name, value
    elif isinstance(value, torch.ScriptObject) and not isinstance(value, torch.ScriptModule):
        with contextlib.suppress(RuntimeError, AttributeError):  # it states nothing
            parts = [("packed", value.__getstate__())]
    elif isinstance(value, list | tuple):
        parts = list(enumerate(value))
    elif not isinstance(value, str) and hasattr(value, "items"):
        parts = list(value.items())
    elif type(value).__name__ == "ScriptList":
        parts = list(enumerate(value))
    for key, part in parts:
        yield from _tensors_in(part, f"{name}.{key}")


def _on_its_grid(tensor: "torch.Tensor") -> "list[tuple[str, torch.Tensor]]":
    """Return the parts of a quantised tensor, under the names by which grids are known."""
    import torch

    if tensor.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric):
        scale, zero = tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
    elif tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        scale, zero = torch.tensor(tensor.q_scale()), torch.tensor(tensor.q_zero_point())
    else:
        return []
    return [("qdata", tensor.int_repr()), ("scale", scale), ("zero_point", zero)]
