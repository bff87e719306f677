"""Intervals as pure functions of counts. Nothing here knows a model, a policy or a file."""

from . import estimates as _estimates  # registers the limits of its bases
from . import resampled as _resampled  # as above
from .limits import estimate, lower, n_of, p_above, p_below, upper

__all__ = ["estimate", "lower", "n_of", "p_above", "p_below", "upper"]

del _estimates, _resampled
