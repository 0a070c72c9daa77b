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
from sparsestat.metrics._unmixing import (
    abundance_angle_distance,
    abundance_rmse,
    match_endmembers,
    reconstruction_rmse,
    signal_to_reconstruction_error,
    spectral_angle,
    spectral_information_divergence,
    unmixing_report,
)

__all__ = [
    "abundance_angle_distance",
    "abundance_rmse",
    "concordance_index",
    "estimation_error",
    "match_endmembers",
    "nmse",
    "prediction_error",
    "qpsk_error_rate",
    "reconstruction_rmse",
    "signal_to_reconstruction_error",
    "spectral_angle",
    "spectral_information_divergence",
    "support_f1",
    "support_mcc",
    "support_precision",
    "support_recall",
    "support_recovery_rate",
    "unmixing_report",
]
