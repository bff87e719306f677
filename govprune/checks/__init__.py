"""The checks that ship. To add one: write its module, add a line here and in the catalogue."""

from .base import Case, Check, Scores
from .compression_claim import COMPRESSION_CLAIM
from .degenerate_predictor import DEGENERATE_PREDICTOR
from .derivation import DERIVATION
from .evasion import EVASION
from .fairness import FAIRNESS
from .flips import FLIPS
from .gradient_sanity import GRADIENT_SANITY
from .inversion import INVERSION
from .latency import LATENCY
from .membership import MEMBERSHIP
from .pii import PII
from .size import SIZE
from .slice_performance import SLICE_PERFORMANCE

CHECKS: tuple[Check, ...] = (
    SLICE_PERFORMANCE,
    FLIPS,
    FAIRNESS,
    DEGENERATE_PREDICTOR,
    COMPRESSION_CLAIM,
    DERIVATION,
    EVASION,
    GRADIENT_SANITY,
    INVERSION,
    MEMBERSHIP,
    PII,
    SIZE,
    LATENCY,
)

__all__ = ["CHECKS", "Case", "Check", "Scores"]
