"""Every check that ships and every metric it can answer with: what a policy may ask about.

Pure data, so that policies are read, linted and judged without loading a single check.
"""

from dataclasses import dataclass
from typing import Literal

from .subjects import InputKind, Task

Scope = Literal["whole", "slice", "slice-label", "attribute"]
Rows = Literal["all", "label", "other", "positive", "negative", "none"]
Needs = Literal["answers", "scores", "model"]
Unit = Literal["points", "share", "ratio", "count", "difference", "bits"]


@dataclass(frozen=True)
class Metric:
    """One thing a check measures."""

    id: str
    title: str
    scope: Scope
    """One question in all, one per slice, one per slice and class, or one per slice attribute."""
    rows: Rows
    """Which rows are its denominator; `none` where it is not a proportion of evaluation rows."""
    unit: Unit
    kinds: tuple[str, ...]
    """What may answer it; a proportion of rows is never answered by a bare number."""


@dataclass(frozen=True)
class CheckEntry:
    """A check and its metrics."""

    id: str
    title: str
    area: Literal["performance and fairness", "robustness", "privacy", "data", "artefact"]
    metrics: tuple[Metric, ...]
    needs: Needs = "model"
    """What must be given: both models' answers, their scores, or the models themselves."""
    tasks: tuple[Task, ...] = ("classification",)
    """What kind of answer it can be asked of."""
    inputs: tuple[InputKind, ...] = ("numbers", "texts")
    """What the models may take."""


def _m(name: str, title: str, scope: Scope, rows: Rows, unit: Unit, *kinds: str) -> Metric:
    return Metric(name, title, scope, rows, unit, kinds)


ANY_TASK: tuple[Task, ...] = ("classification", "multi-label", "regression", "ranking")
CLASSES: tuple[Task, ...] = ("classification", "multi-label")
NUMBERS: tuple[InputKind, ...] = ("numbers",)

WHOSE: tuple[tuple[str, str, Unit], ...] = (
    ("-change", "", "points"),
    ("", " of the candidate", "share"),
    ("-of-the-baseline", " of the baseline", "share"),
)
"""How a disparity's name ends, how its title does, and its unit: a change, or a model's own."""

