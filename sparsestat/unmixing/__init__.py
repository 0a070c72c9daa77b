"""Hyperspectral unmixing: endmembers and their abundances, exact and certified."""

from sparsestat.unmixing._clsunsal import CLSUnSAL
from sparsestat.unmixing._cube import cube_to_pixels, pixels_to_cube
from sparsestat.unmixing._fcls import FCLS
from sparsestat.unmixing._functions import fcls, nnls, sunsal
from sparsestat.unmixing._least_squares import NNLS, UCLS, SumToOneLS
from sparsestat.unmixing._mesma import MESMA
from sparsestat.unmixing._nmf import ConstrainedNMF
from sparsestat.unmixing._nmf_alike import GraphNMF, LocalWeightNMF
from sparsestat.unmixing._nmf_endmembers import EDCNMF, MinVolumeNMF
from sparsestat.unmixing._nmf_robust import CorrentropyNMF, RRLbS
from sparsestat.unmixing._nmf_sparse import L1NMF, DgSNMF, LHalfNMF
from sparsestat.unmixing._ppi import PPI
from sparsestat.unmixing._sisal import MVSA, SISAL
from sparsestat.unmixing._smacc import SMACC
from sparsestat.unmixing._spa import SPA
from sparsestat.unmixing._subspace import HySime, estimate_noise, hfc, hysime
from sparsestat.unmixing._sunsal import SUnSAL
from sparsestat.unmixing._sunsal_tv import SUnSALTV
from sparsestat.unmixing._unmix import unmix
from sparsestat.unmixing._vca import VCA
from sparsestat.unmixing._volume import AVMAX, NFINDR

__all__ = [
    "AVMAX",
    "EDCNMF",
    "FCLS",
    "L1NMF",
    "MESMA",
    "MVSA",
    "NFINDR",
    "NNLS",
    "PPI",
    "SISAL",
    "SMACC",
    "SPA",
    "UCLS",
    "VCA",
    "CLSUnSAL",
    "ConstrainedNMF",
    "CorrentropyNMF",
    "DgSNMF",
    "GraphNMF",
    "HySime",
    "LHalfNMF",
    "LocalWeightNMF",
    "MinVolumeNMF",
    "RRLbS",
    "SUnSAL",
    "SUnSALTV",
    "SumToOneLS",
    "cube_to_pixels",
    "estimate_noise",
    "fcls",
    "hfc",
    "hysime",
    "nnls",
    "pixels_to_cube",
    "sunsal",
    "unmix",
]
