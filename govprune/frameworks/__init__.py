"""Control catalogues, and what the findings of a gate contribute to each control.

A check evidences or supports a control; it never satisfies one. That is for people to say.
"""

from .controls import Catalogue, Control, catalogue, check_controls
from .matrix import Coverage, Framework, coverage

__all__ = [
    "Catalogue",
    "Control",
    "Coverage",
    "Framework",
    "catalogue",
    "check_controls",
    "coverage",
]
