"""Whether every weight of the candidate is explained by the baseline.

A weight is explained when it is bit-equal to the baseline's, zero (pruned), or within half a step
of it on a declared grid (8-bit `name` with `name_scale`). Anything else was trained, or tampered
with: then the data that did it must be declared.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import CheckError
from ..measurements import Exact, Figure, Measurement
from .base import Case, Check, NoParams

if TYPE_CHECKING:
    import torch


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Compare the two files tensor by tensor."""
    if case.baseline.kind != case.candidate.kind:
        raise CheckError(
            f"the baseline is {case.baseline.kind}, the candidate {case.candidate.kind}: their "
            "tensors have no names in common. Gate the export by itself, then what was done to it"
        )
    baseline, candidate = (_plain(m.tensors) for m in (case.baseline, case.candidate))
    total = sum(t.numel() for t in candidate.values())
    rows, notes, unexplained = [], [], 0
    for name, tensor in baseline.items():
        kind, strange = _explain(name, tensor, candidate)
        unexplained += int(strange.sum()) if strange is not None else 0
        if strange is not None and bool(strange.any()):
            notes.append(_located(name, strange))
        rows.append((name, f"{tensor.numel():,}", kind))
    for name in sorted(candidate.keys() - baseline.keys()):
        if not _is_scale(name, baseline, candidate):
            unexplained += candidate[name].numel()
            notes.append(f"{name}: not in the baseline")
            rows.append((name, f"{candidate[name].numel():,}", "not in the baseline"))
    declared = bool(case.fine_tuning)
    how = _in_words(unexplained, total, declared=declared)
    yield Measurement(
        check="derivation",
        metric="unexplained-weights",
        basis=Exact(value=unexplained, n=total),
        notes=(how, *notes[:10]),
    )
    yield Measurement(
        check="derivation",
        metric="undeclared-retraining",
        basis=Exact(value=float(unexplained > 0 and not declared), n=total),
        notes=(how, *notes[:3]),
    )
    yield Figure(
        check="derivation",
        title="Where each tensor comes from",
        columns=("tensor", "values", "explained as"),
        rows=tuple(rows[:200]),
    )


def _is_scale(
    name: str, baseline: "dict[str, torch.Tensor]", candidate: "dict[str, torch.Tensor]"
) -> bool:
    """Whether a new tensor is the step of a grid, and not a factor on weights left as they are."""
    scaled = name.removesuffix("_scale")
    return scaled != name and scaled in baseline and _on_grid(baseline[scaled], candidate, scaled)


def _on_grid(base: "torch.Tensor", candidate: "dict[str, torch.Tensor]", name: str) -> bool:
    """Whether the candidate stores this tensor as 8-bit numbers, less their zero, times a step."""
    import torch

    stored = candidate.get(name)
    return (
        stored is not None
        and stored.dtype in (torch.int8, torch.int16)
        and stored.dtype != base.dtype
        and f"{name}_scale" in candidate
    )


def _in_words(unexplained: int, total: int, *, declared: bool) -> str:
    if not unexplained:
        return "every value is kept, zeroed or rounded from the baseline"
    share = f"{unexplained:,} of {total:,} values are neither kept, zeroed nor rounded"
    if declared:
        return f"re-trained: {share}; the data that touched the weights is declared"
    return f"{share}, and no data that could have changed them is declared"


def _plain(tensors: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """Resolve pruning masks that were left in the file, and ONNX Runtime's zero points."""
    import torch

    state = dict(tensors)
    for name in tensors:
        base = name.removesuffix("_quantized")
        zero = tensors.get(f"{base}_zero_point")
        if base != name and zero is not None and f"{base}_scale" in tensors:
            offset = zero.to(torch.int16).reshape(-1, *(1,) * (tensors[name].ndim - 1))
            state[base] = state.pop(name).to(torch.int16) - (offset if zero.ndim else zero)
            del state[f"{base}_zero_point"]
    for name in tensors:
        base = name.removesuffix("_orig")
        if base != name and f"{base}_mask" in tensors:
            state[base] = state.pop(name) * state.pop(f"{base}_mask")
    return state


def _explain(
    name: str, base: "torch.Tensor", candidate: "dict[str, torch.Tensor]"
) -> "tuple[str, torch.Tensor | None]":
    """Say how a tensor is explained, and which of its values are not."""
    import torch

    if name not in candidate or candidate[name].shape != base.shape:
        kind = "missing" if name not in candidate else "of another shape"
        return kind, torch.ones_like(base, dtype=torch.bool)
    other = candidate[name]
    if _on_grid(base, candidate, name):
        return _rounded(base, other, candidate[f"{name}_scale"])
    if other.dtype != base.dtype:
        return f"of another type ({other.dtype})", torch.ones_like(base, dtype=torch.bool)
    equal = _bits(other) == _bits(base)
    zero = other == 0
    strange = ~(equal | zero)
    if bool(equal.all()):
        return "kept, bit for bit", None
    if not bool(strange.any()):
        pruned = int((zero & ~equal).sum())
        return f"kept or zeroed ({pruned:,} zeroed)", None
    return f"changed ({int(strange.sum()):,} values)", strange


def _rounded(
    base: "torch.Tensor", stored: "torch.Tensor", scale: "torch.Tensor"
) -> "tuple[str, torch.Tensor | None]":
    import torch

    if scale.numel() not in (1, *base.shape[:1]):
        return "of 8 bits with a scale of another shape", torch.ones_like(base, dtype=torch.bool)
    step = scale.double().reshape(-1, *(1,) * (base.ndim - 1))
    # Half a step, and the rounding of one float32 product.
    tolerance = step.abs() * 0.5 * (1 + 1e-5)
    near = (stored.double() * step - base.double()).abs() <= tolerance
    # A grid of infinite step would be near everything.
    strange = ~((near | (stored == 0)) & step.isfinite())
    if not bool(strange.any()):
        return "rounded to 8 bits (within half a step) or zeroed", None
    return f"not the rounded baseline ({int(strange.sum()):,} values)", strange


def _bits(tensor: "torch.Tensor") -> "torch.Tensor":
    """View the bits, so that NaN equals itself and -0.0 is not 0.0."""
    import torch

    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.contiguous().view(integers[tensor.element_size()])


def _located(name: str, strange: "torch.Tensor") -> str:
    first = [int(i) for i in strange.nonzero()[0]] if strange.ndim else []
    at = "[" + ", ".join(str(i) for i in first) + "]"
    return f"{name}: {int(strange.sum()):,} of {strange.numel():,} values, first at {at}"


DERIVATION = Check(id="derivation", params=NoParams, measure=measure)
