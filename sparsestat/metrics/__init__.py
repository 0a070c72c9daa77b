"""How well a sparse model recovers the truth: support, coefficients, predictions."""

from sparsestat.metrics._error import estimation_error, prediction_error
from sparsestat.metrics._support import (
    support_f1,
    support_mcc,
    support_precision,
    support_recall,
)
from sparsestat.metrics._survival import concordance_index

__all__ = [
    "concordance_index",
    "estimation_error",
    "prediction_error",
    "support_f1",
    "support_mcc",
    "support_precision",
    "support_recall",
]
