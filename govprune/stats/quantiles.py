"""Which of n ordered values bound a quantile, whatever the distribution they come from."""


def quantile_ranks(
    n: int, quantile: float, *, tail: float = 0.025
) -> tuple[int | None, int | None]:
    """Return the ranks (1 is the smallest value) of the order statistics that bound a quantile.

    Of n independent values, how many lie below the quantile is binomial, so the value of rank l
    lies above it with the chance that fewer than l do (Conover 1999, section 3.2). Nothing is
    assumed of the distribution.

    Args:
        n: Independent values.
        quantile: In (0, 1); 0.99 is the 99th percentile.
        tail: Chance, on each side, that the bound is on the wrong side; 0.025 makes 95 %.

    Returns:
        The largest rank that bounds it from below and the smallest that bounds it from above;
        None where n values are too few for any.
    """
    from scipy.stats import binom

    low = int(binom.ppf(tail, n, quantile))
    # The distribution function steps over `tail` at `low`: fewer than `low` below is rarer.
    high = int(binom.ppf(1.0 - tail, n, quantile)) + 1
    return (low if low >= 1 else None), (high if high <= n else None)
