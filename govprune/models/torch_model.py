"""A torch module with the weights file it ships as.

What is judged is what ships: a model is always evaluated from its weights file, whose digest is
taken from the very bytes that were loaded. Only safetensors are read; a pickle runs code.
"""

import copy
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..job import ModelFiles
from ..subjects import InputKind, Subject, expect, read_subject
from .base import logits
from .onnx_model import finite
from .resize import resize
from .stored import masks_applied, restore

if TYPE_CHECKING:
    import torch

BATCH = 8192
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".th")


@dataclass(frozen=True)
class TorchModel:
    """A module in evaluation mode, its tensors as they lie in the file, and its files."""

    role: str
    module: "torch.nn.Module"
    tensors: "dict[str, torch.Tensor]"
    """Exactly what the weights file holds."""
    weights: Subject
    code: Subject | None
    kind: str = "a torch module"
    remarks: tuple[str, ...] = ()
    """What a reader should know of how it is made."""
    takes: tuple[InputKind, ...] = ("numbers",)
    unsafe: str | None = None
    classes: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Subject, ...]:
        """Every file that ships."""
        return (self.weights,)

    def logits(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Score rows as a classifier.

        Args:
            features: Shape (rows, features).

        Returns:
            Shape (rows, classes). A single output z is read as the two logits [0, z].

        Raises:
            SubjectError: The module fails, or gives NaN or infinite scores.
        """
        return logits(self.outputs(features))

    def outputs(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return what the module says, shape (rows, outputs); raises as `logits` does."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(features), BATCH):
                rows = torch.from_numpy(features[start : start + BATCH])
                try:
                    parts.append(columns_of(self.module(rows)).double().numpy())
                except Exception as error:  # the user's module may raise anything
                    raise SubjectError(
                        f"the {self.role} cannot score {features.shape[1]} features: "
                        f"{first_line(error)}"
                    ) from error
        return finite(np.concatenate(parts), self.role, self.weights.name)

    def untrained(self, *, seed: int) -> "torch.nn.Module":
        """Return the same architecture with fresh random weights: a control that knows nothing."""
        import torch

        fresh = copy.deepcopy(self.module)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for part in fresh.modules():
                if callable(reset := getattr(part, "reset_parameters", None)):
                    reset()
        return fresh


def two_columns(output: object) -> "torch.Tensor":
    """Return logits of shape (rows, classes); a single column z becomes [0, z]."""
    import torch

    columns = columns_of(output)
    if columns.shape[1] == 1:
        columns = torch.cat([torch.zeros_like(columns), columns], dim=1)
    return columns


def columns_of(output: object) -> "torch.Tensor":
    """Return outputs of shape (rows, outputs); a row of single values becomes one column."""
    import torch

    if not isinstance(output, torch.Tensor):
        raise TypeError(f"the module returns {type(output).__name__}, not a tensor of logits")
    if output.ndim == 1:
        output = output.unsqueeze(1)
    if output.ndim != 2:
        raise ValueError(f"the module returns shape {tuple(output.shape)}, not (rows, classes)")
    return output


def load_torch(files: ModelFiles, *, role: str, root: Path) -> TorchModel:
    """Build the module with its factory and load its weights file.

    Raises:
        SubjectError: A file is missing or unsafe, the factory fails, or the weights do not fit.
    """
    import torch

    if files.code is None:
        raise SubjectError(
            f"{root / files.weights}: holds tensors and no structure; name the Python file that "
            f"builds the module under {role}.code"
        )
    path = root / files.code
    code, source = read_subject(path, role=f"{role}-code", root=root)
    module = run_factory(path, source, files.factory)
    if not isinstance(module, torch.nn.Module):
        raise SubjectError(
            f"{path}: {files.factory}() returned {type(module).__name__}, not a module"
        )
    model = fill(module, root / files.weights, role=role, root=root, code=code)
    expect(model.weights, files.sha256)
    return model


def from_module(module: "torch.nn.Module", weights: Path, *, role: str, root: Path) -> TorchModel:
    """Load a weights file into a copy of a module that is already in memory."""
    return fill(copy.deepcopy(module), weights, role=role, root=root, code=None)


def fill(
    module: "torch.nn.Module", weights: Path, *, role: str, root: Path, code: Subject | None
) -> TorchModel:
    """Load a weights file into a module, strictly."""
    subject, tensors = read_weights(weights, role=role, root=root)
    try:
        state = tensors if set(module.state_dict()) == set(tensors) else masks_applied(tensors)
        cut = resize(module, state)
        missing, unexpected = restore(module, state)
    except (RuntimeError, TypeError) as error:
        detail = str(error).splitlines()[-1].strip()
        raise SubjectError(f"{weights}: does not fit the {role}'s module: {detail}") from error
    if missing or unexpected:
        what = f"lacks '{missing[0]}'" if missing else f"holds '{unexpected[0]}', unknown to it"
        raise SubjectError(
            f"{weights}: does not fit the {role}'s module: {what}. Another factory may be meant "
            f"({role}.factory){_quantised_hint(tensors)}"
        )
    module.eval().requires_grad_(requires_grad=False)
    _take_float32(module)
    return TorchModel(
        role=role, module=module, tensors=tensors, weights=subject, code=code,
        remarks=(*_cut(cut), *_deprecated(module)),
    )  # fmt: skip


def _take_float32(module: "torch.nn.Module") -> None:
    """Have a module of another floating type take the rows it is given, as a server would."""
    import torch

    types = {p.dtype for p in module.parameters() if p.is_floating_point()}
    if len(types) != 1 or torch.float32 in types:
        return
    (own,) = types

    def cast(_module: "torch.nn.Module", given: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            value.to(own)
            if isinstance(value, torch.Tensor) and value.is_floating_point()
            else value
            for value in given
        )

    module.register_forward_pre_hook(cast)


def _quantised_hint(tensors: "dict[str, torch.Tensor]") -> str:
    if not any(name.endswith(".qdata") for name in tensors):
        return ""
    return (
        ": the weights are quantised, so it must quantise the module it builds in the same way "
        "(for torchao: quantize_(module, config))"
    )


def _cut(names: tuple[str, ...]) -> tuple[str, ...]:
    return (f"{len(names)} tensors are smaller than the code builds them",) if names else ()


def _deprecated(module: "torch.nn.Module") -> tuple[str, ...]:
    old = sorted(
        {
            type(part).__name__
            for part in module.modules()
            if type(part).__module__.startswith("torch.ao.nn.")
        }
    )
    if not old:
        return ()
    return (
        f"{', '.join(old)} of torch.ao.quantization, which torch has deprecated; torchao and pt2e "
        "take its place",
    )


def read_weights(path: Path, *, role: str, root: Path) -> "tuple[Subject, dict[str, torch.Tensor]]":
    """Read a safetensors file from the bytes that are hashed.

    Raises:
        SubjectError: It is missing, a pickle, or broken.
    """
    import safetensors
    import safetensors.torch

    if path.suffix.lower() in PICKLES:
        raise SubjectError(
            f"{path}: a pickled checkpoint can run code when it is loaded; refused. Write it as "
            "safetensors: safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
        )
    subject, data = read_subject(path, role=role, root=root)
    try:
        return subject, safetensors.torch.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise SubjectError(f"{path}: not a safetensors file ({error})") from error


def run_factory(path: Path, source: bytes, factory: str, *given: object) -> Any:
    """Run the user's Python file and call its factory with what is given.

    Args:
        path: Where the file lies.
        source: The bytes that were digested. They are what runs: no compiled copy is looked for.
        factory: Name of a function in it.

    Raises:
        SubjectError: The function is missing, or the file or the function fails; names the line.
    """
    name = f"govprune_model_{abs(hash(str(path.resolve())))}"
    loaded = ModuleType(name)
    loaded.__file__ = str(path)
    sys.modules[name] = loaded  # dataclasses and pickles look their module up
    try:
        exec(compile(source, str(path), "exec"), loaded.__dict__)  # noqa: S102 as the job says
        build: Callable[..., Any] | None = getattr(loaded, factory, None)
        made = build(*given) if callable(build) else None
    except (Exception, SystemExit) as error:  # the user's code may raise anything, or leave
        raise SubjectError(
            f"{_place(path, error)}: {first_line(error)} (while building the model)"
        ) from error
    if not callable(build):
        raise SubjectError(f"{path}: no function '{factory}'; name one under `factory:`")
    return made


def _place(path: Path, error: BaseException) -> str:
    """Name the line of the user's file that an error came through."""
    if isinstance(error, SyntaxError):
        return f"{path}:{error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def first_line(error: BaseException) -> str:
    """Name an error and what it says first."""
    kind, text = type(error).__name__, str(error).strip()
    return f"{kind}: {text.splitlines()[0]}" if text else kind
