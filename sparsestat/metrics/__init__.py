"""How well a sparse model recovers the truth: support, coefficients, predictions."""

from sparsestat.metrics._channel import qpsk_error_rate
from sparsestat.metrics._error import estimation_error, nmse, prediction_error
from sparsestat.metrics._support import (
    support_f1,
    support_mcc,
    support_precision,
    support_recall,
    support_recovery_rate,
)
from sparsestat.metrics._survival import concordance_index

__all__ = [
    "concordance_index",
    "estimation_error",
    "nmse",
    "prediction_error",
    "qpsk_error_rate",
    "support_f1",
    "support_mcc",
    "support_precision",
    "support_recall",
    "support_recovery_rate",
]
