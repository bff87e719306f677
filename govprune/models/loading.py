"""Load a model by what its file is."""

from pathlib import Path

from ..errors import SubjectError
from ..job import ModelFiles
from ..subjects import expect
from .base import Model
from .onnx_model import load_onnx
from .programs import PROGRAMS, load_program
from .torch_model import load_torch


def load(files: ModelFiles, *, role: str, root: Path, unsafe: bool = False) -> Model:
    """Load a model: .safetensors with the code that builds the module, .onnx, .pt2 or .ts.

    Args:
        unsafe: Load also what can run code of its own.

    Raises:
        SubjectError: A file is missing or unsafe, or does not fit; says which and why.
    """
    path = root / files.weights
    kind = path.suffix.lower()
    if kind == ".onnx" or kind in PROGRAMS:
        if files.code is not None:
            raise SubjectError(
                f"{path}: brings its own structure; leave {role}.code out, nothing would run it"
            )
        model: Model = (
            load_onnx(path, role=role, root=root)
            if kind == ".onnx"
            else load_program(path, role=role, root=root, unsafe=unsafe)
        )
        expect(model.weights, files.sha256)
        return model
    return load_torch(files, role=role, root=root)
