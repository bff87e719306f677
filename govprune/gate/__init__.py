"""The one place where the pieces meet: step, subjects, plan, measure, judge, seal."""

from .card import render_card
from .line import EXIT_CODES, Gated, Progress
from .planned import sign_plan
from .start import gate_step, plan_only, run

__all__ = [
    "EXIT_CODES",
    "Gated",
    "Progress",
    "gate_step",
    "plan_only",
    "render_card",
    "run",
    "sign_plan",
]
