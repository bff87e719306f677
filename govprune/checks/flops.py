"""How many operations one row takes, as the modules run them, by precision.

torch counts matrix products, convolutions and attention from their shapes. It counts none of those
done in integers, which are counted here, as are products spread over more axes than either factor
has: a matrix product in other words. Other element-wise work is not counted, and a weight of zero
costs what any weight costs: what would be saved if zeros were skipped is shown beside it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import CheckError
from ..measurements import Exact, Figure, Measurement
from ..models import TorchModel
from .base import Case, Check, NoParams

if TYPE_CHECKING:
    import torch

INT8 = "8-bit integer"
PRECISIONS = ("64-bit float", "32-bit float", "16-bit float", "8-bit float", INT8, "other")
WEIGHT = {"mm": 1, "addmm": 2, "convolution": 1, "_int_mm": 1, "_weight_int8pack_mm": 1}
"""Which operand is the weight, in the operations that linear and convolutional layers become."""


MANY = 64
"""Rows asked at once, beside a single one: what costs more per row is what counts."""


@dataclass
class Operations:
    """Operations of one model on one row; a multiplication and its addition are two."""

    by_precision: Counter[str] = field(default_factory=Counter)
    effective: int = 0
    """If products with a weight of zero were skipped."""

    @property
    def total(self) -> int:
        """All that were counted."""
        return sum(self.by_precision.values())


class Recorded:
    """A formula of torch's counter that also notes precision and weights of zero."""

    _get_raw = True  # torch's sign for "give me the tensors, not their shapes"

    def __init__(self, name: str, formula: Callable[..., int], seen: Operations, precision: str):
        self.name, self.formula, self.seen, self.precision = name, formula, seen, precision

    def __call__(self, *args: Any, out_val: Any = None, **kwargs: Any) -> int:
        """Count one call of the operation."""
        flops = int(self.formula(*args, out_val=out_val, **kwargs))
        self.seen.by_precision[self.precision or precision_of(args)] += flops
        self.seen.effective += round(flops * _kept(self.name, args))
        return flops


