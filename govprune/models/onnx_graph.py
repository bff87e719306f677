"""What an ONNX file holds: tensors, wherever they are, and what reaches beyond the file.

Weights need not be initialisers: they may be constants, attributes of nodes, or part of a graph
within the graph. What no output depends on is left out: nobody's answer shows it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError

if TYPE_CHECKING:
    import torch

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})


def refuse_reaching_out(model: Any, path: Path) -> None:
    """Look at every part of a file: graphs within graphs, functions, attributes.

    Args:
        model: onnx.ModelProto
        path: What to call it.

    Raises:
        SubjectError: A tensor is kept in another file, or an operator is of another domain.
    """
    import onnx

    for part in _parts(model):
        if isinstance(part, onnx.TensorProto):
            if part.data_location == onnx.TensorProto.EXTERNAL or part.external_data:
                raise SubjectError(
                    f"{path}: keeps tensor '{part.name}' in another file, which no digest would "
                    "cover; save the model in one file"
                )
        elif getattr(part, "domain", "") not in DOMAINS and not isinstance(part, onnx.ModelProto):
            raise SubjectError(
                f"{path}: uses operators of '{part.domain}', which run code of their own; refused"
            )


def _parts(message: Any) -> Iterator[Any]:
    """Yield a protobuf message and every message within it."""
    yield message
    for kind, value in message.ListFields():
        if kind.message_type is not None:
            for part in value if isinstance(value, Sequence) else [value]:
                yield from _parts(part)


def tensors_of(model: Any, path: Path) -> "dict[str, torch.Tensor]":
    """Return what the graph's answer depends on, under names that no two tensors share.

    Initialisers and what Constant nodes give keep their names. Other attributes of a node are
    called `OUTPUT.ATTRIBUTE`, and what is in a graph within the graph begins with
    `OUTPUT.ATTRIBUTE/` (in a function: with `DOMAIN:FUNCTION/`), where OUTPUT is the node's first.

    Args:
        model: onnx.ModelProto
        path: What to call it.

    Raises:
        SubjectError: Two tensors have one name, or one holds what torch has no type for.
    """
    import torch

    found: dict[str, torch.Tensor] = {}
    for name, value in (
        *_held(model.graph, ""),
        *(item for f in model.functions for item in _held(f, f"{f.domain}:{f.name}/")),
    ):
        if name in found:
            raise SubjectError(f"{path}: two of its tensors are called '{name[:200]}'")
        try:
            found[name] = torch.from_numpy(np.array(_values(value)))
        except (TypeError, ValueError) as error:
            raise SubjectError(f"{path}: tensor '{name[:200]}' cannot be read") from error
    return found


def _held(graph: Any, within: str) -> Iterator[tuple[str, Any]]:
    """Yield names and values of the tensors that the outputs of a graph, or function, need."""
    nodes, read = _needed(graph)
    # A function has no tensors but in its nodes, and in what its attributes are unless given.
    for item in getattr(graph, "attribute_proto", ()):
        for value in _given(item, constant=False):
            yield within + item.name, value
    for tensor in getattr(graph, "initializer", ()):
        if tensor.name in read:
            yield within + tensor.name, tensor
    for sparse in getattr(graph, "sparse_initializer", ()):
        if sparse.values.name in read:
            yield within + sparse.values.name, sparse
    for node in nodes:
        yield from _held_by(node, within + next(filter(None, node.output), node.name))


def _held_by(node: Any, at: str) -> Iterator[tuple[str, Any]]:
    """Yield names and values of the tensors in a node's attributes."""
    constant = node.op_type == "Constant"
    for item in node.attribute:
        name = f"{at}.{item.name}"
        for value in _given(item, constant=constant):
            yield at if constant else name, value
        for j, tensor in enumerate((*item.tensors, *item.sparse_tensors)):
            yield f"{name}.{j}", tensor
        if item.HasField("g"):
            yield from _held(item.g, f"{name}/")
        for j, inner in enumerate(item.graphs):
            yield from _held(inner, f"{name}.{j}/")


def _given(item: Any, *, constant: bool) -> list[Any]:
    """Return an attribute's tensor or numbers; single and whole ones only where they are a value.

    Elsewhere these are settings of an operator: axes, strides, an epsilon.
    """
    if item.HasField("t"):
        return [item.t]
    if item.HasField("sparse_tensor"):
        return [item.sparse_tensor]
    if item.floats:
        return [np.array(item.floats, dtype=np.float32)]
    if constant and item.name.startswith("value_int"):
        return [np.array(item.ints if item.ints else item.i, dtype=np.int64)]
    if constant and item.name == "value_float":
        return [np.array(item.f, dtype=np.float32)]
    return []


def _needed(graph: Any) -> tuple[list[Any], set[str]]:
    """Return the nodes on which a graph's outputs depend, in order, and the names that are read.

    What a graph within a node reads counts as read by that node.
    """
    made_by = {name: i for i, node in enumerate(graph.node) for name in node.output}
    # The outputs of a function are names, those of a graph have types as well.
    wanted = [getattr(output, "name", output) for output in graph.output]
    read: set[str] = set()
    needed: set[int] = set()
    while wanted:
        name = wanted.pop()
        if name in read:
            continue
        read.add(name)
        if (i := made_by.get(name)) is not None and i not in needed:
            needed.add(i)
            wanted.extend(graph.node[i].input)
            for item in graph.node[i].attribute:
                for inner in (item.g, *item.graphs):
                    wanted.extend(_needed(inner)[1])
    return [graph.node[i] for i in sorted(needed)], read


def _values(value: Any) -> npt.NDArray[Any]:
    """Return what a tensor holds; of a sparse one also what it leaves out."""
    import onnx

    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if not isinstance(value, onnx.SparseTensorProto):
        return np.asarray(value)
    there, at = onnx.numpy_helper.to_array(value.values), onnx.numpy_helper.to_array(value.indices)
    whole = np.zeros(tuple(value.dims), dtype=there.dtype)
    try:
        whole[tuple(at.T) if at.ndim == 2 else np.unravel_index(at, whole.shape)] = there
    except IndexError as error:
        raise ValueError("indices outside of the tensor") from error
    return whole
