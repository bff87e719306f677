"""Right answers that became wrong, and wrong ones that became right, per slice.

Two models with equal accuracy can disagree about a tenth of the people. Where several candidates
of one baseline are given, rows that most of them get wrong and the baseline got right are the
pruning-identified exemplars of Hooker et al. (2019), "What do compressed deep neural networks
forget?": not one candidate's noise, but what compression itself forgets.
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import Field

from ..data import paired_of
from ..measurements import Figure, Measurement, Share
from ..records import Record
from .base import Case, Check, Codes, paired


class FlipsParams(Record):
    """Parameters of the flips check."""

    exemplars: int = Field(default=20, ge=0, le=200)
    """Rows listed, the baseline's most confident first where it has confidence."""


def measure(case: Case, params: FlipsParams) -> Iterator[Measurement | Figure]:
    """Count harm flips and gains per slice, and list the rows that flipped."""
    for name, (harm, gain, note, n) in _flips(case):
        yield Measurement(
            check="flips",
            metric="harm-flip-rate",
            slice=name,
            basis=Share(hits=harm, trials=n),
            notes=(note,) if note else (),
        )
        yield Measurement(
            check="flips", metric="gain-flip-rate", slice=name, basis=Share(hits=gain, trials=n)
        )
    rows = _exemplars(case)
    yield Measurement(
        check="flips",
        metric="exemplar-rate",
        basis=Share(hits=len(rows), trials=len(case.data.labels)),
        notes=(f"modal answer of {1 + len(case.also)} candidates",),
    )
    if params.exemplars and len(rows):
        yield _figure(case, rows[: params.exemplars], len(rows))


def _flips(case: Case) -> Iterator[tuple[str, tuple[int, int, str, int]]]:
    if case.data.profile.task == "multi-label":
        right = [(s.said == case.data.labels).all(axis=1) for s in case.both_scores]
        for name, inside in case.slices():
            basis = paired(right[0][inside], right[1][inside])
            yield name, (basis.baseline_only, basis.candidate_only, "", basis.n)
        return
    for name, table in case.tables.items():
        basis = paired_of(table.per_class().sum(axis=0))
        other = table.changed - basis.baseline_only - basis.candidate_only
        note = f"{other} rows went from one wrong class to another" if table.classes > 2 else ""
        yield name, (basis.baseline_only, basis.candidate_only, note, basis.n)


def _exemplars(case: Case) -> Codes:
    """Rows the baseline gets right and the modal candidate does not, shape (exemplars,)."""
    truth = case.data.labels
    first = case.baseline_scores.said
    right = (first == truth).all(axis=1) if truth.ndim == 2 else first == truth
    candidates = (case.candidate_scores, *case.also)
    # A candidate that misses the truth votes against it; the row is lost where most votes are.
    missed = np.zeros(len(truth), dtype=np.int64)
    for scores in candidates:
        wrong = scores.said != truth
        missed += wrong.any(axis=1) if wrong.ndim == 2 else wrong
    found = np.flatnonzero(right & (2 * missed > len(candidates)))
    if case.baseline_scores.logits is not None and len(found):
        sure = case.baseline_scores.probabilities[found].max(axis=1)
        found = found[np.argsort(-sure, kind="stable")]
    return found


def _figure(case: Case, rows: Codes, total: int) -> Figure:
    """List rows by keyed ids: who holds the data can find them, nobody else."""
    key = case.data.table.key
    truth, classes = case.data.labels, case.data.classes
    confident = case.baseline_scores.logits is not None

    def name(said: Any) -> str:
        if isinstance(said, np.ndarray):
            return ", ".join(c for c, yes in zip(classes, said, strict=True) if yes) or "none"
        return classes[int(said)]

    return Figure(
        check="flips",
        title=f"Exemplars: {len(rows)} of {total:,} rows that became wrong",
        columns=("row", "true", "baseline", "candidate", "baseline's confidence"),
        rows=tuple(
            (
                hmac.new(key, str(int(row) + 1).encode(), hashlib.sha256).hexdigest()[:12],
                *(name(x[row]) for x in (truth, *(s.said for s in case.both_scores))),
                f"{case.baseline_scores.probabilities[row].max():.2f}" if confident else "—",
            )
            for row in rows
        ),
    )


FLIPS = Check(id="flips", params=FlipsParams, measure=measure)
