"""Whether the same features decide.

Two models can agree on every answer for different reasons. Each row's answer is split over the
features by Integrated Gradients (Sundararajan, Taly & Yan 2017), in both models, and the two
orders of importance are compared. Both models are asked the same question, "what speaks for the
class that the baseline predicts?": asking each about its own answer would compare explanations of
two different things wherever an answer flipped.
"""

import importlib
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ..data.slices import printable
from ..errors import CheckError
from ..measurements import Figure, Measurement, Undefined
from ..models import TorchModel
from ..models.torch_model import two_columns
from ..records import Record
from .base import Case, Check, Codes, moments

FEWEST_FEATURES = 3
"""With two features a rank correlation can only be -1 or 1."""
MOST_UNDEFINED = 0.05
"""Share of rows without an order of importance above which nothing is said."""
BATCH = 16_384
"""Rows times steps given to a model at once."""
TOP = 10

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class ExplanationParams(Record):
    """Parameters of the explanation stability check."""

    rows: int = Field(default=2000, ge=50)
    """Evaluation rows explained, drawn once."""
    steps: int = Field(default=32, ge=2, le=1000)
    """Points between the reference and the row at which the gradient is taken."""


def measure(case: Case, params: ExplanationParams) -> Iterator[Measurement | Figure]:
    """Explain a sample of rows by both models and compare the orders of importance."""
    models = case.modules
    if len(case.data.names) < FEWEST_FEATURES:
        raise CheckError(
            f"{len(case.data.names)} features: an order of importance needs {FEWEST_FEATURES}"
        )
    picked = case.sample(params.rows)
    rows, asked = case.data.features[picked], case.baseline_scores.predictions[picked]
    mean = case.data.features.mean(axis=0, dtype=np.float64).astype(np.float32)
    explained = [
        np.abs(attributions(model, rows, mean, asked, steps=params.steps, seed=case.seed))
        for model in models
    ]
    agreement = rank_correlations(*explained)
    _refuse_flat(models, explained, agreement)
    for name, chosen in case.slices():
        yield _agreement(name, agreement[chosen[picked]])
    yield _most_important(case.data.names, explained, params.steps)


