"""What a finding rests on, in words: the counts of each kind of basis, and by which method."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..measurements import Basis, Discoveries, Moments, Paired

METHODS = {
    "paired": (
        "score interval for paired proportions: Tango (1998); harm: its score test with the tail "
        "enumerated, adjusted over slices: Holm (1979)"
    ),
    "share": "exact interval of one proportion: Clopper & Pearson (1934)",
    "normal": (
        "difference of two areas on the same cases: DeLong et al. (1988); as wide at least as one "
        "unseen row of the rarer class would make it"
    ),
    "moments": (
        "mean over rows of the paired difference, Student's t bent for skewness: Hall (1992); as "
        "wide at least as a kind of row that none of these rows showed would make it"
    ),
    "excess": (
        "the slice against all other rows: two Tango intervals joined, MOVER: Zou & Donner (2008)"
    ),
    "discoveries": (
        "found on one half of the rows, tested on the other: Tango (1998); the test of several: "
        "Benjamini & Hochberg (1995)"
    ),
    "log-ratios": (
        "median of interleaved pairs, percentile bootstrap: Efron (1979), 2,000 replicates"
    ),
    "grouped": "Fairlearn's definition on the joint counts, multinomial bootstrap: Efron (1979)",
    "exact": "counted in full; no sampling uncertainty",
    "undefined": "the number does not exist for this slice",
}


def counted(basis: "Basis", alpha: float, unit: str) -> Iterator[str]:
    """Say what was counted, a sentence or two per kind of basis."""
    from ..stats.resampled import group_values

    if basis.kind == "paired":
        yield from _both(basis, alpha, unit)
    elif basis.kind == "share":
        yield f"{basis.hits:,} of {basis.trials:,}"
    elif basis.kind == "normal":
        yield (
            f"baseline {basis.baseline:.4f}, candidate {basis.candidate:.4f}, standard error of "
            f"the difference {basis.standard_error:.4f}; {basis.n:,} rows, {basis.fewer:,} of the "
            "rarer class"
        )
    elif basis.kind == "moments":
        yield _means(basis)
    elif basis.kind == "excess":
        yield f"inside: {_four(basis.inside)}"
        yield f"all others: {_four(basis.outside)}"
    elif basis.kind == "discoveries":
        yield from _found(basis, alpha, unit)
    elif basis.kind == "grouped":
        before, after = (output.number(v, unit).lstrip("+") for v in group_values(basis))
        yield (
            f"baseline {before}, candidate {after}; {len(basis.groups)} groups, {basis.n:,} rows, "
            f"{basis.replicates:,} replicates"
        )
    elif basis.kind == "log-ratios":
        yield f"{basis.n:,} interleaved pairs"
    elif basis.kind == "exact" and basis.n:
        yield f"of {basis.n:,} looked at"


def _four(basis: "Paired") -> str:
    return (
        f"{basis.n:,} rows: both {basis.both:,}, only the baseline {basis.baseline_only:,}, only "
        f"the candidate {basis.candidate_only:,}, neither {basis.neither:,}"
    )


def _both(basis: "Paired", alpha: float, unit: str) -> Iterator[str]:
    """Give the counts, another interval and McNemar's test; the latter two decide nothing."""
    from ..stats.paired import mcnemar_mid_p, newcombe_paired

    yield _four(basis)
    if not basis.n:
        return
    low, high = newcombe_paired(
        basis.both, basis.baseline_only, basis.candidate_only, basis.neither, alpha
    )
    p = mcnemar_mid_p(basis.baseline_only, basis.candidate_only)
    yield (
        f"second opinion: Newcombe (1998) [{output.number(low, unit)}, "
        f"{output.number(high, unit)}]; any change at all: McNemar mid-p {p:.2g}"
    )


def _means(basis: "Moments") -> str:
    return (
        f"mean {basis.baseline:.4g} → {basis.candidate:.4g} over {basis.n:,} rows; the difference "
        f"has standard deviation {basis.variance**0.5:.3g}; one row can make {basis.span:.3g} of it"
    )


def _found(basis: "Discoveries", alpha: float, unit: str) -> Iterator[str]:
    from ..stats import estimate, lower, upper

    yield f"{basis.searched:,} slices were looked at on the other half; tested here:"
    for tested in basis.tested:
        value, low, high = (
            output.number(number, unit)
            for number in (
                estimate(tested.basis), lower(tested.basis, alpha), upper(tested.basis, alpha)
            )
        )  # fmt: skip
        yield (
            f"{tested.slice}: {value} [{low}, {high}], {tested.basis.n:,} rows, harm "
            f"{tested.basis.baseline_only:,}, gains {tested.basis.candidate_only:,}"
        )
