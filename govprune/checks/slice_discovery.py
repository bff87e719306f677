"""Slices nobody named where right answers became wrong.

Conjunctions of one or more features are searched for harm flips on one random half of the rows,
and the worst of them are tested on the other half, which had no part in choosing them. Only harm
flips count in the search, so that gains of some people do not hide harm to others; the test counts
both, as every other rule on accuracy does.

The search is SliceLine's (Sagadeeva & Boehm 2021): `govprune.stats.slice_line`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ..data import EvaluationData
from ..data.slices import printable
from ..errors import CheckError
from ..measurements import Discoveries, Figure, Measurement, Paired, Tested
from ..records import Record
from ..stats.slice_line import Score, search
from .base import Case, Check, Codes, paired

DISTINCT = 10
"""Different values up to which a feature is taken as it is."""
MOST_LEVELS = 500
"""Single levels that are combined, those that could be worst first."""
MOST_ROWS = 500_000
"""Rows that are searched; the test takes all of its half."""
LONGEST = 80
"""Characters of a level's name."""

Bools = npt.NDArray[np.bool_]


class DiscoveryParams(Record):
    """Parameters of the slice discovery check."""

    depth: int = Field(default=2, ge=1, le=3)
    """Most features in one slice."""
    bins: int = Field(default=4, ge=2, le=10)
    """Parts that a number's range is cut into, equally full on the half that is searched."""
    top: int = Field(default=5, ge=1, le=20)
    """Slices tested on the other half."""
    minimum: int | None = Field(default=None, ge=20)
    """Fewest rows of a slice on the half that is searched; 100 or 1 % of it by default."""


@dataclass(frozen=True)
class Level:
    """The rows whose value lies in an interval: from `low`, below `high`."""

    name: str
    source: int
    """Column of the features, or beyond them a declared slice column."""
    low: float
    high: float

    def rows(self, values: npt.NDArray[Any]) -> Bools:
        """Tell which values lie in it."""
        wide = values.astype(np.float64)
        return np.asarray((wide >= self.low) & (wide < self.high))


# --- levels


def levels_of(
    data: EvaluationData, rows: Codes, harmed: Bools, score: Score, *, bins: int
) -> tuple[list[Level], Bools, bool]:
    """Cut every feature and every declared slice column into levels that are large enough.

    Returns:
        The levels, which of `rows` lie in each, and whether none had to be left out.
    """
    kept: dict[bytes, tuple[float, Level]] = {}
    complete = True
    for source, name, names in _sources(data):
        values = _column(data, source)[rows]
        cuts = _codes(names) if names else _cuts(values, name, bins)
        for level in (Level(text, source, low, high) for text, low, high in cuts):
            inside = level.rows(values)
            if score.minimum <= int(inside.sum()) < len(rows):
                bound = float(score.bound(inside.sum(), inside[harmed].sum()))
                kept.setdefault(np.packbits(inside).tobytes(), (bound, level))
        if len(kept) > 2 * MOST_LEVELS:
            kept, complete = _most_promising(kept), False
    complete &= len(kept) <= MOST_LEVELS
    kept = _most_promising(kept)
    packed = np.array([np.frombuffer(bits, dtype=np.uint8) for bits in kept])
    matrix = np.unpackbits(packed, axis=1, count=len(rows)).T if kept else np.zeros((len(rows), 0))
    return [level for _, level in kept.values()], matrix.astype(bool), complete


