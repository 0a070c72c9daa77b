"""Hyperspectral unmixing: endmembers and their abundances, exact and certified."""

from sparsestat.unmixing._fcls import FCLS
from sparsestat.unmixing._functions import fcls, nnls, sunsal
from sparsestat.unmixing._least_squares import NNLS, UCLS, SumToOneLS
from sparsestat.unmixing._sunsal import SUnSAL

__all__ = [
    "FCLS",
    "NNLS",
    "UCLS",
    "SUnSAL",
    "SumToOneLS",
    "fcls",
    "nnls",
    "sunsal",
]
