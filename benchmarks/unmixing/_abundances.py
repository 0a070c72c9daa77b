"""Abundances under known endmembers."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.unmixing._calls import (
    Method,
    fcls_gaps,
    nnls_violation,
    scene,
    table_case,
)
from benchmarks.unmixing._peers import pysptools


def _corners(data):
    """Pixels that N-FINDR takes for the endmembers, so that scales agree."""
    from sparsestat.unmixing import NFINDR

    n_components = 4 if not hasattr(data, "names") else len(data.names)
    return NFINDR(n_components).fit(data.X.astype(np.float64)).components_


def fcls(quick: bool) -> list[Method]:
    """Case A."""
    from sparsestat.unmixing import fcls

    data = scene("jasper_ridge", quick)
    X, E = data.X.astype(np.float64), _corners(data)
    X32 = X.astype(np.float32)

    def remarks(A):
        return [f"{value:.1e}" for value in fcls_gaps(X, E, A)]

    return [
        Method("sparsestat", partial(fcls, X, E), remarks),
        Method("pysptools, patched", lambda: pysptools().fcls(X, E), remarks),
        Method("sparsestat, float32", partial(fcls, X32, E.astype("f")), remarks),
    ]


def nnls(quick: bool) -> list[Method]:
    """Case B."""
    from scipy.optimize import nnls as scipy_nnls

    from sparsestat.unmixing import nnls

    data = scene("jasper_ridge", quick)
    X, E = data.X.astype(np.float64), _corners(data)
    exact = nnls(X, E)

    def remarks(A):
        off = np.abs(np.asarray(A, dtype=np.float64) - exact)
        return [f"{nnls_violation(X, E, A):.1e}", f"{off.max():.1e}"]

    def loop():
        columns = np.ascontiguousarray(E.T)
        return np.stack([scipy_nnls(columns, x)[0] for x in X])

    return [
        Method("sparsestat", partial(nnls, X, E), remarks),
        Method("scipy.optimize.nnls, a pixel each", loop, remarks),
        Method("pysptools, patched", lambda: pysptools().nnls(X, E), remarks),
    ]


def large(quick: bool) -> list[Method]:
    """Case C."""
    from sparsestat.unmixing import fcls

    n = 1_000 if quick else 1_000_000
    rng = np.random.default_rng(0)
    E = rng.random((10, 200), dtype=np.float32)
    A = rng.dirichlet(np.full(10, 0.5), n).astype(np.float32)
    X = A @ E
    X += 0.01 * rng.standard_normal(X.shape, dtype=np.float32)
    few = X[: max(100, n // 1000)]

    def remarks(found):
        return [f"{value:.1e}" for value in fcls_gaps(few, E, found[: len(few)])]

    return [
        Method("sparsestat", partial(fcls, X, E), remarks),
        Method("product X @ E.T alone", lambda: X @ E.T, lambda _: ["", ""]),
        Method(
            f"pysptools, patched, the first {len(few)}",
            lambda: pysptools().fcls(few, E),
            remarks,
        ),
    ]


def sparse(quick: bool) -> list[Method]:
    """Case D."""
    from sparsestat.datasets import load_spectral_library, prune_library
    from sparsestat.unmixing import sunsal

    rng = np.random.default_rng(0)
    if quick:
        E = rng.random((30, 50))
    else:
        library = load_spectral_library("usgs").spectra.astype(np.float64)
        E = library[prune_library(library, np.deg2rad(4.44))]
    n = 50 if quick else 1_000
    A = np.zeros((n, len(E)))
    for row in A:
        row[rng.choice(len(E), 5, replace=False)] = rng.dirichlet(np.ones(5))
    X = A @ E
    X += np.sqrt(np.mean(X**2) * 1e-3) * rng.standard_normal(X.shape)
    alpha = 1e-3

    def remarks(found):
        found = np.asarray(found, dtype=np.float64)
        residual = X - found @ E
        value = 0.5 * np.sum(residual**2) + alpha * found.sum()
        slopes = (residual @ E.T).max(axis=1)
        norm = np.sum(residual**2, axis=1)
        scale = np.sum(residual * X, axis=1) / norm
        scale = np.clip(scale, 0.0, alpha / np.maximum(slopes, 1e-300))
        dual = scale * np.sum(residual * X, axis=1) - 0.5 * scale**2 * norm
        primal = 0.5 * norm + alpha * found.sum(axis=1)
        return [f"{value:.4f}", f"{(primal - dual).max():.1e}"]

    def lasso_cd():
        import warnings

        from sklearn.decomposition import sparse_encode

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return sparse_encode(
                X, E, algorithm="lasso_cd", alpha=alpha, positive=True, max_iter=1000
            )

    return [
        Method("sparsestat", partial(sunsal, X, E, alpha), remarks),
        Method("scikit-learn, lasso_cd, 1000 rounds", lasso_cd, remarks, once=True),
    ]


def certificates(quick: bool) -> list[Method]:
    """Case G."""
    from sparsestat.unmixing import fcls, nnls, sunsal

    methods = []
    for name in ("samson", "jasper_ridge"):
        data = scene(name, quick)
        X, E = data.X.astype(np.float64), _corners(data)

        def remarks(found, X=X):
            A, gap = found
            sizes = np.maximum(1.0, np.sum(X**2, axis=1))
            return [str(len(A)), f"{gap.max():.1e}", f"{(gap / sizes).max():.1e}"]

        for label, call in (
            ("fcls", partial(fcls, X, E, return_gap=True)),
            ("nnls", partial(nnls, X, E, return_gap=True)),
            ("sunsal, alpha 0.01", partial(sunsal, X, E, 0.01, return_gap=True)),
        ):
            methods.append(Method(f"{name}, {label}", call, remarks))
    return methods


_case = partial(table_case, module="_abundances")

CASES = [
    _case(
        "A",
        "Fully constrained least squares, Jasper Ridge, four endmembers",
        "fcls",
        ["largest gap", "largest breach"],
        "10000 pixels of 198 bands. Gap: of Frank and Wolfe, over the pixels; breach: "
        "of the signs and of the sum. pysptools 0.15 is patched with the names that "
        "NumPy and SciPy dropped.",
    ),
    _case(
        "B",
        "Non-negative least squares, Jasper Ridge, four endmembers",
        "nnls",
        ["largest violation", "largest difference"],
        "10000 pixels of 198 bands. Violation: of the optimality conditions, over the "
        "pixels; difference: of abundances from ours. pysptools gives the solver the "
        "Gram matrix in place of the spectra, which is another problem.",
    ),
    _case(
        "C",
        "Fully constrained least squares, a million pixels in float32",
        "large",
        ["largest gap", "largest breach"],
        "200 bands, 10 endmembers, 0.8 GB; gaps in double precision of the first 1000 "
        "pixels, to the accuracy of float32 abundances.",
    ),
    _case(
        "D",
        "Sparse unmixing, 1000 pixels, 240 spectra of the USGS library",
        "sparse",
        ["objective", "largest gap"],
        "Five spectra in each pixel, 30 dB, alpha 0.001.",
    ),
]
CERTIFICATES = [
    _case(
        "G",
        "Certificates of every pixel, with their time",
        "certificates",
        ["pixels", "largest gap", "over max(1, squared norm)"],
        "Duality gaps that the functions return; endmembers are those of N-FINDR.",
    ),
]
