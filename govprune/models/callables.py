"""Any callable that a Python file makes of digested bytes: a model of a framework unknown here.

The factory is given the bytes, not the place, so that what answers is made of what was digested.
What else its code reads and runs is up to that code: it is for authors one trusts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import SubjectError
from ..job import ModelFiles
from ..model_files import folder_subjects
from ..model_folder import digest_model
from ..subjects import InputKind, Subject, expect, read_subject
from .base import Floats
from .hugging_face import Folder
from .onnx_model import finite
from .torch_model import BATCH, first_line, run_factory

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class CallableModel:
    """A function from rows to scores, of which nothing else is known."""

    role: str
    answer: Callable[[npt.NDArray[Any]], Any]
    weights: Subject
    files: tuple[Subject, ...]
    """What the factory was given: the file, or the folder and every file in it."""
    code: Subject
    kind: str = "a callable"
    unsafe: str = "whose code decides what it reads and runs beside its file"
    tensors: "dict[str, torch.Tensor]" = field(default_factory=dict)
    """None: it shows none."""
    classes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    takes: tuple[InputKind, ...] = ("numbers", "texts")

    def outputs(self, features: npt.NDArray[Any]) -> Floats:
        """Return what it says, shape (rows, outputs); a row of single values is one column.

        Args:
            features: Shape (rows, features). It is given copies, of at most 8,192 rows.

        Raises:
            SubjectError: It fails, says something of another shape, or NaN or infinite scores.
        """
        parts = [
            self._columns(features[start : start + BATCH].copy())
            for start in range(0, len(features), BATCH)
        ]
        if len({part.shape[1] for part in parts}) != 1:
            raise SubjectError(f"the {self.role} gives more columns for some rows than for others")
        return finite(np.concatenate(parts), self.role, self.weights.name)

    def _columns(self, rows: npt.NDArray[Any]) -> Floats:
        count, width = rows.shape
        try:
            said = np.array(self.answer(rows), dtype=np.float64)
        except (Exception, SystemExit) as error:  # the author's code may raise anything, or leave
            raise SubjectError(
                f"the {self.role} cannot score {width} features: {first_line(error)}"
            ) from error
        said = said[:, None] if said.ndim == 1 else said
        if said.ndim != 2 or len(said) != count:
            raise SubjectError(
                f"the {self.role} gives shape {said.shape} for {count} rows; it must be "
                "(rows, outputs)"
            )
        return said


def load_callable(files: ModelFiles, *, role: str, root: Path, unsafe: bool) -> CallableModel:
    """Run the code that was named and have its factory make a function of the digested bytes.

    The factory is given the bytes of the file; of a folder, its files' bytes by name.

    Raises:
        SubjectError: Nobody allowed it, a file is missing, or the code fails.
    """
    path = root / files.weights
    if not unsafe:
        raise SubjectError(
            f"{path}: what a callable reads and runs is up to its code; refused. If you trust "
            "whoever wrote it: --unsafe-load, which the card will say"
        )
    subjects, given = _read(path, role=role, root=root)
    expect(subjects[0], files.sha256)
    at = root / (files.code or "")  # ModelFiles demands it
    code, source = read_subject(at, role=f"{role}-code", root=root)
    answer = run_factory(at, source, files.factory, given)
    if not callable(answer):
        raise SubjectError(
            f"{at}: {files.factory}() returned {type(answer).__name__}, which nobody can call "
            "with rows"
        )
    return CallableModel(role=role, answer=answer, weights=subjects[0], files=subjects, code=code)


def _read(
    path: Path, *, role: str, root: Path
) -> tuple[tuple[Subject, ...], bytes | dict[str, bytes]]:
    if path.is_symlink() or not path.is_dir():
        subject, data = read_subject(path, role=role, root=root)
        return (subject,), data
    manifest = digest_model(path)
    subjects = folder_subjects(manifest, path, role=role, root=root)
    folder = Folder(path=path, role=role, manifest=manifest, subjects=subjects)
    return subjects, {file.name: folder.read(file.name) for file in manifest.files}
