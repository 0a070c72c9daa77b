"""Hyperspectral unmixing: abundances, endmembers, factorisation, beside the peers.

========= =====================================================================
A         fully constrained abundances of Jasper Ridge
B         non-negative abundances of Jasper Ridge
C         fully constrained abundances of 10^6 pixels, 200 bands, 10 endmembers
D         sparse abundances of 1000 pixels in a library of 240 spectra
E         extractors of four endmembers on Jasper Ridge
F         constrained factorisations of Jasper Ridge, 100 iterations
G         certificates of every pixel of Samson and Jasper Ridge
S.scene   collaborative sparse abundances of 2000 pixels in the library
S.members best models of a labelled library
S.simplex endmembers of scenes without pure pixels
N.plain   plain factorisations: time and residual
N.bands   factorisations of scenes some of whose bands are bad
N.order   the same, where the bad ones are less so: the order of the methods
N.papers  the same by multiplicative steps from VCA
N.scenes  every setting on real scenes, and those tuned on two on the third
========= =====================================================================

All methods of a case run in one process, in turn, on the same arrays. Scenes are those
of `sparsestat.datasets.load_hyperspectral`.
"""

from benchmarks.unmixing import (
    _abundances,
    _bands,
    _endmembers,
    _libraries,
    _plain,
    _scenes,
)

TITLE = "Hyperspectral unmixing"

CASES = [
    *_abundances.CASES,
    *_endmembers.CASES,
    *_abundances.CERTIFICATES,
    *_libraries.CASES,
    *_plain.CASES,
    *_bands.CASES,
    *_scenes.CASES,
]
