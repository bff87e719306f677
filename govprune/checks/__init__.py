"""The checks that ship. To add one: write its module, add a line here and in the catalogue."""

from .artefact_parity import ARTEFACT_PARITY
from .base import Case, Check, Scores
from .calibration import CALIBRATION
from .compression_claim import COMPRESSION_CLAIM
from .degenerate_predictor import DEGENERATE_PREDICTOR
from .derivation import DERIVATION
from .energy import ENERGY
from .evasion import EVASION
from .explanation_stability import EXPLANATION_STABILITY
from .fairness import FAIRNESS
from .flips import FLIPS
from .flops import FLOPS
from .generalisation_gap import GENERALISATION_GAP
from .gradient_sanity import GRADIENT_SANITY
from .inversion import INVERSION
from .latency import LATENCY
from .layer_attribution import LAYER_ATTRIBUTION
from .link_attribution import LINK_ATTRIBUTION
from .margin_shift import MARGIN_SHIFT
from .membership import MEMBERSHIP
from .memory import MEMORY
from .pii import PII
from .ranking import RANKING
from .regression_error import REGRESSION_ERROR
from .size import SIZE
from .slice_discovery import SLICE_DISCOVERY
from .slice_performance import SLICE_PERFORMANCE

CHECKS: tuple[Check, ...] = (
    SLICE_PERFORMANCE,
    FLIPS,
    FAIRNESS,
    REGRESSION_ERROR,
    RANKING,
    CALIBRATION,
    MARGIN_SHIFT,
    DEGENERATE_PREDICTOR,
    SLICE_DISCOVERY,
    GENERALISATION_GAP,
    EXPLANATION_STABILITY,
    LAYER_ATTRIBUTION,
    LINK_ATTRIBUTION,
    COMPRESSION_CLAIM,
    DERIVATION,
    ARTEFACT_PARITY,
    EVASION,
    GRADIENT_SANITY,
    INVERSION,
    MEMBERSHIP,
    PII,
    SIZE,
    LATENCY,
    FLOPS,
    MEMORY,
    ENERGY,
)

__all__ = ["CHECKS", "Case", "Check", "Scores"]
