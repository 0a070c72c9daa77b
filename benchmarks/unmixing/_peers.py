"""The peers, with the least that makes the older of them run."""

from __future__ import annotations

import importlib.metadata
import types

import numpy as np


def versions() -> str:
    """Versions of what is installed, in one line."""
    found = []
    for name in ("numpy", "scipy", "scikit-learn", "pysptools", "cvxopt", "spectral"):
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def pysptools():
    """pysptools with the names that NumPy and SciPy have dropped since.

    ``np.int``, ``np.float`` and the private determinant of SciPy, here from LAPACK's LU
    factors in the same precision; nothing else is changed.
    """
    import scipy.linalg
    from scipy.linalg import lapack

    for name, kind in (("int", int), ("float", float)):
        if name not in vars(np):
            setattr(np, name, kind)
    if not hasattr(scipy.linalg, "_flinalg"):

        def determinant(matrix):
            return (float(np.prod(lapack.sgetrf(matrix)[0].diagonal())),)

        scipy.linalg._flinalg = types.SimpleNamespace(sdet_c=determinant)
    import pysptools.abundance_maps.amaps as amaps
    import pysptools.eea.nfindr as nfindr

    return types.SimpleNamespace(
        fcls=amaps.FCLS, nnls=amaps.NNLS, ucls=amaps.UCLS, nfindr=nfindr.NFINDR
    )
