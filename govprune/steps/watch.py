"""Wrap a compression step in Python.

The baseline is written to a weights file, and so digested, before the step runs: pruning and
quantisation change modules in place. The candidate is written when the step ends; the file, not
the object in memory, is what is judged and what ships.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SubjectError
from ..lineage import Claim, Step
from ..models import TorchModel
from ..models.stored import flatten, masks_applied, save_weights
from ..models.torch_model import fill
from ..subjects import describe

if TYPE_CHECKING:
    import torch

FOLDER = Path(".govprune/steps")


@dataclass
class Wrapped:
    """A step that is being, or has been, watched."""

    name: str
    model: "torch.nn.Module"
    """The baseline, for the step to work on; it may be changed in place."""
    folder: Path
    claim: Claim
    description: str
    retrains: bool
    candidate: "torch.nn.Module | None" = None
    """What the step made. Set it inside the `with` block."""
    after: "Wrapped | None" = None
    """The step whose candidate this one starts from."""
    started: str = ""
    finished: str = ""
    _before: "torch.nn.Module | None" = field(default=None, repr=False)
    _digest: str = field(default="", repr=False)
    """SHA-256 of the baseline's file, taken before the step ran."""
    _made: str = field(default="", repr=False)
    """SHA-256 of the candidate's file, taken when the step ended."""

    @property
    def record(self) -> Step:
        """What was done, as evidence."""
        return Step(
            name=self.name,
            kind="callable",
            description=self.description,
            claim=self.claim,
            retrains=self.retrains,
            started=self.started,
            finished=self.finished,
        )

    @property
    def earlier(self) -> "tuple[Wrapped, ...]":
        """The steps before this one, the first first."""
        return () if self.after is None else (*self.after.earlier, self.after)

    def models(self) -> tuple[TorchModel, TorchModel]:
        """Load baseline and candidate back from the files the step wrote."""
        if self._before is None or not self.finished:
            raise SubjectError(f"step '{self.name}' has not finished; gate it after the with block")
        root = self.folder
        baseline = fill(
            copy.deepcopy(self._before), root / "baseline.safetensors",
            role="baseline", root=root, code=None,
        )  # fmt: skip
        if baseline.weights.sha256 != self._digest:
            raise SubjectError(
                f"{root / 'baseline.safetensors'}: changed while step '{self.name}' ran; "
                "a step leaves the baseline's file alone"
            )
        candidate = fill(
            self._shell(), root / "candidate.safetensors", role="candidate", root=root, code=None
        )
        if candidate.weights.sha256 != self._made:
            raise SubjectError(
                f"{root / 'candidate.safetensors'}: changed after step '{self.name}' ended; later "
                "steps need folders of their own"
            )
        return baseline, candidate

    def _shell(self) -> "torch.nn.Module":
        """A module for the candidate's weights: the old architecture unless it changed."""
        before, after = self._before, self.candidate
        if before is None or after is None:
            raise SubjectError(f"step '{self.name}' made no candidate")
        kinds, made = (
            {n: (t.shape, t.dtype) for n, t in masks_applied(flatten(m.state_dict())).items()}
            for m in (before, after)
        )
        # A module with pruning hooks cannot be copied, but its weights fit the old architecture.
        same = type(before) is type(after) and kinds == made
        return _copy(before if same else after, self.name)


@contextmanager
def step(
    model: "torch.nn.Module",
    *,
    name: str,
    claim: Claim | Mapping[str, float] | None = None,
    description: str = "",
    retrains: bool = False,
    folder: Path | str | None = None,
    after: Wrapped | None = None,
) -> Iterator[Wrapped]:
    """Watch a compression step.

    Args:
        model: The baseline. Digested before the block runs.
        name: Kebab-case name of the step.
        claim: What the step says it saves, e.g. `{"sparsity": 0.9}`.
        retrains: Whether it changes weights with data.
        folder: Where the two weights files go; `.govprune/steps/NAME` by default.
        after: The step before, where this one goes on from what that one made. The chain is then
            gated as a whole, against the baseline of the first.

    Example:
        >>> with govprune.step(model, name="prune-90", claim={"sparsity": 0.9}) as s:
        ...     s.candidate = prune(s.model)
        >>> with govprune.step(s.candidate, name="tune", retrains=True, after=s) as t:
        ...     t.candidate = tune(t.model)

    Raises:
        SubjectError: The block set no candidate, the model cannot be copied, or it is not what the
            step before made.
    """
    made = claim if isinstance(claim, Claim) else Claim.model_validate(dict(claim or {}))
    place = Path(folder) if folder is not None else FOLDER / name
    place.mkdir(parents=True, exist_ok=True)
    wrapped = Wrapped(name, model, place, made, description, retrains, after=after)
    wrapped._before = _copy(model, name)  # noqa: SLF001 its own constructor, in two parts
    baseline = save_weights(model, place / "baseline.safetensors")
    wrapped._digest = describe(baseline, role="baseline", root=place).sha256  # noqa: SLF001 as above
    if after is not None:
        _refuse_another_start(wrapped, after)
    wrapped.started = _now()
    yield wrapped
    if wrapped.candidate is None:
        raise SubjectError(
            f"step '{name}' made no candidate: set `s.candidate = ...` inside the with block"
        )
    candidate = save_weights(wrapped.candidate, place / "candidate.safetensors")
    wrapped._made = describe(candidate, role="candidate", root=place).sha256  # noqa: SLF001 as above
    wrapped.finished = _now()


def _refuse_another_start(step: Wrapped, before: Wrapped) -> None:
    """Refuse a step that does not go on from what the one before made."""
    if step.name in {before.name, *(link.name for link in before.earlier)}:
        raise SubjectError(f"two links of the chain have the same name: '{step.name}'")
    if before._made != step._digest:  # noqa: SLF001 of the same class
        raise SubjectError(
            f"step '{step.name}' starts from another model than '{before.name}' made; pass its "
            "candidate on as it is"
        )


def wrap(
    *,
    name: str,
    claim: Claim | Mapping[str, float] | None = None,
    description: str = "",
    retrains: bool = False,
    folder: Path | str | None = None,
    after: Wrapped | None = None,
) -> (
    "Callable[[Callable[[torch.nn.Module], torch.nn.Module]], Callable[[torch.nn.Module], Wrapped]]"
):
    """Decorate a callable `model -> model` so that calling it gives a watched step.

    Example:
        >>> @govprune.wrap(name="prune-90", claim={"sparsity": 0.9})
        ... def compress(model): ...
        >>> govprune.gate_step(compress(model), policy="credit", ...)
    """

    def decorate(
        function: "Callable[[torch.nn.Module], torch.nn.Module]",
    ) -> "Callable[[torch.nn.Module], Wrapped]":
        @wraps(function)
        def watched(model: "torch.nn.Module") -> Wrapped:
            said = description or (function.__doc__ or "").strip().split("\n")[0]
            with step(
                model,
                name=name,
                claim=claim,
                description=said,
                retrains=retrains,
                folder=folder,
                after=after,
            ) as wrapped:
                wrapped.candidate = function(wrapped.model)
            return wrapped

        return watched

    return decorate


def _copy(module: "torch.nn.Module", name: str) -> "torch.nn.Module":
    try:
        return copy.deepcopy(module)
    except RuntimeError as error:
        # torch copies no tensor that was computed, and a masked weight is computed.
        raise SubjectError(
            f"step '{name}': a module that still carries pruning masks cannot be copied; make "
            "them final first with torch.nn.utils.prune.remove"
        ) from error


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
