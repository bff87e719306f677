"""A fitted scikit-learn estimator: from a .skops file, or by --unsafe-load from a pickle.

A .skops file names types and holds arrays; only types that skops itself trusts are made of it. It
does not trust decision trees, whose files could make scikit-learn read beyond its memory: these,
and whatever else it does not know, are for files whose maker one trusts.
"""

import contextlib
import io
import sys
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, SubjectError
from ..subjects import InputKind, Subject, read_subject
from .base import Floats
from .onnx_model import finite

if TYPE_CHECKING:
    import torch

SAFE, PICKLED = (".skops",), (".joblib", ".pkl", ".pickle")
ESTIMATORS = (*SAFE, *PICKLED)
PLAIN = (
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)
"""Types that skops does not know and that only hold values: no answer depends on them."""
UNPACKED = 4 << 30
"""Most bytes that a .skops file may unpack to."""
SMALLEST = float(np.finfo(np.float64).tiny)
"""What a probability of 0 counts as: its logarithm is finite."""
SEVERAL = "gives several labels at once; gate its answers as predictions"
TIE = 1e-6
"""Difference of scores below which the estimator's own answer may be either class."""


@dataclass(frozen=True)
class ScikitModel:
    """A classifier or regressor, and the arrays it was fitted to."""

    role: str
    estimator: Any
    tensors: "dict[str, torch.Tensor]"
    """Its arrays by the path of attributes, as in `steps.1.1.coef_`."""
    weights: Subject
    classes: tuple[str, ...]
    """In the order of its scores; empty for a regressor."""
    unsafe: str | None = None
    remarks: tuple[str, ...] = ()
    code: None = None
    takes: tuple[InputKind, ...] = ("numbers", "texts")
    _compared: list[bool] = field(default_factory=list, repr=False, compare=False)
    """Holds something once scores were compared with answers."""

    @property
    def kind(self) -> str:
        """What it is, in words."""
        last = getattr(self.estimator, "_final_estimator", self.estimator)
        return f"a scikit-learn {type(last).__name__}"

    @property
    def files(self) -> tuple[Subject, ...]:
        """Every file that ships."""
        return (self.weights,)

    def outputs(self, features: npt.NDArray[Any]) -> Floats:
        """Return its scores: logarithms of probabilities, decision values, or the number it says.

        Args:
            features: Shape (rows, features); of texts, a single column.

        Returns:
            Shape (rows, outputs). Two classes may share one column, which is the logit.

        Raises:
            SubjectError: It fails, gives NaN or infinite scores, or answers otherwise than the
                largest score says.
        """
        if features.dtype.kind in "OU" and features.shape[1] != 1:
            raise SubjectError(f"the {self.role} is {self.kind}: it takes one text per row")
        rows = features[:, 0] if features.dtype.kind in "OU" else features
        try:
            # Some print, and standard output is for the verdict.
            with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
                warnings.simplefilter("ignore")
                said = self._columns(rows)
                if self.classes and not self._compared:
                    self._compare(said, self.estimator.predict(rows))
                    self._compared.append(True)
        except SubjectError:
            raise
        except Exception as error:  # an estimator may raise anything for rows it does not know
            raise SubjectError(
                f"the {self.role} cannot score {features.shape[1]} columns: {_line(error)}"
            ) from error
        return finite(said, self.role, self.weights.name)

    def _columns(self, rows: npt.NDArray[Any]) -> Floats:
        name = scores_by(self.estimator) if self.classes else "predict"
        said = np.asarray(getattr(self.estimator, name)(rows), dtype=np.float64)
        said = said[:, None] if said.ndim == 1 else said
        if said.ndim != 2 or len(said) != len(rows):
            raise SubjectError(
                f"the {self.role}'s {name} gives shape {said.shape} for {len(rows)} rows"
            )
        if not self.classes:
            return said
        if said.shape[1] != len(self.classes) and (said.shape[1], len(self.classes)) != (1, 2):
            raise SubjectError(
                f"the {self.role}'s {name} gives {said.shape[1]} columns for {len(self.classes)} "
                "classes; a support vector machine needs decision_function_shape='ovr'"
            )
        return np.log(np.maximum(said, SMALLEST)) if name == "predict_proba" else said

    def _compare(self, said: Floats, answers: Any) -> None:
        """Demand that the class with the largest score is the one it answers."""
        if said.shape[1] == 1:
            said = np.concatenate([np.zeros_like(said), said], axis=1)
        if np.ndim(answers) != 1:
            raise SubjectError(f"{self.weights.name}: {SEVERAL}")
        index = {name: i for i, name in enumerate(self.classes)}
        answered = np.array([index[_text(value)] for value in np.asarray(answers).tolist()])
        behind = said.max(axis=1) - said[np.arange(len(said)), answered]
        if (other := int((behind > TIE).sum())) > 0:
            raise SubjectError(
                f"the {self.role} answers {other:,} of {len(said):,} rows otherwise than its "
                f"{scores_by(self.estimator)} says (a moved threshold, or calibrated scores "
                "beside the answers): gate its answers as predictions"
            )


def scores_by(estimator: Any) -> str:
    """Name the method that scores classes: probabilities, unless answers come from elsewhere.

    Support vector machines answer by their decision function, also beside probabilities.
    """
    last = getattr(estimator, "_final_estimator", estimator)
    svm = type(last).__module__.startswith("sklearn.svm") and hasattr(last, "decision_function")
    return "predict_proba" if hasattr(estimator, "predict_proba") and not svm else (
        "decision_function"
    )  # fmt: skip


