"""Which link of a chain did the harm, and whether each link did what it says.

All models of the chain answer the same rows, so that every slice's loss divides into what each
link cost it: the parts add up exactly. Which slice is shown is searched for, so this describes a
loss that other rules have judged; it is no test of its own.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .. import stats
from ..measurements import Exact, Figure, Measurement
from ..models.contents import contents
from .base import Case, Check, Link, NoParams, paired
from .derivation import origins

SHOWN = 12
FEWEST = 10
"""Rows below which a class of a slice is not looked at by itself."""
SURE = 0.05
"""Level of the upper limit that slices are ordered by: a sure loss before a large one."""


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Divide the loss of the worst slices among the links."""
    links = case.links
    explained = [_unexplained(link) for link in links]
    declared = [link.step.retrains or (len(links) == 1 and bool(case.fine_tuning))
                for link in links]  # fmt: skip
    broken = [
        f"{link.step.name}: {_words(strange)}, and the step does not say that it re-trains"
        for link, strange, said in zip(links, explained, declared, strict=True)
        # A single step that cannot be compared is for the check derivation to say.
        if not said and (strange or (strange is None and len(links) > 1))
    ]
    yield Measurement(
        check="link-attribution",
        metric="undeclared-links",
        basis=Exact(value=len(broken), n=len(links)),
        notes=tuple(broken),
    )
    right = [link.before[1].predictions == case.data.labels for link in links]
    right.append(case.candidate_scores.predictions == case.data.labels)
    groups = sorted(_groups(case, right), key=lambda group: group[0])[:SHOWN]
    worst = groups[0]
    cost = [paired(right[i][worst[2]], right[i + 1][worst[2]]) for i in range(len(links))]
    which = min(range(len(links)), key=lambda i: stats.estimate(cost[i]))
    yield Measurement(
        check="link-attribution",
        metric="worst-link-change",
        basis=cost[which],
        notes=(f"{links[which].step.name}, on {worst[1]}",),
    )
    yield _made(case, links, explained)
    yield _cost(links, groups, right)


def _words(strange: int | None) -> str:
    if strange is None:
        return "nothing in it has a name that the model before has"
    return f"{strange:,} values do not come from the model before"


def _unexplained(link: Link) -> int | None:
    """Count values that the model before does not explain; None where nothing can be compared."""
    before, after = link.before[0], link.after[0]
    found = origins(before.tensors, after.tensors, same_kind=before.kind == after.kind)
    return sum(origin.strange for _, _, origin in found.tensors) if found.in_common else None


def _groups(
    case: Case, right: list[npt.NDArray[np.bool_]]
) -> Iterator[tuple[float, str, npt.NDArray[np.int64]]]:
    """Yield every slice, and every class in it: how sure its loss is, its name, its rows."""
    for name, inside in case.slices():
        where = "all rows" if name == "all" else name
        yield _group(where, np.flatnonzero(inside), right)
        for i, label in enumerate(case.data.classes):
            rows = np.flatnonzero(inside & (case.data.labels == i))
            if len(rows) >= FEWEST:
                of = f"class {label}" if name == "all" else f"{name}, class {label}"
                yield _group(of, rows, right)


def _group(
    name: str, rows: npt.NDArray[np.int64], right: list[npt.NDArray[np.bool_]]
) -> tuple[float, str, npt.NDArray[np.int64]]:
    # Of the whole way, and of each link: what one link took, a later one may have given back.
    ways = [(right[0], right[-1]), *pairwise(right)]
    return min(stats.upper(paired(a[rows], b[rows]), SURE) for a, b in ways), name, rows


def _made(case: Case, links: tuple[Link, ...], explained: list[int | None]) -> Figure:
    rows = []
    for link, strange in zip(links, explained, strict=True):
        held = contents(link.after[0])
        right = link.after[1].predictions == case.data.labels
        said = "cannot be compared" if strange is None else f"{strange:,}"
        rows.append(
            (
                link.step.name,
                link.step.kind + (", re-trains" if link.step.retrains else ""),
                f"{held.sparsity:.1%}",
                f"{held.bits:.0f}",
                f"{held.size:,}",
                said,
                f"{100 * right.mean():.1f}",
            )
        )
    return Figure(
        check="link-attribution",
        title="What each link made",
        columns=(
            "link", "done by", "zero weights", "bits", "bytes",
            "values not from the model before", "accuracy, %",
        ),
        rows=tuple(rows),
    )  # fmt: skip


def _cost(
    links: tuple[Link, ...],
    groups: list[tuple[float, str, npt.NDArray[np.int64]]],
    right: list[npt.NDArray[np.bool_]],
) -> Figure:
    def points(before: int, after: int, rows: npt.NDArray[np.int64]) -> str:
        return f"{100 * (right[after][rows].mean() - right[before][rows].mean()):+.1f}"

    return Figure(
        check="link-attribution",
        title="What each link cost whom, in points",
        columns=("rows", "n", *(link.step.name for link in links), "in all"),
        rows=tuple(
            (
                name,
                f"{len(rows):,}",
                *(points(i, i + 1, rows) for i in range(len(links))),
                points(0, len(links), rows),
            )
            for _, name, rows in groups
        ),
    )


LINK_ATTRIBUTION = Check(id="link-attribution", params=NoParams, measure=measure)
