"""Fairlearn's MetricFrame on joint counts instead of rows.

Every metric that takes sample weights gives the same number on a few hundred counted cells as on
the rows themselves, to the last bit, in a time that does not grow with the rows.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..data import Answers
from ..measurements import Figure

Metrics = Mapping[str, Callable[..., float]]


def frame_of(groups: Mapping[str, Answers], model: str, metrics: Metrics) -> Any:
    """Run Fairlearn's MetricFrame over groups that share no row.

    Args:
        groups: Joint counts by group name.
        model: `baseline` or `candidate`.
        metrics: Functions of (y_true, y_pred, sample_weight), e.g. Fairlearn's own.

    Returns:
        fairlearn.metrics.MetricFrame
    """
    from fairlearn.metrics import MetricFrame

    tables = list(groups.values())
    weights = np.concatenate([t.counts for t in tables])
    return MetricFrame(
        metrics=dict(metrics),
        y_true=np.concatenate([t.label for t in tables]),
        y_pred=np.concatenate([getattr(t, model) for t in tables]),
        sensitive_features=np.repeat(list(groups), [len(t.counts) for t in tables]),
        sample_params={name: {"sample_weight": weights} for name in metrics},
    )


def binary_metrics() -> Metrics:
    """Fairlearn's metrics of a binary classifier whose favourable class is 1."""
    from fairlearn import metrics
    from sklearn.metrics import accuracy_score, precision_score

    def precision(y_true: Any, y_pred: Any, *, sample_weight: Any) -> float:
        return float(precision_score(y_true, y_pred, sample_weight=sample_weight, zero_division=0))

    return {
        "selection rate": metrics.selection_rate,
        "true positive rate": metrics.true_positive_rate,
        "false positive rate": metrics.false_positive_rate,
        "false negative rate": metrics.false_negative_rate,
        "true negative rate": metrics.true_negative_rate,
        "precision": precision,
        "accuracy": accuracy_score,
    }


def multiclass_metrics() -> Metrics:
    """Metrics of a classifier of any number of classes; a class without a row counts for none."""
    from sklearn.metrics import accuracy_score, zero_one_loss

    return {"accuracy": accuracy_score, "error rate": zero_one_loss}


def figure(groups: Mapping[str, Answers], metrics: Metrics, *, positive: bool) -> Figure:
    """Set both models side by side, per group; rates without a denominator are undefined.

    Args:
        groups: Joint counts by group; they may overlap (`sex=Female` and `race=Black`).
        positive: Whether the answers are 0 and 1, and rates of the favourable class are meant.
    """
    frames = [frame_of(groups, model, metrics).by_group for model in ("baseline", "candidate")]
    rows = []
    for name, table in groups.items():
        defined = _denominators(table) if positive else {}
        cells = []
        for metric in metrics:
            ok = defined.get(metric, (True, True))
            pair = (
                f"{100 * frame.loc[name, metric]:.1f}" if exists else "undefined"
                for frame, exists in zip(frames, ok, strict=True)
            )
            cells.append(" → ".join(pair))
        rows.append((name, f"{table.n:,}", *cells))
    return Figure(
        check="fairness",
        title="Rates per group, baseline → candidate, %",
        columns=("group", "rows", *metrics),
        rows=tuple(rows),
    )


def _denominators(table: Answers) -> dict[str, tuple[bool, bool]]:
    """Whether each rate exists for the baseline and for the candidate."""
    negatives, positives = (bool(n) for n in table.labelled()[:2])
    before, after = table.predicted()
    return {
        "true positive rate": (positives, positives),
        "false negative rate": (positives, positives),
        "false positive rate": (negatives, negatives),
        "true negative rate": (negatives, negatives),
        "precision": (bool(before[1]), bool(after[1])),
    }
