"""What the step saved, counted in the file that ships, against what it claims.

Sparsity and bits are counted over weight matrices (tensors of two or more dimensions): biases and
normalisation are not what compression claims are about.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..measurements import Exact, Figure, Measurement
from ..models import Model
from ..records import Record
from .base import Case, Check, NoParams

if TYPE_CHECKING:
    import torch


class Contents(Record):
    """What a weights file holds."""

    weights: int
    zeros: int
    bits: float
    """Per weight, averaged."""
    size: int
    """Bytes of the file."""
    masks: int

    @property
    def sparsity(self) -> float:
        """Share of weights that are zero."""
        return self.zeros / self.weights if self.weights else 0.0


def contents(model: Model) -> Contents:
    """Count weights, zeros and bits."""
    matrices = {n: t for n, t in model.tensors.items() if _is_weight(n, t)}
    weights = sum(t.numel() for t in matrices.values())
    return Contents(
        weights=weights,
        zeros=sum(int((_effective(n, t, model.tensors) == 0).sum()) for n, t in matrices.items()),
        bits=sum(t.numel() * t.element_size() * 8 for t in matrices.values()) / max(weights, 1),
        size=model.weights.size,
        masks=sum(_mask_of(name) in model.tensors for name in model.tensors),
    )


def _is_weight(name: str, tensor: "torch.Tensor") -> bool:
    return tensor.ndim >= 2 and not name.endswith(("_mask", "_scale"))


def _mask_of(name: str) -> str | None:
    """Name of the pruning mask that torch.nn.utils.prune keeps beside `..._orig`."""
    return f"{name.removesuffix('_orig')}_mask" if name.endswith("_orig") else None


def _effective(
    name: str, tensor: "torch.Tensor", tensors: "dict[str, torch.Tensor]"
) -> "torch.Tensor":
    mask = tensors.get(_mask_of(name) or "")
    return tensor if mask is None else tensor * mask


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Count both files and compare with the claim."""
    before, after = contents(case.baseline), contents(case.candidate)
    errors = dict(_errors(case, before, after))
    worst = max(errors, key=lambda name: errors[name], default=None)
    notes = [f"{name}: off by {100 * error:.2f} %" for name, error in errors.items()]
    yield _exact(
        "claim-error",
        errors[worst] if worst else 0.0,
        after.weights,
        *(notes or ["the step claims no number for sparsity, bits or size"]),
    )
    saved = (
        after.sparsity > before.sparsity + 0.005
        or after.bits < 0.99 * before.bits
        or after.size < 0.99 * before.size
        or after.weights < 0.99 * before.weights
    )
    yield _exact("compressed", float(saved), after.weights)
    yield _exact("masks-left", after.masks, after.weights)
    yield _exact("sparsity", after.sparsity, after.weights)
    yield _exact("bits-per-weight", after.bits, after.weights)
    yield Figure(
        check="compression-claim",
        title="What the files hold",
        columns=("", "baseline", "candidate", "claimed"),
        rows=_rows(case, before, after),
    )


def _errors(case: Case, before: Contents, after: Contents) -> Iterator[tuple[str, float]]:
    claim = case.step.claim
    if claim.sparsity is not None:
        # Relative to what is kept: 90 % claimed and 89 % found is 10 % more weights than claimed.
        kept = max(1.0 - claim.sparsity, 1e-12)
        yield "sparsity", abs((1.0 - after.sparsity) - kept) / kept
    if claim.bits is not None:
        yield "bits per weight", abs(after.bits - claim.bits) / claim.bits
    if claim.size_ratio is not None:
        ratio = after.size / before.size
        # A smaller file than claimed breaks no promise.
        yield "file size", max(ratio - claim.size_ratio, 0.0) / claim.size_ratio


def _rows(case: Case, before: Contents, after: Contents) -> tuple[tuple[str, ...], ...]:
    claim = case.step.claim

    def claimed(value: float | None, text: str) -> str:
        return "" if value is None else text.format(value)

    return (
        ("weights", f"{before.weights:,}", f"{after.weights:,}", ""),
        (
            "zero weights",
            f"{before.sparsity:.1%}",
            f"{after.sparsity:.1%}",
            claimed(claim.sparsity, "{:.1%}"),
        ),
        (
            "bits per weight",
            f"{before.bits:.1f}",
            f"{after.bits:.1f}",
            claimed(claim.bits, "{:.1f}"),
        ),
        (
            "file, bytes",
            f"{before.size:,}",
            f"{after.size:,}",
            claimed(claim.size_ratio, "× {:.2f}"),
        ),
    )


def _exact(metric: str, value: float, n: int, *notes: str) -> Measurement:
    return Measurement(
        check="compression-claim", metric=metric, basis=Exact(value=value, n=n), notes=notes
    )


COMPRESSION_CLAIM = Check(id="compression-claim", params=NoParams, measure=measure)