def _sources(data: EvaluationData) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield index, name and (of a slice column) levels of what rows can be cut by."""
    # Declared columns first: where two levels hold the same rows, the first lends its name.
    for i, axis in enumerate(data.axes):
        if len(axis.attributes) == 1:
            yield len(data.names) + i, axis.attributes[0], axis.levels
    for i, name in enumerate(data.names if data.inputs == "numbers" else ()):
        yield i, name, ()


def _most_promising(kept: dict[bytes, tuple[float, Level]]) -> dict[bytes, tuple[float, Level]]:
    return dict(sorted(kept.items(), key=lambda item: -item[1][0])[:MOST_LEVELS])


def _codes(names: tuple[str, ...]) -> Iterator[tuple[str, float, float]]:
    return ((name, code, code + 1) for code, name in enumerate(names))


def _cuts(values: npt.NDArray[Any], name: str, bins: int) -> Iterator[tuple[str, float, float]]:
    """Name the levels of one feature, with the interval of each."""
    name = printable(name)
    name = name if len(name) <= LONGEST else name[:LONGEST] + "…"
    distinct, counts = np.unique(values, return_counts=True)
    few, most = len(distinct) <= DISTINCT, distinct[counts.argmax()]
    # A value that fills more than one part on its own is a level, and does not move the others.
    alone = not few and counts.max() * bins > len(values)
    yes_or_no = "=" in name and set(distinct.tolist()) == {0.0, 1.0}
    for value in distinct if few else distinct[distinct == most] if alone else ():
        text = f"{name}={str(np.float32(value)).removesuffix('.0')}"
        if yes_or_no:
            text = name if value else f"not {name}"
        yield text, float(value), float(np.nextafter(np.float32(value), np.float32(inf)))
    if few:
        return
    rest = (values[values != most] if alone else values).astype(np.float64)
    # Four digits: what is printed is the edge that is used, and nobody's exact value.
    edges = [float(f"{e:.4g}") for e in np.quantile(rest, np.arange(1, bins) / bins)]
    edges = sorted(set(edges))
    ends = [f"{edge:g}" for edge in edges]
    yield f"{name} under {ends[0]}", -inf, edges[0]
    yield f"{name} {ends[-1]} and over", edges[-1], inf
    for i in range(len(edges) - 1):
        yield f"{name} {ends[i]} to {ends[i + 1]}", edges[i], edges[i + 1]


# --- the check


def _halves(case: Case) -> tuple[Codes, Codes]:
    """Split the rows in two at random; rows of one cluster stay together."""
    random = np.random.default_rng(case.seed)
    rows = len(case.data.labels)
    if case.data.clusters is None:
        order = random.permutation(rows)
        return order[: rows // 2], order[rows // 2 :]
    first = random.random(int(case.data.clusters.max()) + 1) < 0.5
    order = random.permutation(rows)
    inside = first[case.data.clusters[order]]
    return order[inside], order[~inside]


def measure(case: Case, params: DiscoveryParams) -> Iterator[Measurement | Figure]:
    """Search one half of the rows, test on the other."""
    both = [scores.predictions == case.data.labels for scores in case.both_scores]
    finding, testing = _halves(case)
    finding = finding[:MOST_ROWS]
    minimum = params.minimum or max(100, ceil(len(finding) / 100))
    found = _find(case.data, finding, (both[0] & ~both[1])[finding], minimum, params)
    counts = {
        name: tuple(_count(case.data, parts, both, rows) for rows in (finding, testing))
        for name, parts in found.slices.items()
    }
    # The halves differ by chance: counts of a handful of rows would be about persons.
    counts = {name: c for name, c in counts.items() if 2 * c[1].n >= minimum}
    if not counts:
        counts = {"all": tuple(_count(case.data, [], both, rows) for rows in (finding, testing))}
    yield Measurement(
        check="slice-discovery",
        metric="worst-discovered-slice",
        basis=Discoveries(
            searched=found.searched,
            tested=tuple(
                Tested(
                    slice=name,
                    basis=c[1],
                    design_effect=_design_effect(case.data, found.slices.get(name, []), testing),
                )
                for name, c in counts.items()
            ),
        ),
        notes=(
            f"{found.searched:,} slices looked at on {len(finding):,} rows, those under "
            f"{minimum:,} rows set aside; tested on {len(testing):,} other rows",
            *(() if found.complete else ("too many to look at all of them: best bounds first",)),
        ),
    )
    yield _figure(counts)


@dataclass(frozen=True)
class _Found:
    slices: dict[str, list[Level]]
    searched: int
    complete: bool


def _find(
    data: EvaluationData, rows: Codes, harmed: Bools, minimum: int, params: DiscoveryParams
) -> _Found:
    score = Score(n=len(rows), harmed=max(int(harmed.sum()), 1), minimum=minimum)
    levels, inside, complete = levels_of(data, rows, harmed, score, bins=params.bins)
    if not levels:
        raise CheckError(
            f"no feature and no slice column cuts the {len(rows):,} rows searched into parts of "
            f"{minimum:,} or more: give more rows or columns, or lower "
            "params.slice-discovery.minimum in the policy"
        )
    sources = np.array([level.source for level in levels])
    result = search(inside, sources, harmed, score, depth=params.depth, top=params.top)
    slices = _named([[levels[i] for i in parts] for parts in result.best])
    return _Found(slices, result.searched, complete and result.complete)


def _named(slices: list[list[Level]]) -> dict[str, list[Level]]:
    """Give each slice a name of its own."""
    named: dict[str, list[Level]] = {}
    for parts in slices:
        name = plain = ", ".join(level.name for level in parts)
        again = 1
        while name in named:
            again += 1
            name = f"{plain} ({again})"
        named[name] = parts
    return named


def _inside(data: EvaluationData, parts: list[Level], rows: Codes) -> Bools:
    inside = np.ones(len(rows), dtype=bool)
    for level in parts:
        inside &= level.rows(_column(data, level.source)[rows])
    return inside


def _design_effect(data: EvaluationData, parts: list[Level], rows: Codes) -> float:
    """Rows of the slice that count as one, were all rows of a cluster alike (Kish 1965)."""
    if data.clusters is None:
        return 1.0
    sizes = np.bincount(data.clusters[rows][_inside(data, parts, rows)]).astype(np.float64)
    return max(1.0, float(sizes @ sizes / max(sizes.sum(), 1.0)))


def _count(data: EvaluationData, parts: list[Level], both: list[Bools], rows: Codes) -> Paired:
    inside = _inside(data, parts, rows)
    return paired(both[0][rows][inside], both[1][rows][inside])


def _column(data: EvaluationData, source: int) -> npt.NDArray[Any]:
    width = len(data.names)
    return data.features[:, source] if source < width else data.axes[source - width].codes


def _figure(counts: dict[str, tuple[Paired, ...]]) -> Figure:
    return Figure(
        check="slice-discovery",
        title="Slices found on one half of the rows, and what the other half says of them",
        columns=("slice", "rows searched", "harm flips", "rows tested", "harm flips", "gains"),
        rows=tuple(
            (
                name,
                f"{found.n:,}",
                f"{found.baseline_only:,}",
                f"{tested.n:,}",
                f"{tested.baseline_only:,}",
                f"{tested.candidate_only:,}",
            )
            for name, (found, tested) in counts.items()
        ),
    )


SLICE_DISCOVERY = Check(id="slice-discovery", params=DiscoveryParams, measure=measure)
