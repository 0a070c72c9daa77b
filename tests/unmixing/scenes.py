"""Scenes with known endmembers."""

import numpy as np


def spectra(rng, n_components=4, n_bands=60):
    """Smooth positive spectra that differ in their bumps."""
    x = np.linspace(0.0, 1.0, n_bands)
    centres = rng.permutation(np.linspace(0.05, 0.95, n_components))[:, None]
    bumps = np.exp(-((x - centres) ** 2) / 0.02)
    slopes = rng.uniform(0.0, 0.4, (n_components, 1)) * x
    return 0.2 + slopes + 0.6 * bumps


def pure_scene(seed=0, n_pixels=300, n_components=4, n_bands=60, noise=0.0):
    """Endmembers, abundances with some pure pixels at known rows, pixels, the rows."""
    rng = np.random.default_rng(seed)
    E = spectra(rng, n_components, n_bands)
    A = rng.dirichlet(np.full(n_components, 1.5), n_pixels)
    pure = rng.choice(n_pixels, n_components, replace=False)
    A[pure] = np.eye(n_components)
    X = A @ E + noise * rng.standard_normal((n_pixels, n_bands))
    return E, A, X, pure
