"""Data with a known truth, drawn at random, and loaders of real data."""

from sparsestat.datasets._data_home import get_data_home
from sparsestat.datasets._microarray import load_microarray
from sparsestat.datasets._sparse_regression import make_sparse_regression

__all__ = ["get_data_home", "load_microarray", "make_sparse_regression"]
