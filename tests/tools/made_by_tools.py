"""What a tool made of a world's baseline, as a job names it."""

from dataclasses import dataclass, field

from tool_worlds import World
from torch import nn

import govprune


@dataclass(frozen=True)
class Made:
    """What a tool made, as the job names it."""

    candidate: dict[str, object]
    baseline: dict[str, object] = field(
        default_factory=lambda: {"code": "model.py", "weights": "dense.safetensors"}
    )
    claim: dict[str, object] = field(default_factory=dict)
    retrains: bool = False
    unsafe: bool = False


def saved(module: nn.Module, world: World, factory: str = "build", **more) -> Made:
    govprune.save_weights(module, world.root / "candidate.safetensors")
    files = {"code": "model.py", "factory": factory, "weights": "candidate.safetensors"}
    return Made(files, **more)
