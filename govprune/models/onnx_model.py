"""An ONNX graph, run by ONNX Runtime from the very bytes that were digested.

The graph is data: it names operators of a fixed set. What could reach beyond the file is refused:
tensors kept in other files, and operators of other domains than ONNX's and ONNX Runtime's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, SubjectError
from ..subjects import InputKind, Subject, read_subject
from .onnx_graph import refuse_reaching_out, tensors_of

if TYPE_CHECKING:
    import torch

BATCH = 8192
TYPES: dict[str, Any] = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_,
}  # fmt: skip
"""What ONNX Runtime calls the types that a number can fill."""


@dataclass(frozen=True)
class OnnxModel:
    """A session, and the tensors that its graph holds."""

    role: str
    session: Any
    """onnxruntime.InferenceSession"""
    tensors: "dict[str, torch.Tensor]"
    """Initialisers and constants that the graph reads, exactly as the file holds them."""
    weights: Subject
    fixed: Mapping[str, float] = field(default_factory=dict)
    """Value of each input but the rows."""
    code: None = None
    kind: str = "an ONNX graph"
    remarks: tuple[str, ...] = ()
    takes: tuple[InputKind, ...] = ("numbers",)
    unsafe: str | None = None
    classes: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Subject, ...]:
        """Every file that ships."""
        return (self.weights,)

    def outputs(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the graph's first output, shape (rows, outputs)."""
        given = {i.name: i for i in self.session.get_inputs()}
        (name,) = given.keys() - self.fixed.keys()
        parts = []
        for start in range(0, len(features), BATCH):
            rows = np.ascontiguousarray(features[start : start + BATCH])
            try:
                more = {n: _filled(given[n], v, len(rows)) for n, v in self.fixed.items()}
                (said,) = self.session.run(
                    [self.session.get_outputs()[0].name], {name: rows, **more}
                )
            except Exception as error:  # the runtime raises its own kinds for any graph
                line = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise SubjectError(
                    f"the {self.role} cannot score {features.shape[1]} features: {line[:300]}"
                ) from error
            parts.append(_columns(said, self.role, len(rows)))
        return finite(np.concatenate(parts), self.role, self.weights.name)


def _columns(said: Any, role: str, rows: int) -> npt.NDArray[np.float64]:
    columns = np.asarray(said)
    if columns.ndim == 1:
        columns = columns[:, None]
    if columns.ndim != 2 or len(columns) != rows or columns.dtype.kind not in "fiu":
        raise SubjectError(
            f"the {role}'s first output has shape {columns.shape} for {rows} rows; it must be "
            "(rows, classes). A graph of fixed batch size must be exported anew"
        )
    return columns.astype(np.float64)


def finite(scores: npt.NDArray[np.float64], role: str, name: str) -> npt.NDArray[np.float64]:
    """Refuse scores that are no numbers.

    Raises:
        SubjectError: Some are NaN or infinite; says how many.
    """
    broken = ~np.isfinite(scores).all(axis=1)
    if broken.any():
        raise SubjectError(
            f"the {role} ({name}) gives NaN or infinite scores on "
            f"{int(broken.sum())} rows, first on row {int(np.argmax(broken)) + 1}"
        )
    return scores


def _filled(given: Any, value: float, rows: int) -> npt.NDArray[Any]:
    """Return an input of one value: an axis whose length the graph leaves open is that of the rows.

    Args:
        given: onnxruntime.NodeArg
    """
    shape = [size if isinstance(size, int) else rows for size in given.shape]
    return np.full(shape, value, dtype=TYPES[given.type])


def refuse_unfit(inputs: Sequence[Any], fixed: Mapping[str, float], at: str) -> None:
    """Demand that all inputs but the rows are fixed, each with a value of its type.

    Raises:
        SubjectError: Says which is not.
    """
    names = [i.name for i in inputs]
    if strange := sorted(set(fixed) - set(names)):
        raise SubjectError(f"{at}: has no input '{strange[0]}'; it takes {', '.join(names)}")
    if len(names) - len(fixed) != 1:
        raise SubjectError(
            f"{at}: takes {len(names)} inputs ({', '.join(names)}), and one of them must be the "
            "rows; give each other one its value under `fixed:`"
        )
    for given in inputs:
        if given.name not in fixed:
            continue
        if given.type not in TYPES:
            raise SubjectError(f"{at}: input '{given.name}' is {given.type}, which no number fills")
        if sum(not isinstance(size, int) for size in given.shape) > 1:
            raise SubjectError(
                f"{at}: input '{given.name}' leaves several axes open {given.shape}; export it "
                "with all but that of the rows fixed"
            )
        if TYPES[given.type](fixed[given.name]) != fixed[given.name] and "int" in given.type:
            raise SubjectError(f"{at}: input '{given.name}' takes whole numbers")


def load_onnx(
    path: Path, *, role: str, root: Path, fixed: Mapping[str, float] | None = None
) -> OnnxModel:
    """Load a graph and start a session on one thread.

    Args:
        fixed: Value of each input but the rows.

    Raises:
        SubjectError: It is missing, broken or reaches beyond its file, or its inputs are others.
        InputError: ONNX Runtime is not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{path}: ONNX models need the extra `onnx`: pip install 'govprune[onnx]'"
        ) from error
    subject, data = read_subject(path, role=role, root=root)
    try:
        graph = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf raises its own kinds for any broken file
        raise SubjectError(f"{path}: not an ONNX file ({type(error).__name__})") from error
    refuse_reaching_out(graph, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Or the runtime would guess, and could read the bytes as another graph than the one above.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = onnxruntime.InferenceSession(
            data, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime raises its own kinds for any graph
        raise SubjectError(f"{path}: ONNX Runtime refuses it: {str(error)[:300]}") from error
    refuse_unfit(session.get_inputs(), fixed or {}, str(path))
    return OnnxModel(
        role=role, session=session, tensors=tensors_of(graph, path), weights=subject,
        fixed=fixed or {}, remarks=said_fixed(fixed or {}),
    )  # fmt: skip


def said_fixed(fixed: Mapping[str, float]) -> tuple[str, ...]:
    """Say which inputs have one value for every row."""
    values = ", ".join(f"{name} = {value:g}" for name, value in fixed.items())
    return (f"takes the same for every row: {values}",) if values else ()
