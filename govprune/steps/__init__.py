"""What was done: wrap any callable `model -> model`, any block of code, or any command."""

from .command import run_command
from .watch import Wrapped, step, wrap

__all__ = ["Wrapped", "run_command", "step", "wrap"]