def load_scikit(path: Path, *, role: str, root: Path, unsafe: bool) -> ScikitModel:
    """Load an estimator from the bytes that are digested.

    Args:
        unsafe: Load also pickles, and types that skops does not trust.

    Raises:
        SubjectError: It is missing, broken, unsafe or not fitted, or no classifier or regressor.
        InputError: skops is not installed.
    """
    pickled = path.suffix.lower() in PICKLED
    if pickled and not unsafe:
        raise SubjectError(
            f"{path}: a pickle runs code when it is loaded; refused. Write it with "
            "skops.io.dump(estimator, 'model.skops'). If you trust whoever made it: --unsafe-load, "
            "which the card will say"
        )
    subject, data = read_subject(path, role=role, root=root)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        estimator, risk = _unpickled(data, path) if pickled else _read(data, path, unsafe=unsafe)
    remarks = dict.fromkeys(str(w.message).splitlines()[0][:200] for w in told)
    return ScikitModel(
        role=role, estimator=estimator, tensors=dict(_arrays(estimator)), weights=subject,
        classes=_classes(estimator, path), unsafe=risk, remarks=tuple(remarks),
    )  # fmt: skip


def _unpickled(data: bytes, path: Path) -> tuple[Any, str]:
    import joblib

    try:
        return joblib.load(io.BytesIO(data)), "whose loading can run code that it brings"
    except Exception as error:  # a pickle may raise anything
        raise SubjectError(f"{path}: cannot be loaded ({_line(error)})") from error


def _read(data: bytes, path: Path, *, unsafe: bool) -> tuple[Any, str | None]:
    try:
        import skops.io
    except ImportError as error:
        raise InputError(
            f"{path}: .skops files need the extra `sklearn`: pip install 'govprune[sklearn]'"
        ) from error
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            size = sum(part.file_size for part in parts.infolist())
        unknown = skops.io.get_untrusted_types(data=data) if size <= UNPACKED else []
    except Exception as error:  # skops raises many kinds for a file that was tampered with
        raise SubjectError(f"{path}: not a .skops file ({_line(error)})") from error
    if size > UNPACKED:
        raise SubjectError(f"{path}: unpacks to {size:,} bytes, more than {UNPACKED:,}")
    strange = [name for name in unknown if name not in PLAIN]
    named = ", ".join(strange[:5])[:300]
    if strange and not unsafe:
        raise SubjectError(
            f"{path}: holds {named}, which skops does not trust; refused. If you trust whoever "
            "made it: --unsafe-load, which the card will say"
        )
    try:
        estimator = skops.io.loads(data, trusted=unknown)
    except Exception as error:  # as above, and whatever the types themselves raise
        raise SubjectError(f"{path}: cannot be loaded ({_line(error)})") from error
    return estimator, f"of a file with {named}, which skops does not trust" if strange else None


def _classes(estimator: Any, path: Path) -> tuple[str, ...]:
    """Name the classes; a regressor has none.

    Raises:
        SubjectError: It is neither, is not fitted, or gives several answers at once.
    """
    from sklearn.base import BaseEstimator, is_classifier, is_regressor

    if not isinstance(estimator, BaseEstimator) or not (
        is_classifier(estimator) or is_regressor(estimator)
    ):
        raise SubjectError(f"{path}: holds a {type(estimator).__name__}, no classifier, regressor")
    if is_regressor(estimator):
        return ()
    try:
        found = estimator.classes_
    except AttributeError as error:
        raise SubjectError(f"{path}: the {type(estimator).__name__} is not fitted") from error
    if getattr(estimator, "multilabel_", False) or not isinstance(found, np.ndarray):
        raise SubjectError(f"{path}: gives several labels at once; gate its answers as predictions")
    if not hasattr(estimator, scores_by(estimator)):
        raise SubjectError(
            f"{path}: {type(estimator).__name__} gives classes and no scores; gate its answers as "
            "predictions"
        )
    return tuple(map(_text, found.tolist()))


def _text(value: object) -> str:
    """Write a class as a job would."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _arrays(
    value: Any, path: str = "", seen: frozenset[int] = frozenset()
) -> "Iterator[tuple[str, torch.Tensor]]":
    """Yield every array of numbers that an estimator holds, by its path of attributes."""
    import torch

    if id(value) in seen:
        return
    seen |= {id(value)}
    if isinstance(value, np.ndarray) and value.dtype.names:
        for name in value.dtype.names:
            yield from _arrays(value[name], f"{path}.{name}", seen)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        if value.size and value.dtype.itemsize <= 8:
            own = value.astype(value.dtype.newbyteorder("="))
            yield path, torch.from_numpy(np.array(own, order="C"))
    elif parts := _parts(value):
        for name, part in parts:
            yield from _arrays(part, f"{path}.{name}" if path else name, seen)


def _parts(value: Any) -> Sequence[tuple[str, Any]]:
    """Return what a value of scikit-learn or scipy is made of, by name."""
    if isinstance(value, dict):
        return [(str(name), part) for name, part in value.items()]
    if isinstance(value, list | tuple | np.ndarray):
        items = value.ravel().tolist() if isinstance(value, np.ndarray) else value
        return [(str(i), part) for i, part in enumerate(items)]
    if type(value).__module__ == "sklearn.tree._tree":
        return [(n, getattr(value, n)) for n in ("feature", "threshold", "value")]
    if type(value).__module__.split(".")[0] in ("sklearn", "scipy"):
        return list(getattr(value, "__dict__", {}).items())
    return ()


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
