"""Endmembers from the scene, alone and with the abundances."""

from __future__ import annotations

import random
from functools import partial

import numpy as np

from benchmarks.unmixing._calls import Method, scene, table_case
from benchmarks.unmixing._peers import pysptools


def extractors(quick: bool) -> list[Method]:
    """Case E."""
    from sparsestat.metrics import match_endmembers, spectral_angle
    from sparsestat.unmixing import NFINDR, PPI, SMACC, SPA, VCA
    from sparsestat.unmixing._extractor import affine_coordinates, log_volume

    data = scene("jasper_ridge", quick)
    X, truth = data.X.astype(np.float64), data.endmembers
    Z = affine_coordinates(X, 4)
    rows = {x.tobytes(): i for i, x in enumerate(X.astype(np.float32))}

    def remarks(E):
        E = np.asarray(E)
        order = match_endmembers(truth, E)
        angle = spectral_angle(truth, E)[np.arange(4), order].mean()
        places = [rows.get(e.tobytes()) for e in E.astype(np.float32)]
        volume = ""
        if None not in places:
            volume = f"{log_volume(Z[places]):.3f}"
        return [f"{angle:.3f}", volume]

    def ours(cls, **parameters):
        return lambda: cls(4, random_state=0, **parameters).fit(X).components_

    def nfindr():
        random.seed(0)
        return pysptools().nfindr(X, 4)[0]

    def ppi():
        import spectral

        counts = spectral.ppi(data.cube, 1000, display=0)
        return X[np.argsort(-counts.ravel())[:4]]

    def smacc():
        import spectral

        return spectral.smacc(X, 4)[0]

    return [
        Method("sparsestat, NFINDR", ours(NFINDR), remarks),
        Method("pysptools, patched, NFINDR", nfindr, remarks),
        Method("sparsestat, VCA, 10 runs", ours(VCA), remarks),
        Method("sparsestat, SPA", lambda: SPA(4).fit(X).components_, remarks),
        Method("sparsestat, PPI, 1000 skewers", ours(PPI, n_skewers=1000), remarks),
        Method("spectral, ppi, 1000 skewers", ppi, remarks),
        Method("sparsestat, SMACC", lambda: SMACC(4).fit(X).components_, remarks),
        Method("spectral, smacc", smacc, remarks),
    ]


def factorisations(quick: bool) -> list[Method]:
    """Case F."""
    import warnings

    from sparsestat.metrics import abundance_rmse, match_endmembers, spectral_angle
    from sparsestat.unmixing import ConstrainedNMF, CorrentropyNMF, RRLbS

    data = scene("jasper_ridge", quick)
    X = np.maximum(data.X.astype(np.float64), 0.0)
    truth = data.endmembers

    def remarks(found):
        E, A, n_iter = found
        A = A / np.maximum(A.sum(axis=1, keepdims=True), 1e-300)
        order = match_endmembers(truth, E)
        angle = spectral_angle(truth, E)[np.arange(4), order].mean()
        rmse = abundance_rmse(data.abundances, A[:, order])
        return [n_iter, f"{angle:.3f}", f"{rmse:.3f}"]

    def ours(cls):
        def call():
            model = cls(4, max_iter=100, tol=1e-12, random_state=0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                A = model.fit(X).abundances_
            return model.components_, A, str(model.n_iter_)

        return call

    def sklearn_nmf():
        from sklearn.decomposition import NMF

        model = NMF(4, init="nndsvda", random_state=0, max_iter=200, tol=0.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            A = model.fit_transform(X)
        return model.components_, A, str(model.n_iter_)

    def two_steps():
        from sparsestat.unmixing import NFINDR, fcls

        E = NFINDR(4).fit(X).components_
        return E, fcls(X, E), ""

    return [
        Method("sparsestat, RRLbS", ours(RRLbS), remarks),
        Method("sparsestat, CorrentropyNMF", ours(CorrentropyNMF), remarks),
        Method("sparsestat, ConstrainedNMF", ours(ConstrainedNMF), remarks),
        Method("scikit-learn, NMF, cd, 200 rounds", sklearn_nmf, remarks),
        Method("sparsestat, NFINDR and fcls", two_steps, remarks),
    ]


_case = partial(table_case, module="_endmembers")

CASES = [
    _case(
        "E",
        "Extractors of four endmembers, Jasper Ridge",
        "extractors",
        ["mean angle", "log volume"],
        "10000 pixels of 198 bands. Angles to the reference spectra in radians; "
        "volumes in affine coordinates, of methods that return pixels.",
    ),
    _case(
        "F",
        "Factorisations of Jasper Ridge, 100 iterations",
        "factorisations",
        ["iterations", "mean angle", "abundance RMSE"],
        "Against the semi-automatic ground truth; abundances are divided by their sum. "
        "Parameters are the defaults but for the tolerance, so that all "
        "iterations are made.",
    ),
]
