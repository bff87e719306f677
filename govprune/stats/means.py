"""Mean of a per-row difference from its first three moments.

Hall (1992), "On the removal of skewness by transformation", Journal of the Royal Statistical
Society B 54, 221-228: Student's statistic is bent by a monotone cubic so that skewness cancels to
second order, as a BCa bootstrap does, and no row has to be kept. A so far unseen kind of row is
allowed for: n rows without it still leave it a share of 1 - alpha^(1/n). What the rows seen leave
open and what the unseen could add are independent, so their widths add as squares (as in Zou &
Donner 2008); the larger of the two alone is too narrow where both matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cbrt, hypot, inf, isfinite, sqrt

import numpy as np
import numpy.typing as npt

FEWEST = 10
"""Rows below which nothing is said."""


@dataclass(frozen=True)
class Central:
    """Number of values, mean, sum of squares and sum of cubes about the mean. They add up."""

    n: int
    mean: float
    squares: float
    cubes: float

    @classmethod
    def of(cls, values: npt.NDArray[np.float64]) -> "Central":
        """Compute from values of shape (n,)."""
        if not len(values):
            return cls(0, 0.0, 0.0, 0.0)
        mean = float(values.mean())
        off = values - mean
        return cls(len(values), mean, float(off @ off), float((off * off) @ off))

    def __add__(self, other: "Central") -> "Central":
        """Moments of both sets of values together (Pebay 2008)."""
        if not self.n or not other.n:
            return self if self.n else other
        n, gap = self.n + other.n, other.mean - self.mean
        squares = self.squares + other.squares + gap * gap * self.n * other.n / n
        cubes = (
            self.cubes
            + other.cubes
            + gap * gap * gap * self.n * other.n * (self.n - other.n) / n**2
            + 3.0 * gap * (self.n * other.squares - other.n * self.squares) / n
        )
        return Central(n, self.mean + gap * other.n / n, squares, cubes)

    @property
    def variance(self) -> float:
        """With n - 1; 0 for a single value."""
        return self.squares / (self.n - 1) if self.n > 1 else 0.0

    @property
    def third(self) -> float:
        """Third central moment."""
        return self.cubes / self.n if self.n else 0.0


def mean_lower(central: Central, *, span: float, alpha: float, design_effect: float = 1.0) -> float:
    """Lower confidence limit of the mean at one-sided level `alpha`; -inf below ten rows.

    Args:
        central: Moments of the differences.
        span: The largest difference that one row can make, in either direction.
        design_effect: Rows that count as one independent row.
    """
    from scipy.special import stdtrit

    n = central.n / design_effect
    if n < FEWEST:
        return -inf
    t = float(stdtrit(n - 1, 1.0 - alpha))
    # With as many degrees of freedom as there are independent rows.
    deviation = sqrt(central.squares / central.n * n / (n - 1))
    bent = t
    if deviation > 0.0:
        # One division after the other: the cube of a tiny deviation is 0, of a huge one no float.
        g = central.third / deviation / deviation / deviation / sqrt(n)
        if not isfinite(g):
            return -inf
        bent = t if abs(g) < 1e-8 else 3.0 / g * (cbrt(1.0 + g * (t - g / 6.0)) - 1.0)
    # Bent or not, whichever is wider: a limit is never too optimistic for having few tails seen.
    seen = deviation / sqrt(n) * max(bent, t)
    # An unseen row may lie a whole span beyond 0, wherever the mean is.
    reach = span + max(central.mean, 0.0)
    return central.mean - hypot(seen, unseen(n, alpha) * reach)


def mean_upper(central: Central, *, span: float, alpha: float, design_effect: float = 1.0) -> float:
    """Upper confidence limit of the mean at one-sided level `alpha`; inf below ten rows."""
    mirrored = Central(central.n, -central.mean, central.squares, -central.cubes)
    return -mean_lower(mirrored, span=span, alpha=alpha, design_effect=design_effect)


def unseen(n: float, alpha: float) -> float:
    """Largest share that a kind of row can have which n rows did not show, at level `alpha`."""
    return float(1.0 - alpha ** (1.0 / n)) if n > 0 else 1.0


def mover(
    inside: tuple[float, float, float], outside: tuple[float, float, float]
) -> tuple[float, float]:
    """Limits of the difference of two independent estimates from the limits of each.

    Zou & Donner (2008), "Construction of confidence limits about effect measures: a general
    approach", Statistics in Medicine 27, 1693-1702.

    Args:
        inside: Estimate, lower and upper limit.
        outside: The same of what is subtracted.
    """
    (a, a_low, a_high), (b, b_low, b_high) = inside, outside
    return (
        a - b - sqrt((a - a_low) ** 2 + (b_high - b) ** 2),
        a - b + sqrt((a_high - a) ** 2 + (b - b_low) ** 2),
    )


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Adjust p-values for the false discovery rate (Benjamini & Hochberg 1995), in their order."""
    order = sorted(range(len(ps)), key=lambda i: -ps[i])
    adjusted, running = [1.0] * len(ps), 1.0
    for position, i in enumerate(order):
        running = min(running, ps[i] * len(ps) / (len(ps) - position))
        adjusted[i] = running
    return adjusted
