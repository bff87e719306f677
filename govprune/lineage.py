"""What was done to the baseline: the steps, what each claims, and when."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, StrictStr

from .errors import EvidenceError
from .records import Number, Record, digest

Digest = Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{64}$")]


class Claim(Record):
    """What a step says it saved. Each number given becomes something to be proved."""

    sparsity: Number | None = Field(default=None, ge=0, le=1)
    """Share of weights that are zero."""

    bits: Number | None = Field(default=None, gt=0, le=64)
    """Bits per weight of the weight matrices."""

    size_ratio: Number | None = Field(default=None, gt=0)
    """File size, candidate / baseline."""

    parameters_ratio: Number | None = Field(default=None, gt=0)
    """Parameters, candidate / baseline: structured pruning takes whole channels out."""

    pattern: Literal["1:4", "2:4", "4:8"] | None = None
    """At most N of every M weights in a row are other than zero, in the matrices pruned."""

    speed_up: Number | None = Field(default=None, gt=0)
    """Latency of one row, baseline / candidate: 2 is half the time."""

    throughput: Number | None = Field(default=None, gt=0)
    """Rows per second in batches, candidate / baseline: 2 is twice as many."""

    flops_ratio: Number | None = Field(default=None, gt=0)
    """Floating-point operations per row as the modules run them, candidate / baseline."""

    memory_ratio: Number | None = Field(default=None, gt=0)
    """Peak memory of loading and answering, candidate / baseline."""

    energy_ratio: Number | None = Field(default=None, gt=0)
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

    materials: tuple[tuple[StrictStr, Digest], ...] = ()
    """Name and SHA-256 of each file that a command was given, before it ran."""
    products: tuple[tuple[StrictStr, Digest], ...] = ()
    """Name and SHA-256 of each file that it wrote."""


class Link(Record):
    """One step of several: what it started from, what it made, and the link before it."""

    step: Step
    parent: Digest
    """Of the model it started from: the baseline, or what the link before made."""
    product: Digest
    """Of the model it made."""
    previous: Digest | None = None
    """Of the record of the link before; None for the first."""


def chain(steps: Sequence[Step], models: Sequence[str]) -> tuple[Link, ...]:
    """Join steps into a chain.

    Args:
        steps: In the order they were done.
        models: Digests of the models before, between and after: one more than steps.
    """
    links: list[Link] = []
    for i, step in enumerate(steps):
        previous = digest(links[-1]) if links else None
        links.append(Link(step=step, parent=models[i], product=models[i + 1], previous=previous))
    return tuple(links)


def refuse_broken(links: Sequence[Link], *, baseline: str, candidate: str) -> None:
    """Refuse a chain that does not lead from the baseline to the candidate, link by link.

    Raises:
        EvidenceError: It does not; names the link.
    """
    parent, previous = baseline, None
    for i, link in enumerate(links, 1):
        if link.parent != parent or link.previous != previous:
            raise EvidenceError(
                f"link {i} of the chain ('{link.step.name}') does not start where the one before "
                "it ended"
            )
        parent, previous = link.product, digest(link)
    if links and parent != candidate:
        raise EvidenceError("the chain does not end at the candidate")
