"""Signals from few measurements: sparse solutions of linear systems."""

from sparsestat.optim.greedy import RecoveryResult
from sparsestat.optim.sensing import make_sensing
from sparsestat.recovery._hard_thresholding import hard_thresholding

__all__ = ["RecoveryResult", "hard_thresholding", "make_sensing"]
