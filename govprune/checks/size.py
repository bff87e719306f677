"""How large the file that ships is, beside the file it replaces."""

from collections.abc import Iterator

from ..measurements import Exact, Measurement
from .base import Case, Check, NoParams


def measure(case: Case, params: NoParams) -> Iterator[Measurement]:
    """Divide the sizes of the weights files."""
    before, after = case.baseline.weights.size, case.candidate.weights.size
    yield Measurement(
        check="size",
        metric="size-ratio",
        basis=Exact(value=after / before, n=after),
        notes=(f"{before:,} → {after:,} bytes",),
    )


SIZE = Check(id="size", params=NoParams, measure=measure)
