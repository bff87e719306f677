"""Whether every weight of the candidate is explained by the baseline.

A weight is explained when it is bit-equal to the baseline's, zero (pruned), the same number in a
shorter type (cast), within half a step of it on a declared grid (quantised), or one of the
channels that were kept (structured). Anything else was trained, or tampered with: then the data
that did it must be declared. What a program or graph does with its weights is not compared.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import CheckError
from ..measurements import Exact, Figure, Measurement
from ..models.grids import Grid, grids, is_nameless
from ..models.stored import masks_applied
from .base import Case, Check, NoParams
from .folded_norms import unfolded
from .sliced_tensors import Kept, of_sliced
from .tensor_origins import Origin, of_grid, of_plain, unexplained

if TYPE_CHECKING:
    import torch


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Compare the two files tensor by tensor."""
    for model in (case.baseline, case.candidate):
        if not model.tensors:
            raise CheckError(f"the {model.role} is {model.kind}, which cannot be looked into")
    found = origins(
        case.baseline.tensors,
        case.candidate.tensors,
        same_kind=case.baseline.kind == case.candidate.kind,
    )
    if not found.in_common:
        raise CheckError(
            f"the baseline is {case.baseline.kind}, the candidate {case.candidate.kind}: their "
            "tensors have no names in common. Gate the export by itself, then what was done to it"
        )
    found.tensors.sort(key=lambda item: item[0])
    strange = sum(origin.strange for _, _, origin in found.tensors)
    declared = bool(case.fine_tuning)
    how = _in_words(strange, found.total, declared=declared)
    notes = [_located(name, n, o) for name, n, o in found.tensors if o.strange]
    yield Measurement(
        check="derivation",
        metric="unexplained-weights",
        basis=Exact(value=strange, n=found.total),
        notes=(how, *notes[:10]),
    )
    yield Measurement(
        check="derivation",
        metric="undeclared-retraining",
        basis=Exact(value=float(strange > 0 and not declared), n=found.total),
        notes=(how, *notes[:3]),
    )
    yield Figure(
        check="derivation",
        title="Where each tensor comes from",
        columns=("tensor", "values", "explained as"),
        rows=tuple((name, f"{n:,}", origin.how) for name, n, origin in found.tensors[:200]),
    )


@dataclass
class Origins:
    """Where the tensors of a file come from."""

    total: int
    """Values in the candidate's file."""
    in_common: int = 0
    """Tensors whose names both files have."""
    tensors: list[tuple[str, int, Origin]] = field(default_factory=list)
    """Name, values and origin."""


def origins(
    before: "dict[str, torch.Tensor]", after: "dict[str, torch.Tensor]", *, same_kind: bool = True
) -> Origins:
    """Explain the tensors of a candidate's file by those of its baseline's.

    Args:
        same_kind: Whether both models are of one form; another one may lay a square matrix out
            with rows and columns exchanged.
    """
    base_grids, baseline = grids(masks_applied(before))
    candidate_grids, candidate = grids(masks_applied(after))
    _named_by_fit(candidate_grids, candidate, baseline)
    baseline = unfolded(baseline, candidate, candidate_grids)
    found = Origins(sum(t.numel() for t in candidate.values())
                    + sum(g.stored.numel() for g in candidate_grids.values()))  # fmt: skip
    kept = Kept()
    # Matrices first: what they say of channels explains the biases beside them.
    for name, tensor in sorted(baseline.items(), key=lambda item: -item[1].ndim):
        origin = _explain(name, tensor, candidate, candidate_grids, kept, same_kind=same_kind)
        found.in_common += name in candidate or name in candidate_grids
        found.tensors.append((name, tensor.numel(), origin))
    crossed = kept.crossed()
    found.tensors = [
        (name, n, _of_other_channels(candidate[name]) if name in crossed else origin)
        for name, n, origin in found.tensors
    ]
    for name, grid in base_grids.items():
        found.in_common += name in candidate_grids
        found.tensors.append(
            (name, grid.stored.numel(), _same_grid(grid, candidate_grids.get(name)))
        )
    known = baseline.keys() | base_grids.keys()
    added = {name: grid.stored.numel() for name, grid in candidate_grids.items()}
    added |= {name: tensor.numel() for name, tensor in candidate.items()}
    for name in sorted(added.keys() - known):
        neutral = name in candidate and _is_neutral(name, candidate[name])
        how = "says nothing (a scale of 1, a zero of 0)" if neutral else "not in the baseline"
        found.tensors.append((name, added[name], Origin(how, 0 if neutral else added[name])))
    return found


