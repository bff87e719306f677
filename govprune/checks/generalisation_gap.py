"""Whether compression added overfitting, or took some away.

A model that is better on the rows it was trained on than on others has learnt some of them by
heart. The gap is accuracy on training rows minus accuracy on evaluation rows; both models answer
the same rows, so its change is the change on training rows in excess of that on evaluation rows.
"""

from collections.abc import Iterator

from ..data import Scores
from ..errors import CheckError
from ..measurements import Excess, Figure, Measurement, Paired
from ..models import logits
from .base import Case, Check, NoParams, paired


def measure(case: Case, params: NoParams) -> Iterator[Measurement | Figure]:
    """Count right answers of both models on training and on evaluation rows."""
    models = (case.baseline, case.candidate)
    if case.members is None:
        raise CheckError(
            "no training rows are declared: name the data that trained or fine-tuned the models "
            "under fine_tuning, with the same label and feature columns"
        )
    features, labels = case.members
    trained = (Scores.of_logits(logits(model.outputs(features))) for model in models)
    inside = paired(*(scores.predictions == labels for scores in trained))
    outside = paired(*(scores.predictions == case.data.labels for scores in case.both_scores))
    yield Measurement(
        check="generalisation-gap",
        metric="gap-change",
        basis=Excess(inside=inside, outside=outside),
        notes=(
            f"the training rows are the {inside.n:,} that are declared; rows that are declared "
            "and were not trained on hide overfitting",
        ),
    )
    yield _gaps(inside, outside)


def _gaps(inside: Paired, outside: Paired) -> Figure:
    trained, other = _accuracies(inside), _accuracies(outside)
    gaps = tuple(a - b for a, b in zip(trained, other, strict=True))
    return Figure(
        check="generalisation-gap",
        title="Accuracy on training rows and on evaluation rows, %, and the gap, points",
        columns=("rows", "n", "baseline", "candidate", "change"),
        rows=(
            ("training", f"{inside.n:,}", *_cells(trained)),
            ("evaluation", f"{outside.n:,}", *_cells(other)),
            ("gap", "", *_cells(gaps)),
        ),
    )


def _accuracies(counts: Paired) -> tuple[float, ...]:
    return (
        (counts.both + counts.baseline_only) / counts.n,
        (counts.both + counts.candidate_only) / counts.n,
    )


def _cells(values: tuple[float, ...]) -> tuple[str, ...]:
    baseline, candidate = values
    return (
        f"{100 * baseline:.1f}",
        f"{100 * candidate:.1f}",
        f"{100 * (candidate - baseline):+.1f}".replace("-", "−"),
    )


GENERALISATION_GAP = Check(id="generalisation-gap", params=NoParams, measure=measure)
