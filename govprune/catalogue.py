"""Every check that ships and every metric it can answer with: what a policy may ask about.

Pure data, so that policies are read, linted and judged without loading a single check.
"""

from dataclasses import dataclass
from typing import Literal

Scope = Literal["whole", "slice", "slice-label", "attribute"]
Rows = Literal["all", "label", "positive", "negative", "none"]


@dataclass(frozen=True)
class Metric:
    """One thing a check measures."""

    id: str
    title: str
    scope: Scope
    """One question in all, one per slice, one per slice and class, or one per slice attribute."""
    rows: Rows
    """Which rows are its denominator; `none` where it is not a proportion of evaluation rows."""
    unit: Literal["points", "share", "ratio", "count", "difference", "bits"]


@dataclass(frozen=True)
class CheckEntry:
    """A check and its metrics."""

    id: str
    title: str
    area: Literal["performance and fairness", "robustness", "privacy", "data", "artefact"]
    metrics: tuple[Metric, ...]


def _m(id: str, title: str, scope: Scope, rows: Rows, unit: str) -> Metric:  # noqa: A002 the field's name
    return Metric(id, title, scope, rows, unit)  # type: ignore[arg-type]  # spelled in the table


CATALOGUE: tuple[CheckEntry, ...] = (
    CheckEntry("slice-performance", "Accuracy lost per slice", "performance and fairness", (
        _m("accuracy-change", "Accuracy", "slice", "all", "points"),
        _m("recall-change", "Recall of one class", "slice-label", "label", "points"),
    )),
    CheckEntry("flips", "Right answers that became wrong", "performance and fairness", (
        _m("harm-flip-rate", "Harm flips", "slice", "all", "share"),
        _m("gain-flip-rate", "Gains", "slice", "all", "share"),
    )),
    CheckEntry("fairness", "Change per group (Fairlearn)", "performance and fairness", (
        _m("true-positive-rate-change", "True positive rate", "slice", "positive", "points"),
        _m("false-positive-rate-change", "False positive rate", "slice", "negative", "points"),
        _m("selection-rate-change", "Selection rate", "slice", "all", "points"),
        _m("precision-change", "Precision", "slice", "all", "points"),
        _m("demographic-parity-difference-change", "Demographic parity difference",
           "attribute", "none", "points"),
        _m("demographic-parity-ratio-change", "Demographic parity ratio",
           "attribute", "none", "points"),
        _m("equalized-odds-difference-change", "Equalized odds difference",
           "attribute", "none", "points"),
        _m("equalized-odds-ratio-change", "Equalized odds ratio", "attribute", "none", "points"),
    )),
    CheckEntry("degenerate-predictor", "Collapsed or constant predictions",
               "performance and fairness", (
        _m("classes-lost", "Classes never predicted any more", "whole", "none", "count"),
        _m("rarest-class-kept", "How often the most neglected class is still predicted",
           "whole", "none", "ratio"),
        _m("distinct-outputs", "Different outputs", "whole", "none", "count"),
        _m("saturation-change", "Confidence of exactly 1", "whole", "all", "points"),
    )),
    CheckEntry("compression-claim", "What the step saved against what it claims", "artefact", (
        _m("claim-error", "Largest relative error of a claim", "whole", "none", "ratio"),
        _m("compressed", "Anything saved at all", "whole", "none", "count"),
        _m("masks-left", "Pruning masks left in the file", "whole", "none", "count"),
        _m("sparsity", "Zero weights", "whole", "none", "share"),
        _m("bits-per-weight", "Bits per weight", "whole", "none", "bits"),
    )),
    CheckEntry("derivation", "Every weight explained by the baseline", "artefact", (
        _m("unexplained-weights", "Weights that are neither kept, zeroed nor rounded",
           "whole", "none", "count"),
        _m("undeclared-retraining", "Re-trained without declared data", "whole", "none", "count"),
    )),
    CheckEntry("evasion", "Accuracy under attack", "robustness", (
        _m("robust-accuracy-change", "Accuracy under attack", "whole", "none", "points"),
    )),
    CheckEntry("gradient-sanity", "Whether the attack can be believed", "robustness", (
        _m("gradient-coverage", "Rows with a usable gradient", "whole", "none", "share"),
        _m("white-box-advantage", "Attack against random noise", "whole", "none", "points"),
        _m("accuracy-at-large-budget", "Accuracy at an unlimited budget",
           "whole", "none", "share"),
        _m("black-box-excess", "Transferred attack against white box", "whole", "none", "points"),
    )),
    CheckEntry("inversion", "Reconstructing what a class looks like", "privacy", (
        _m("identification-change", "Reconstructions identified", "whole", "none", "points"),
        _m("attack-works", "Reconstructions, baseline against untrained control",
           "whole", "none", "points"),
    )),
    CheckEntry("membership", "Telling who was in the training data", "privacy", (
        _m("loss-attack-auc-change", "Loss attack, AUC", "whole", "none", "difference"),
        _m("black-box-attack-auc-change", "Trained attack (ART), AUC",
           "whole", "none", "difference"),
    )),
    CheckEntry("pii", "Personal data in the fine-tuning data", "data", (
        _m("checksum-valid-numbers", "Identity and payment numbers", "whole", "none", "count"),
        _m("contact-details", "E-mail addresses and telephone numbers", "whole", "none", "count"),
        _m("network-addresses", "IP and MAC addresses", "whole", "none", "count"),
        _m("secrets", "Keys and tokens", "whole", "none", "count"),
        _m("unscanned-share", "Data not scanned", "whole", "none", "share"),
    )),
    CheckEntry("size", "File size", "artefact", (
        _m("size-ratio", "File size, candidate / baseline", "whole", "none", "ratio"),
    )),
    CheckEntry("latency", "Time per prediction", "artefact", (
        _m("latency-ratio", "Latency, candidate / baseline", "whole", "none", "ratio"),
        _m("control-ratio", "Latency, baseline / baseline (A/A control)",
           "whole", "none", "ratio"),
        _m("speed-up-kept", "Measured speed-up / claimed speed-up", "whole", "none", "ratio"),
    )),
)  # fmt: skip

CHECKS_BY_ID = {entry.id: entry for entry in CATALOGUE}


def metric(check: str, metric_id: str) -> Metric | None:
    """Look a metric up; None if the check does not have it."""
    entry = CHECKS_BY_ID.get(check)
    return next((m for m in entry.metrics if m.id == metric_id), None) if entry else None
