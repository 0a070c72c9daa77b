"""Scenes solved together, models of a labelled library, and the smallest simplex."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.unmixing._calls import Method, table_case


def _library(quick: bool) -> np.ndarray:
    """240 spectra that differ by at least 4.44 degrees, or random ones."""
    from sparsestat.datasets import load_spectral_library, prune_library

    if quick:
        return np.random.default_rng(0).random((20, 50))
    library = load_spectral_library("usgs").spectra.astype(np.float64)
    return library[prune_library(library, np.deg2rad(4.44))]


def _mixtures(rng, E, A):
    X = A @ E
    return X + np.sqrt(np.mean(X**2) * 1e-3) * rng.standard_normal(X.shape)


def collaborative(quick: bool) -> list[Method]:
    """Case S.scene."""
    from sparsestat.unmixing import CLSUnSAL

    rng = np.random.default_rng(0)
    E = _library(quick)
    n, alpha = (60, 0.3) if quick else (2_000, 1.0)
    A = np.zeros((n, len(E)))
    A[:, rng.choice(len(E), 6, replace=False)] = rng.dirichlet(np.ones(6), n)
    X = _mixtures(rng, E, A)

    def remarks(found):
        residual = X - found @ E
        norms = np.linalg.norm(found, axis=0).sum()
        slopes = np.linalg.norm(np.maximum(residual @ E.T, 0.0), axis=0).max()
        product, norm2 = np.vdot(residual, X), np.vdot(residual, residual)
        scale = np.clip(product / norm2, 0.0, alpha / slopes)
        primal = 0.5 * norm2 + alpha * norms
        gap = primal - scale * product + 0.5 * scale**2 * norm2
        used = np.count_nonzero(found.any(axis=0))
        return [f"{primal:.4f}", f"{gap / (0.5 * np.vdot(X, X)):.1e}", str(used)]

    def descent(rounds):
        """Minimise over one column after the other, from zero."""
        gram, slopes = E @ E.T, X @ E.T
        found = np.zeros_like(A)
        for _ in range(rounds):
            for k in range(len(E)):
                u = np.maximum(found[:, k] + slopes[:, k] / gram[k, k], 0.0)
                size = np.linalg.norm(u) * gram[k, k]
                u *= max(0.0, 1.0 - alpha / size) if size > 0.0 else 0.0
                if (step := u - found[:, k]).any():
                    found[:, k] = u
                    slopes -= step[:, None] * gram[k]
        return found

    def splitting(rounds):
        """Alternating directions, the step adapted."""
        gram, right = E @ E.T, X @ E.T
        levels, vectors = np.linalg.eigh(gram)
        found, dual, mu = np.zeros_like(A), np.zeros_like(A), np.trace(gram) / len(E)
        for i in range(rounds):
            free = (right + mu * (found - dual)) @ vectors / (levels + mu) @ vectors.T
            old, u = found, np.maximum(free + dual, 0.0)
            size = np.linalg.norm(u, axis=0)
            shrunk = np.maximum(1.0 - alpha / mu / np.maximum(size, 1e-300), 0.0)
            found = u * shrunk
            dual += free - found
            primal, moved = np.linalg.norm(free - found), np.linalg.norm(found - old)
            factor = 1.0
            if i % 10 == 9 and primal > 10.0 * mu * moved:
                factor = 2.0
            elif i % 10 == 9 and mu * moved > 10.0 * primal:
                factor = 0.5
            mu, dual = mu * factor, dual / factor
        return found

    rounds = 5 if quick else 20
    model = CLSUnSAL(E, alpha=alpha)
    return [
        Method("sparsestat", partial(model.fit_transform, X), remarks),
        Method(f"column descent, {rounds} rounds", partial(descent, rounds), remarks,
               once=True),
        Method(f"splitting, {10 * rounds} rounds", partial(splitting, 10 * rounds),
               remarks, once=True),
    ]  # fmt: skip


def members(quick: bool) -> list[Method]:
    """Case S.members."""
    from itertools import combinations, product

    from sparsestat.unmixing import MESMA, fcls

    rng = np.random.default_rng(0)
    n, size = (5, 3) if quick else (20, 8)
    n_classes = 4
    base = np.abs(np.cumsum(rng.standard_normal((n_classes, 50)), axis=1)) + 0.2
    E = np.repeat(base, size, axis=0) * rng.uniform(0.7, 1.3, (n_classes * size, 50))
    labels = np.repeat(np.arange(n_classes), size)
    A = rng.dirichlet(np.ones(n_classes), n)
    X = _mixtures(rng, base, A)
    model = MESMA(3).fit(E, labels)

    def remarks(found):
        value = 0.5 * np.sum((X - found) ** 2)
        return [f"{value:.6f}"]

    def all_models():
        best, value = np.zeros_like(X), np.full(n, np.inf)
        for k in (1, 2, 3):
            for classes in combinations(range(n_classes), k):
                for chosen in product(*(np.flatnonzero(labels == c) for c in classes)):
                    spectra = E[list(chosen)]
                    fitted = fcls(X, spectra) @ spectra
                    error = np.sum((X - fitted) ** 2, axis=1)
                    better = error < value
                    best[better], value[better] = fitted[better], error[better]
        return best

    return [
        Method("sparsestat", partial(model.reconstruct, X), remarks),
        Method("all models, one after the other", all_models, remarks, once=True),
    ]


def simplices(quick: bool) -> list[Method]:
    """Case S.simplex."""
    from sparsestat.metrics import match_endmembers, spectral_angle
    from sparsestat.unmixing import MVSA, NFINDR, SISAL, VCA

    rng = np.random.default_rng(0)
    n, p = (300, 3) if quick else (10_000, 5)
    E = _library(quick)
    E = E[rng.choice(len(E), p, replace=False)]
    A = rng.dirichlet(np.ones(p), 3 * n)
    A = A[A.max(axis=1) <= 0.8][:n]
    noisy = _mixtures(rng, E, A)

    def remarks(model):
        found = model.components_.astype(np.float64)
        angles = spectral_angle(E, found)[np.arange(p), match_endmembers(E, found)]
        return [f"{angles.mean():.4f}", f"{getattr(model, 'stationarity_', 0.0):.0e}"]

    methods = []
    for name, X in (("no noise", A @ E), ("30 dB", noisy)):
        for label, model in (
            ("MVSA", MVSA(p)),
            ("SISAL, tau 0.1", SISAL(p, tau=0.1)),
            ("VCA", VCA(p, random_state=0)),
            ("N-FINDR", NFINDR(p)),
        ):
            methods.append(Method(f"{label}, {name}", partial(model.fit, X), remarks))
    return methods


_case = partial(table_case, module="_libraries")

CASES = [
    _case(
        "S.scene",
        "Collaborative sparse unmixing, 2000 pixels, 240 spectra of the USGS library",
        "collaborative",
        ["objective", "gap over half the squared norm", "spectra used"],
        "Six spectra in the scene, 30 dB, alpha 1. The two peers are the plain "
        "algorithms of the literature, in NumPy.",
    ),
    _case(
        "S.members",
        "Best models of a labelled library, 20 pixels, four classes of eight spectra",
        "members",
        ["sum of half squared residuals"],
        "At most three classes in a pixel, one spectrum each.",
    ),
    _case(
        "S.simplex",
        "Endmembers of scenes without pure pixels, five of the USGS library",
        "simplices",
        ["angle (rad)", "stationarity"],
        "10000 pixels with abundances of at most 0.8; mean angle after matching.",
    ),
]
