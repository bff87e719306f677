"""Intervals as pure functions of counts. Nothing here knows a model, a policy or a file."""

from .limits import estimate, lower, n_of, p_above, p_below, upper

__all__ = ["estimate", "lower", "n_of", "p_above", "p_below", "upper"]