def _named_by_fit(
    grids_found: "dict[str, Grid]",
    candidate: "dict[str, torch.Tensor]",
    baseline: "dict[str, torch.Tensor]",
) -> None:
    """Give nameless grids the names of the weights they fit best, of those of their shape."""
    missing = [n for n in baseline if n not in candidate and n not in grids_found]
    for name in [name for name in grids_found if is_nameless(name)]:
        grid = grids_found[name]
        fitting = {
            other: of_grid(baseline[other], grid).strange
            for other in missing
            if tuple(baseline[other].shape) == grid.shape
        }
        if fitting:
            best = min(fitting, key=lambda other: fitting[other])
            grids_found[best] = grids_found.pop(name)
            missing.remove(best)


def _explain(
    name: str,
    base: "torch.Tensor",
    candidate: "dict[str, torch.Tensor]",
    candidate_grids: "dict[str, Grid]",
    kept: Kept,
    *,
    same_kind: bool,
) -> Origin:
    grid, other = candidate_grids.get(name), candidate.get(name)
    given = other if grid is None else grid
    if given is None:
        return unexplained("missing", base.numel())
    shape = tuple(given.shape)
    ways = []
    if shape == tuple(base.shape):
        ways.append(_same_shape(name, base, other, grid))
    by_runtime = grid is not None and grid.parts[0].endswith("_quantized")
    if (
        base.ndim == 2
        and shape == tuple(base.T.shape)
        and (not ways or (ways[0].strange and (by_runtime or not same_kind)))
    ):
        turned = _same_shape(name, base.T, other, grid)
        ways.append(replace(turned, how=f"{turned.how}, rows and columns exchanged"))
    if not ways and other is not None:
        ways.append(of_sliced(name, base, other, kept))
    unlike = unexplained("of another shape", math.prod(shape))
    return min(ways, key=lambda origin: origin.strange, default=unlike)


def _same_shape(
    name: str, base: "torch.Tensor", other: "torch.Tensor | None", grid: Grid | None
) -> Origin:
    if grid is not None and not base.is_floating_point():
        return unexplained(f"on a grid, of whole numbers ({base.dtype})", base.numel())
    if grid is not None:
        return of_grid(base, grid)
    if other is None:
        return unexplained("neither weights nor a grid", base.numel())
    return of_plain(base, other, zeroable=not name.endswith(("running_mean", "running_var")))


def _of_other_channels(tensor: "torch.Tensor") -> Origin:
    how = "cut, but it reads other channels than those that were kept before it"
    return unexplained(how, tensor.numel())


def _same_grid(before: Grid, after: Grid | None) -> Origin:
    """Explain weights that were on a grid before the step: nothing may have moved."""
    values = before.stored.numel()
    if after is None:
        return unexplained("missing", values)
    zeros = (before.zero, after.zero)
    same = before.stored.shape == after.stored.shape and before.stored.dtype == after.stored.dtype
    same &= before.scale.dtype == after.scale.dtype and before.scale.equal(after.scale)
    same &= (zeros[0] is None) == (zeros[1] is None)
    same &= zeros[0] is None or zeros[1] is None or zeros[0].equal(zeros[1])
    if not same:
        return unexplained("on another grid", values)
    moved = (before.stored != after.stored) & (after.integers() != 0)
    strange = int(moved.sum())
    if not strange:
        return Origin("kept on its grid, or zeroed")
    first = tuple(int(i) for i in moved.nonzero()[0]) if moved.ndim else ()
    return Origin(f"moved on its grid ({strange:,} values)", strange, first)


def _is_neutral(name: str, tensor: "torch.Tensor") -> bool:
    """Whether this is the grid of an output that is not quantised, as torch.ao leaves behind."""
    if tensor.numel() != 1:
        return False
    value = float(tensor)
    return (name.endswith(".scale") and value == 1) or (name.endswith(".zero_point") and value == 0)


def _in_words(strange: int, total: int, *, declared: bool) -> str:
    if not strange:
        return "every value is kept, zeroed, cast, rounded or cut from the baseline"
    share = f"{strange:,} of {total:,} values are neither kept, zeroed, rounded nor cut"
    if declared:
        return f"re-trained: {share}; the data that touched the weights is declared"
    return f"{share}, and no data that could have changed them is declared"


def _located(name: str, values: int, origin: Origin) -> str:
    if not origin.first:
        return f"{name}: {origin.how}"
    at = ", ".join(map(str, origin.first))
    return f"{name}: {origin.strange:,} of {values:,} values, first at [{at}]"


DERIVATION = Check(id="derivation", params=NoParams, measure=measure)