def attributions(
    model: TorchModel,
    rows: npt.NDArray[np.float32],
    reference: npt.NDArray[np.float32],
    asked: Codes,
    *,
    steps: int,
    seed: int,
) -> Floats:
    """Integrated Gradients of one class's logit above their mean, from a reference to each row.

    A softmax ignores what is added to all logits alike, so that is not to be explained either.

    Args:
        model: In evaluation mode.
        rows: Shape (rows, features).
        reference: Shape (features,).
        asked: The class per row, shape (rows,).
        steps: Points of the Gauss-Legendre rule.
        seed: For a module that draws; the global generators are put back.

    Returns:
        Shape (rows, features).

    Raises:
        CheckError: Captum is not installed, or the model passes no gradient to its input.
    """
    import torch

    def centred(moved: torch.Tensor) -> torch.Tensor:
        logits = two_columns(model.module(moved))
        return logits - logits.mean(dim=1, keepdim=True)

    method = _captum().IntegratedGradients(centred)
    start, size, parts = torch.from_numpy(reference)[None], max(BATCH // steps, 1), []
    with _generators(seed):
        for first in range(0, len(rows), size):
            given = torch.from_numpy(rows[first : first + size]).requires_grad_()
            target = torch.from_numpy(asked[first : first + size].astype(np.int64))
            try:
                found = method.attribute(given, start, target=target, n_steps=steps)
            except Exception as error:  # the user's module may raise anything
                raise CheckError(
                    f"the {model.role} passes no gradient from its logits to its features "
                    f"({type(error).__name__}), as 8-bit kernels and detached tensors do: give a "
                    "dequantised copy, or drop the rule with a reason"
                ) from error
            parts.append(found.detach().double().numpy())
    found = np.concatenate(parts)
    if not np.isfinite(found).all():
        raise CheckError(f"the {model.role} gives NaN or infinite gradients")
    return np.asarray(found)


def rank_correlations(first: Floats, second: Floats) -> Floats:
    """Spearman's rank correlation per row, ties averaged; NaN where a row is constant.

    Args:
        first: Shape (rows, features).
        second: The same.

    Returns:
        Shape (rows,), from -1 to 1.
    """
    from scipy.stats import rankdata

    a, b = (rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (first, second))
    scale = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
    products = np.einsum("ij,ij->i", a, b)
    whole = np.full(len(a), np.nan)
    return np.asarray(np.clip(np.divide(products, scale, out=whole, where=scale > 0), -1.0, 1.0))


def _refuse_flat(models: tuple[TorchModel, ...], explained: list[Floats], found: Floats) -> None:
    """Refuse where too many rows have no order of importance at all."""
    if np.isnan(found).mean() <= MOST_UNDEFINED:
        return
    flat = [np.ptp(values, axis=1) == 0 for values in explained]
    worst = int(flat[1].sum() > flat[0].sum())
    raise CheckError(
        f"the {models[worst].role} attributes the same to every feature on "
        f"{int(flat[worst].sum())} of {len(found)} rows, as a model without gradients or a "
        "constant one does; there is no order of importance to compare"
    )


def _agreement(name: str, values: Floats) -> Measurement:
    defined = values[~np.isnan(values)]
    left_out = len(values) - len(defined)
    basis: Any
    if not len(values):
        basis = Undefined(reason="no row of the slice is in the sample: raise rows")
    elif left_out > MOST_UNDEFINED * len(values):
        basis = Undefined(
            reason=f"{left_out} of {len(values)} rows have no order of importance", n=len(values)
        )
    else:
        basis = moments(np.zeros_like(defined), defined, span=1.0)
    return Measurement(
        check="explanation-stability",
        metric="rank-correlation",
        slice=name,
        basis=basis,
        notes=(f"{left_out} of {len(values)} rows left out: all features count the same there",)
        if left_out
        else (),
    )


def _most_important(names: tuple[str, ...], explained: list[Floats], steps: int) -> Figure:
    before, after = (values.mean(axis=0) for values in explained)
    ranks = [np.argsort(np.argsort(-values, kind="stable")) + 1 for values in (before, after)]
    shares = [values / (values.sum() or 1.0) for values in (before, after)]
    return Figure(
        check="explanation-stability",
        title=(
            f"Most important features on {len(explained[0]):,} rows: share of the mean absolute "
            f"attribution, % (Integrated Gradients for the class the baseline predicts, from the "
            f"mean row, {steps} steps)"
        ),
        columns=("feature", "baseline", "candidate", "rank"),
        rows=tuple(
            (
                printable(names[i]),
                f"{100 * shares[0][i]:.1f}",
                f"{100 * shares[1][i]:.1f}",
                f"{ranks[0][i]} → {ranks[1][i]}",
            )
            for i in np.argsort(-before, kind="stable")[:TOP]
        ),
    )


def _captum() -> Any:
    """Import Captum, which draws, with the drawing library's settings in a scratch folder."""
    before = os.environ.get("MPLCONFIGDIR")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["MPLCONFIGDIR"] = scratch
        try:
            return importlib.import_module("captum.attr")
        except ImportError as error:
            raise CheckError(
                f"Captum cannot be imported ({error}): pip install 'govprune[explain]'"
            ) from error
        finally:
            if before is None:
                del os.environ["MPLCONFIGDIR"]
            else:
                os.environ["MPLCONFIGDIR"] = before


@contextmanager
def _generators(seed: int) -> Iterator[None]:
    """Seed the global generators, and put them back as they were."""
    import torch

    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


EXPLANATION_STABILITY = Check(id="explanation-stability", params=ExplanationParams, measure=measure)
