"""Evaluation and fine-tuning data: read once, digested, cut into slices."""

from .evaluation import EvaluationData, read_evaluation
from .slices import as_text
from .tables import Table, read_features, read_table

__all__ = ["EvaluationData", "Table", "as_text", "read_evaluation", "read_features", "read_table"]
