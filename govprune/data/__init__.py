"""Evaluation and fine-tuning data: read once, digested, coded, cut into slices and counted."""

from .confidence import with_confidence
from .counts import Answers, Joint, paired_of, tabulate
from .evaluation import EvaluationData, read_evaluation, read_rows
from .predictions import Predictions, read_predictions
from .scores import Scores
from .slices import as_text
from .tables import Table, read_features, read_table

__all__ = [
    "Answers",
    "EvaluationData",
    "Joint",
    "Predictions",
    "Scores",
    "Table",
    "as_text",
    "paired_of",
    "read_evaluation",
    "read_features",
    "read_predictions",
    "read_rows",
    "read_table",
    "tabulate",
    "with_confidence",
]
