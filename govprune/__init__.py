"""Decide, with evidence, whether a compressed model may replace the model it came from."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import EvidenceError, GovpruneError, PolicyError, PromotionRefused
    from .gate import Gated, gate_step, run
    from .lineage import Claim
    from .models import save_weights
    from .promotion import promote, rollback
    from .steps import Wrapped, step, wrap

__version__ = "0.1.0"

# Where each public name lives; loaded on first use, so that `import govprune` stays light.
_HOMES = {
    "Claim": "lineage",
    "EvidenceError": "errors",
    "Gated": "gate",
    "GovpruneError": "errors",
    "PolicyError": "errors",
    "PromotionRefused": "errors",
    "Wrapped": "steps",
    "gate_step": "gate",
    "promote": "promotion",
    "rollback": "promotion",
    "run": "gate",
    "save_weights": "models",
    "step": "steps",
    "wrap": "steps",
}

__all__ = [
    "Claim",
    "EvidenceError",
    "Gated",
    "GovpruneError",
    "PolicyError",
    "PromotionRefused",
    "Wrapped",
    "__version__",
    "gate_step",
    "promote",
    "rollback",
    "run",
    "save_weights",
    "step",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'govprune' has no attribute {name!r}")
    return getattr(import_module(f"govprune.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
