"""Where constrained matrix factorisation starts, which matters more than its loss."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from sparsestat.unmixing._functions import solve_fcls
from sparsestat.unmixing._nmf_terms import good_limit
from sparsestat.unmixing._subspace import subspace_and_noise
from sparsestat.unmixing._vca import VCA
from sparsestat.unmixing._volume import NFINDR

__all__ = ["Start", "start_from"]

# Bands with less signal than this over noise, in decibels, and more noise than others
# are left out of the start.
_CLEAN = 10.0
# The least reflectance of an endmember to start with: zero is a trap.
_LEAST = 1e-6


class Start(NamedTuple):
    """Factors to start with.

    Parameters
    ----------
    components : ndarray of shape (n_components, n_bands)
        Endmembers.
    abundances : ndarray of shape (n_pixels, n_components)
        Abundances, of sum one.
    clean : ndarray of shape (n_bands,), bool
        Bands that they were found in.
    noise : ndarray of shape (n_bands,) or None
        Variance of the noise of each band; None if endmembers were given.
    """

    components: np.ndarray
    abundances: np.ndarray
    clean: np.ndarray
    noise: np.ndarray | None


def start_from(X: np.ndarray, n_components: int, init, random_state, n_jobs) -> Start:
    """Endmembers and abundances by an extractor, or from given endmembers.

    Extracted pixels are projected onto the subspace of the signal: at 10 dB noise turns
    the spectrum of a pixel by 0.3 rad, and abundances of all others follow from it.
    """
    clean = np.ones(X.shape[1], dtype=bool)
    if not isinstance(init, str):
        E = np.maximum(init, 0.0)
        return Start(E, solve_fcls(X, E, n_jobs=n_jobs), clean, None)
    basis, noise = subspace_and_noise(X, at_least=n_components)
    if init == "robust":
        clean = clean_bands(X, noise, 2 * n_components)
    seen = X
    if not clean.all():
        seen = np.ascontiguousarray(X[:, clean])
        basis = subspace_and_noise(seen, at_least=n_components)[0]
    if init == "vca":
        rng = check_random_state(random_state)
        model = VCA(min(n_components, seen.shape[1]), random_state=rng, denoise=False)
    else:
        model = NFINDR(n_components)
    E = np.maximum(model.fit(seen).components_ @ basis @ basis.T, _LEAST)
    A = solve_fcls(seen, E, n_jobs=n_jobs)
    if not clean.all():
        E = np.linalg.pinv(A.T @ A, hermitian=True) @ (A.T @ X)
    return Start(np.maximum(E, _LEAST), A, clean, noise)


def clean_bands(X: np.ndarray, noise: np.ndarray, at_least: int) -> np.ndarray:
    """Bands whose signal stands out of the noise, or whose noise does not stand out.

    All if they are too few. Where all bands are as noisy, those of a weak signal do no
    harm, and the noise of the others is averaged with them.
    """
    power = np.einsum("nl,nl->l", X, X) / len(X)
    clean = power > 10.0 ** (_CLEAN / 10.0) * noise
    clean |= noise <= good_limit(noise)[1]
    return clean if np.count_nonzero(clean) >= at_least else np.ones_like(clean)
