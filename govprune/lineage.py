"""What was done to the baseline: the step, what it claims, and when."""

from typing import Literal

from pydantic import Field, FiniteFloat, StrictStr

from .records import Record


class Claim(Record):
    """What a step says it saved. Each number given becomes something to be proved."""

    sparsity: FiniteFloat | None = Field(default=None, ge=0, le=1)
    """Share of weights that are zero."""

    bits: FiniteFloat | None = Field(default=None, gt=0, le=64)
    """Bits per weight of the weight matrices."""

    size_ratio: FiniteFloat | None = Field(default=None, gt=0)
    """File size, candidate / baseline."""

    speed_up: FiniteFloat | None = Field(default=None, gt=0)
    """Latency of one row, baseline / candidate: 2 is half the time."""

    throughput: FiniteFloat | None = Field(default=None, gt=0)
    """Rows per second in batches, candidate / baseline: 2 is twice as many."""

    flops_ratio: FiniteFloat | None = Field(default=None, gt=0)
    """Floating-point operations per row as the modules run them, candidate / baseline."""

    memory_ratio: FiniteFloat | None = Field(default=None, gt=0)
    """Peak memory of loading and answering, candidate / baseline."""

    energy_ratio: FiniteFloat | None = Field(default=None, gt=0)
    """Energy per prediction, candidate / baseline."""


class Step(Record):
    """One compression step (in-toto: materials -> command -> products)."""

    name: StrictStr = Field(min_length=1, max_length=200)
    kind: Literal["callable", "command", "artefacts", "predictions"]
    """Wrapped in Python, run as a command, or judged after the fact from two artefacts or from
    what two models said."""

    description: StrictStr = ""
    command: StrictStr | None = None
    claim: Claim = Claim()
    retrains: bool = False
    """Whether it says that it changed weights with data (fine-tuning, distillation)."""

    started: StrictStr | None = None
    """RFC 3339, UTC; None where the step was not watched."""
    finished: StrictStr | None = None