CATALOGUE: tuple[CheckEntry, ...] = (
    CheckEntry("slice-performance", "Accuracy lost per slice", "performance and fairness", (
        _m("accuracy-change", "Accuracy", "slice", "all", "points", "paired"),
        _m("recall-change", "Recall of one class", "slice-label", "label", "points", "paired"),
        _m("specificity-change", "Rows rightly not given one label", "slice-label", "other",
           "points", "paired"),
        _m("excess-accuracy-change", "Accuracy against the rest", "slice", "all", "points",
           "excess"),
    ), "answers", CLASSES),
    CheckEntry("flips", "Right answers that became wrong", "performance and fairness", (
        _m("harm-flip-rate", "Harm flips", "slice", "all", "share", "share"),
        _m("gain-flip-rate", "Gains", "slice", "all", "share", "share"),
        _m("exemplar-rate", "Rows most candidates get wrong", "whole", "all", "share", "share"),
    ), "answers", CLASSES),
    CheckEntry("fairness", "Change per group (Fairlearn)", "performance and fairness", (
        _m("true-positive-rate-change", "True positive rate", "slice", "positive", "points",
           "paired"),
        _m("false-positive-rate-change", "False positive rate", "slice", "negative", "points",
           "paired"),
        _m("selection-rate-change", "Selection rate", "slice", "all", "points", "paired"),
        _m("precision-change", "Precision", "slice", "all", "points", "grouped"),
        _m("excess-true-positive-rate-change", "True positive rate against the rest", "slice",
           "positive", "points", "excess"),
        _m("excess-false-positive-rate-change", "False positive rate against the rest", "slice",
           "negative", "points", "excess"),
        *(
            _m(f"{name}{what}", f"{title}{of}", "attribute", "none", unit, "grouped")
            for name, title in (
                ("demographic-parity-difference", "Demographic parity difference"),
                ("demographic-parity-ratio", "Demographic parity ratio"),
                ("equalized-odds-difference", "Equalized odds difference"),
                ("equalized-odds-ratio", "Equalized odds ratio"),
            )
            for what, of, unit in WHOSE
        ),
    ), "answers"),
    CheckEntry("regression-error", "Error and bias of predicted numbers per slice",
               "performance and fairness", (
        _m("absolute-error-change", "Absolute error, in usual errors of the baseline", "slice",
           "all", "difference", "moments"),
        _m("bias-change", "Bias, in usual errors of the baseline", "slice", "all", "difference",
           "moments"),
        _m("excess-error-rows", "Rows whose error more than doubled", "slice", "all", "share",
           "share"),
    ), "answers", ("regression",)),
    CheckEntry("ranking", "Area under the ROC curve per slice", "performance and fairness", (
        _m("auc-change", "AUC", "slice", "all", "difference", "normal"),
        _m("positives-auc-change", "AUC of the slice's positives against all negatives", "slice",
           "none", "difference", "normal"),
        _m("negatives-auc-change", "AUC of all positives against the slice's negatives", "slice",
           "none", "difference", "normal"),
    ), "scores", ("classification", "ranking")),
    CheckEntry("calibration", "Whether confidence still means what it says",
               "performance and fairness", (
        _m("brier-change", "Brier score", "slice", "all", "difference", "moments"),
        _m("negative-log-likelihood-change", "Negative log-likelihood", "slice", "all",
           "difference", "moments"),
    ), "scores"),
    CheckEntry("margin-shift", "How confidence moved", "performance and fairness", (
        _m("confidence-change", "Confidence", "slice", "all", "difference", "moments"),
        _m("divergence", "Divergence from the baseline (KL)", "whole", "all", "difference",
           "moments"),
    ), "scores"),
    CheckEntry("degenerate-predictor", "Collapsed or constant predictions",
               "performance and fairness", (
        _m("classes-lost", "Classes never predicted any more", "whole", "none", "count", "exact"),
        _m("rarest-class-kept", "How often the most neglected class is still predicted",
           "whole", "none", "ratio", "exact"),
        _m("distinct-outputs", "Different outputs", "whole", "none", "count", "exact"),
        _m("saturation-change", "Confidence of exactly 1", "whole", "all", "points", "paired"),
    ), "answers"),
    CheckEntry("slice-discovery", "Slices nobody named where right answers became wrong",
               "performance and fairness", (
        _m("worst-discovered-slice", "Accuracy in the worst slice found", "whole", "none",
           "points", "discoveries"),
    ), "answers"),
    CheckEntry("generalisation-gap", "Whether overfitting grew", "performance and fairness", (
        _m("gap-change", "Accuracy on training rows minus accuracy on evaluation rows",
           "whole", "none", "points", "excess"),
    )),
    CheckEntry("explanation-stability", "Whether the same features decide",
               "performance and fairness", (
        _m("rank-correlation", "Rank correlation of attributions", "slice", "none", "difference",
           "moments"),
    ), inputs=NUMBERS),
    CheckEntry("layer-attribution", "Which layer's compression did the harm",
               "performance and fairness", (
        _m("regained-by-one-layer", "Regained when one layer is put back", "whole", "none",
           "points", "paired"),
    )),
    CheckEntry("link-attribution", "Which link of the chain did the harm",
               "performance and fairness", (
        _m("worst-link-change", "Lost by the worst slice in the worst link", "whole", "none",
           "points", "paired"),
        _m("undeclared-links", "Links that re-train and do not say so", "whole", "none", "count",
           "exact"),
    )),
    CheckEntry("compression-claim", "What the step saved against what it claims", "artefact", (
        _m("claim-error", "Largest relative error of a claim", "whole", "none", "ratio", "exact"),
        _m("compressed", "Anything saved at all", "whole", "none", "count", "exact"),
        _m("masks-left", "Pruning masks left in the file", "whole", "none", "count", "exact"),
        _m("sparsity", "Zero weights", "whole", "none", "share", "exact"),
        _m("bits-per-weight", "Bits per weight", "whole", "none", "bits", "exact"),
    ), tasks=ANY_TASK),
    CheckEntry("derivation", "Every weight explained by the baseline", "artefact", (
        _m("unexplained-weights", "Weights that are neither kept, zeroed nor rounded",
           "whole", "none", "count", "exact"),
        _m("undeclared-retraining", "Re-trained without declared data", "whole", "none", "count",
           "exact"),
    ), tasks=ANY_TASK),
    CheckEntry("artefact-parity", "Whether a model answers alike, however it is asked",
               "artefact", (
        _m("repeat-agreement", "Rows answered alike when asked again", "whole", "none", "share",
           "share"),
        _m("batch-agreement", "Rows answered alike alone, in small and in large batches", "whole",
           "none", "share", "share"),
    )),
    CheckEntry("evasion", "Accuracy under attack", "robustness", (
        _m("robust-accuracy-change", "Accuracy under attack", "whole", "none", "points",
           "paired"),
    ), inputs=NUMBERS),
    CheckEntry("gradient-sanity", "Whether the attack can be believed", "robustness", (
        _m("gradient-coverage", "Rows with a usable gradient", "whole", "none", "share", "share"),
        _m("white-box-advantage", "Attack against random noise", "whole", "none", "points",
           "paired"),
        _m("accuracy-at-large-budget", "Accuracy at an unlimited budget",
           "whole", "none", "share", "share"),
        _m("black-box-excess", "Other attacks against the model's own", "whole", "none", "points",
           "paired"),
    ), inputs=NUMBERS),
    CheckEntry("inversion", "Reconstructing what a class looks like", "privacy", (
        _m("identification-change", "Reconstructions identified", "whole", "none", "points",
           "paired"),
        _m("attack-works", "Reconstructions, baseline against untrained control",
           "whole", "none", "points", "paired"),
    ), inputs=NUMBERS),
    CheckEntry("membership", "Telling who was in the training data", "privacy", (
        _m("loss-attack-auc-change", "Loss attack, AUC", "whole", "none", "difference", "normal"),
        _m("black-box-attack-auc-change", "Trained attack (ART), AUC",
           "whole", "none", "difference", "normal"),
    )),
    CheckEntry("pii", "Personal data in the fine-tuning data", "data", (
        _m("checksum-valid-numbers", "Identity and payment numbers", "whole", "none", "count",
           "exact"),
        _m("contact-details", "E-mail addresses and telephone numbers", "whole", "none", "count",
           "exact"),
        _m("network-addresses", "IP and MAC addresses", "whole", "none", "count", "exact"),
        _m("secrets", "Keys and tokens", "whole", "none", "count", "exact"),
        _m("unscanned-share", "Data not scanned", "whole", "none", "share", "exact", "share"),
    ), "answers", ANY_TASK),
    CheckEntry("size", "File size", "artefact", (
        _m("size-ratio", "File size, candidate / baseline", "whole", "none", "ratio", "exact"),
    ), tasks=ANY_TASK),
    CheckEntry("latency", "Time per prediction, of one row and in batches", "artefact", (
        _m("latency-ratio", "Latency, candidate / baseline", "whole", "none", "ratio",
           "log-ratios"),
        _m("control-ratio", "Latency, baseline / baseline (A/A control)",
           "whole", "none", "ratio", "log-ratios"),
        _m("speed-up-kept", "Measured speed-up / claimed speed-up", "whole", "none", "ratio",
           "log-ratios", "exact"),
        _m("batch-latency-ratio", "Latency of a batch, candidate / baseline", "whole", "none",
           "ratio", "log-ratios"),
        _m("batch-control-ratio", "Latency of a batch, baseline / baseline (A/A control)",
           "whole", "none", "ratio", "log-ratios"),
        _m("batch-speed-up-kept", "Measured throughput / claimed throughput", "whole", "none",
           "ratio", "log-ratios", "exact"),
    ), tasks=ANY_TASK),
    CheckEntry("flops", "Floating-point operations per row", "artefact", (
        _m("flops-ratio", "Operations per row, candidate / baseline", "whole", "none", "ratio",
           "exact"),
        _m("int8-share", "Operations of the candidate done in 8-bit integers", "whole", "none",
           "share", "exact"),
        _m("flops-claim-error", "Relative excess over the claimed operations", "whole", "none",
           "ratio", "exact"),
    ), tasks=ANY_TASK),
    CheckEntry("memory", "Peak memory of a process that loads the model and answers", "artefact", (
        _m("peak-memory-ratio", "Peak memory, candidate / baseline", "whole", "none", "ratio",
           "log-ratios"),
        _m("peak-memory-control-ratio", "Peak memory, baseline / baseline (A/A control)",
           "whole", "none", "ratio", "log-ratios"),
        _m("memory-claim-kept", "Claimed peak memory / measured peak memory", "whole", "none",
           "ratio", "log-ratios", "exact"),
    ), tasks=ANY_TASK),
    CheckEntry("energy", "Energy per prediction", "artefact", (
        _m("energy-ratio", "Energy, candidate / baseline", "whole", "none", "ratio",
           "log-ratios"),
        _m("energy-control-ratio", "Energy, baseline / baseline (A/A control)",
           "whole", "none", "ratio", "log-ratios"),
        _m("energy-claim-kept", "Claimed energy / measured energy", "whole", "none", "ratio",
           "log-ratios", "exact"),
    ), tasks=ANY_TASK),
)  # fmt: skip

CHECKS_BY_ID = {entry.id: entry for entry in CATALOGUE}


def metric(check: str, metric_id: str) -> Metric | None:
    """Look a metric up; None if the check does not have it."""
    entry = CHECKS_BY_ID.get(check)
    return next((m for m in entry.metrics if m.id == metric_id), None) if entry else None