def per_row(model: TorchModel, features: npt.NDArray[np.float32]) -> Operations:
    """Count for a single row and for many at once; return the larger number per row."""
    one, given = count(model, features[:1]), features[:MANY]
    many = count(model, given)
    if many.total <= one.total * len(given):
        return one
    shared = Counter({p: -(-n // len(given)) for p, n in many.by_precision.items()})
    return Operations(shared, -(-many.effective // len(given)))


def count(model: TorchModel, row: npt.NDArray[np.float32]) -> Operations:
    """Let the module answer rows, shape (rows, features), at once, and count."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode, flop_registry

    seen = Operations()
    known = dict(flop_registry) | {op: formula for op, (formula, _) in _integer_formulas().items()}
    fixed = {op: precision for op, (_, precision) in _integer_formulas().items()}
    mapping = {
        op: Recorded(_name(op), formula, seen, fixed.get(op, "")) for op, formula in known.items()
    }
    counter = FlopCounterMode(display=False, custom_mapping=mapping)
    with torch.inference_mode(), _unfused(), counter:
        model.module(torch.from_numpy(row))
    return seen


@contextmanager
def _unfused() -> Iterator[None]:
    """Take attention and recurrent layers apart: fused, each is one operation without a formula."""
    import torch

    attention, recurrent = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    torch.backends.mha.set_fastpath_enabled(False)
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # torch types the descriptor
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(attention)
        torch.backends.mkldnn.enabled = recurrent  # a descriptor, as above


def _name(op: Any) -> str:
    return str(getattr(op, "__name__", op))


def _integer_formulas() -> dict[Any, tuple[Callable[..., int], str]]:
    """Formulas torch's counter lacks, each with its precision; empty where the operands say it."""
    import torch
    from torch.utils.flop_counter import flop_registry

    aten, quantized, onednn = torch.ops.aten, torch.ops.quantized, torch.ops.onednn
    products = {
        aten._int_mm: "",  # noqa: SLF001 the operation's name
        # Weights of 8 or 4 bits that are unpacked: the product is done in the input's precision.
        aten._weight_int8pack_mm: "",  # noqa: SLF001 the operation's name
        aten._weight_int4pack_mm_for_cpu: "",  # noqa: SLF001 the operation's name
        quantized.linear: INT8,
        quantized.linear_relu: INT8,
        quantized.linear_dynamic: INT8,
        quantized.linear_relu_dynamic: INT8,
        onednn.qlinear_pointwise: INT8,
    }
    convolutions = (quantized.conv1d, quantized.conv2d, quantized.conv2d_relu, quantized.conv3d)
    attention = flop_registry[aten._scaled_dot_product_flash_attention]  # noqa: SLF001 the operation's name
    return (
        {op: (_product, precision) for op, precision in products.items()}
        | dict.fromkeys(convolutions, (_packed_convolution, INT8))
        | {aten.mul: (_spread, "")}
        | {aten._scaled_dot_product_flash_attention_for_cpu: (attention, "")}  # noqa: SLF001 the operation's name
    )


def _product(left: "torch.Tensor", *args: Any, out_val: "torch.Tensor", **kwargs: Any) -> int:
    return 2 * out_val.numel() * int(left.shape[-1])


def _spread(
    left: Any, right: Any = None, *args: Any, out_val: "torch.Tensor", **kwargs: Any
) -> int:
    """Count products where both factors are repeated; a gate or a scale repeats but one."""
    import torch

    if not (isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor)):
        return 0
    most = max(left.numel(), right.numel())
    return 2 * out_val.numel() if out_val.numel() > most else 0


def _packed_convolution(
    image: "torch.Tensor", packed: Any, *args: Any, out_val: "torch.Tensor", **kwargs: Any
) -> int:
    weight = packed.unpack()[0]
    return 2 * out_val.numel() * int(weight[0].numel())


def precision_of(args: tuple[Any, ...]) -> str:
    """Name the precision a product is done in: that of the widest matrix."""
    import torch

    matrices = [arg for arg in args if isinstance(arg, torch.Tensor) and arg.ndim >= 2]
    floats = [m.element_size() for m in matrices if m.is_floating_point()]
    if floats:
        return f"{8 * max(floats)}-bit float"
    narrow = matrices and all(m.element_size() == 1 for m in matrices)
    return INT8 if narrow else "other"


def _kept(name: str, args: tuple[Any, ...]) -> float:
    """Share of the operation's weights that are not zero; 1 where it has none."""
    import torch

    place = WEIGHT.get(name)
    weight = args[place] if place is not None and place < len(args) else None
    if not isinstance(weight, torch.Tensor) or weight.numel() == 0:
        return 1.0
    return int((weight != 0).sum()) / weight.numel()


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Count both models' operations per row and compare with the claim."""
    claimed = case.step.claim.flops_ratio
    if claimed is None:
        yield _exact("flops-claim-error", 0.0, 0, "the step claims no number of operations")
    rows = case.data.features[:MANY]
    if rows.dtype != np.float32:
        raise CheckError("the models take texts: operations are counted on rows of numbers")
    before, after = (per_row(model, rows) for model in case.modules)
    for model, seen in zip(case.modules, (before, after), strict=True):
        if not seen.total:
            raise CheckError(
                f"the {model.role} does no matrix product, convolution or attention that can be "
                "counted"
            )
    ratio = after.total / before.total
    note = f"{before.total:,} → {after.total:,} operations per row; element-wise work not counted"
    yield _exact("flops-ratio", ratio, after.total, note)
    yield _exact("int8-share", after.by_precision[INT8] / after.total, after.total)
    if claimed is not None:
        # Fewer operations than claimed break no promise.
        error, said = max(ratio - claimed, 0.0) / claimed, f"claimed: {claimed:g} of the baseline's"
        yield _exact("flops-claim-error", error, after.total, said)
    yield _figure(before, after)


def _figure(before: Operations, after: Operations) -> Figure:
    used = [p for p in PRECISIONS if before.by_precision[p] or after.by_precision[p]]
    lines = [(p, before.by_precision[p], after.by_precision[p]) for p in used]
    lines.append(("all", before.total, after.total))
    lines.append(("if zero weights were skipped", before.effective, after.effective))
    return Figure(
        check="flops",
        title="Operations per row, by precision",
        columns=("", "baseline", "candidate"),
        rows=tuple((name, f"{one:,}", f"{other:,}") for name, one, other in lines),
    )


def _exact(metric: str, value: float, n: int, *notes: str) -> Measurement:
    return Measurement(check="flops", metric=metric, basis=Exact(value=value, n=n), notes=notes)


FLOPS = Check(id="flops", params=NoParams, measure=measure)
