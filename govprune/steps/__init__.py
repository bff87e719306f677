"""What was done: wrap any callable `model -> model`, any block of code, or any command."""

from .command import run_steps
from .watch import Wrapped, step, wrap

__all__ = ["Wrapped", "run_steps", "step", "wrap"]
