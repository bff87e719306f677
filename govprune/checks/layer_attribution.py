"""Which layer's compression did the harm: one layer of the baseline put back at a time.

The rows that were hurt most are taken (one slice and class), and each layer of the candidate in
turn gets the baseline's weights back. How much of what those rows lost returns is that layer's
share. Shares need not add up: layers that failed together recover together.
"""

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import Field

from .. import stats
from ..errors import CheckError
from ..measurements import Figure, Measurement, Paired
from ..models import TorchModel
from ..models.stored import flatten
from ..records import Record
from .base import Case, Check, paired

if TYPE_CHECKING:
    import torch

Bools = npt.NDArray[np.bool_]


class AttributionParams(Record):
    """Parameters of the layer-attribution check."""

    minimum: int = Field(default=100, ge=1)
    """Fewest rows of a slice and class to be looked at."""
    layers: int = Field(default=200, ge=1)
    """Most layers put back; more are refused rather than left out."""


def measure(case: Case, params: AttributionParams) -> Iterator[Measurement | Figure]:
    """Put each layer back and count what the hurt rows regain."""
    baseline, candidate = case.modules
    layers = changed_layers(baseline, candidate)
    if len(layers) > params.layers:
        raise CheckError(
            f"{len(layers)} layers changed; raise params.layer-attribution.layers to put each back"
        )
    where, hurt, lost = _worst(case, params.minimum)
    rows = case.data.features[hurt]
    truth = case.data.labels[hurt]
    before = case.candidate_scores.predictions[hurt] == truth
    after = dict(_put_back(baseline, candidate, layers, rows, truth))
    regained = {name: paired(before, right) for name, right in after.items()}
    best = max(regained, key=lambda name: stats.estimate(regained[name]))
    yield Measurement(
        check="layer-attribution",
        metric="regained-by-one-layer",
        basis=regained[best],
        notes=(f"{best}, put back for {where}",),
    )
    yield Figure(
        check="layer-attribution",
        title=f"What {where} regain when one layer is put back ({len(hurt):,} rows, "
        f"{-100 * lost:.1f} points lost)",
        columns=("layer", "weights", "points regained", "of what was lost"),
        rows=tuple(
            (
                name,
                f"{sum(baseline.tensors[key].numel() for key in layers[name]):,}",
                f"{100 * stats.estimate(regained[name]):+.1f}",
                f"{stats.estimate(regained[name]) / -lost:.0%}",
            )
            for name in sorted(regained, key=lambda name: -stats.estimate(regained[name]))
        ),
    )


def changed_layers(baseline: TorchModel, candidate: TorchModel) -> dict[str, tuple[str, ...]]:
    """Group the tensors that changed by the layer they belong to.

    Raises:
        CheckError: The files hold different tensors, so that none can be put back, or equal ones.
    """
    import torch

    before, after = (flatten(m.module.state_dict()) for m in (baseline, candidate))
    if {n: t.shape for n, t in before.items()} != {n: t.shape for n, t in after.items()} or any(
        before[n].dtype != after[n].dtype for n in before
    ):
        raise CheckError(
            "the candidate's tensors have other names, shapes or types than the baseline's: no "
            "layer can be put back into it"
        )
    layers: dict[str, tuple[str, ...]] = {}
    for name, tensor in before.items():
        if not torch.equal(tensor, after[name]):
            layer = name.rpartition(".")[0] or name
            layers[layer] = (*layers.get(layer, ()), name)
    if not layers:
        raise CheckError("no layer changed")
    return layers


def _worst(case: Case, minimum: int) -> tuple[str, npt.NDArray[np.int64], float]:
    """Find the slice and class whose rows surely lost most: its name, its rows, its loss."""
    right = [s.predictions == case.data.labels for s in case.both_scores]
    found: list[tuple[float, str, npt.NDArray[np.int64], float]] = []
    for name, inside in case.slices():
        for i, label in enumerate(case.data.classes):
            rows = np.flatnonzero(inside & (case.data.labels == i))
            basis: Paired = paired(right[0][rows], right[1][rows])
            if basis.n >= minimum and stats.estimate(basis) < 0:
                sure = stats.upper(basis, 0.05)
                found.append((sure, f"{name}, class {label}", rows, stats.estimate(basis)))
    if not found:
        raise CheckError(f"no slice and class with {minimum} rows lost anything")
    _, where, rows, lost = min(found, key=lambda item: item[0])
    return where, rows, lost


def _put_back(
    baseline: TorchModel,
    candidate: TorchModel,
    layers: dict[str, tuple[str, ...]],
    rows: npt.NDArray[np.float32],
    truth: npt.NDArray[np.int64],
) -> Iterator[tuple[str, Bools]]:
    """Yield each layer with what is right once the baseline's is in the candidate's place."""
    mixed = copy.deepcopy(candidate.module)
    before, after = (m.module.state_dict() for m in (baseline, candidate))
    for name, keys in layers.items():
        mixed.load_state_dict({key: before[key] for key in keys}, strict=False)
        yield name, _right(mixed, rows, truth)
        mixed.load_state_dict({key: after[key] for key in keys}, strict=False)


def _right(
    module: "torch.nn.Module", rows: npt.NDArray[np.float32], truth: npt.NDArray[np.int64]
) -> Bools:
    import torch

    from ..models.torch_model import two_columns

    with torch.inference_mode():
        said = two_columns(module(torch.from_numpy(rows))).argmax(dim=1).numpy()
    return np.asarray(said == truth)


LAYER_ATTRIBUTION = Check(id="layer-attribution", params=AttributionParams, measure=measure)
