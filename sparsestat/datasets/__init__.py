"""Data with a known truth, drawn at random, and loaders of real data."""

from sparsestat.datasets._cubes import read_cube
from sparsestat.datasets._data_home import get_data_home
from sparsestat.datasets._hyperspectral import make_hyperspectral
from sparsestat.datasets._kronecker import make_irs_mimo, make_kronecker_sparse
from sparsestat.datasets._label_proportions import make_label_proportions
from sparsestat.datasets._microarray import load_microarray
from sparsestat.datasets._mulan import load_mulan
from sparsestat.datasets._multiple_measurements import make_mmv
from sparsestat.datasets._scenes import (
    load_abundance_maps,
    load_hyperspectral,
    load_spectral_library,
)
from sparsestat.datasets._shards import make_shards
from sparsestat.datasets._sparse_regression import make_sparse_regression
from sparsestat.datasets._spectra import prune_library, resample_spectra

__all__ = [
    "get_data_home",
    "load_abundance_maps",
    "load_hyperspectral",
    "load_microarray",
    "load_mulan",
    "load_spectral_library",
    "make_hyperspectral",
    "make_irs_mimo",
    "make_kronecker_sparse",
    "make_label_proportions",
    "make_mmv",
    "make_shards",
    "make_sparse_regression",
    "prune_library",
    "read_cube",
    "resample_spectra",
]
