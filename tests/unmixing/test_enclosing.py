"""Smallest simplices: scenes without pure pixels, balance of forces, other searches."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, minimize
from sklearn.exceptions import ConvergenceWarning

from sparsestat.unmixing import MVSA, SISAL, VCA
from sparsestat.unmixing._extractor import affine_coordinates
from tests.unmixing.scenes import spectra


def mixed_scene(seed=0, n_components=4, n_pixels=3000, noise=0.0):
    """Endmembers and pixels in which none has more than 0.8; some lack one."""
    rng = np.random.default_rng(seed)
    E = spectra(rng, n_components)
    A = rng.dirichlet(np.ones(n_components), 4 * n_pixels)
    A[np.arange(n_pixels), rng.integers(0, n_components, n_pixels)] = 0.0
    A /= A.sum(axis=1, keepdims=True)
    A = rng.permutation(A[A.max(axis=1) <= 0.8])[:n_pixels]
    return E, A @ E + noise * rng.standard_normal((len(A), E.shape[1]))


def angle(E, F):
    """Mean angle after the best matching, in radians."""
    U, V = (S / np.linalg.norm(S, axis=1, keepdims=True) for S in (E, F))
    distances = np.linalg.norm(U[:, None] - V, axis=2)
    rows, columns = linear_sum_assignment(distances)
    return 2.0 * np.arcsin(0.5 * distances[rows, columns]).mean()


@pytest.mark.parametrize("n_components", [3, 4, 5])
def test_endmembers_that_are_no_pixels_are_found(n_components):
    E, X = mixed_scene(n_components=n_components)
    model = MVSA(n_components).fit(X)
    assert model.stationarity_ <= 1e-6
    assert angle(E, model.components_) < 1e-5
    assert angle(E, VCA(n_components, random_state=0).fit(X).components_) > 0.02
    assert np.abs(X - model.inverse_transform(model.transform(X))).max() < 1e-6


def test_the_dearest_outside_is_inside():
    _, X = mixed_scene(1, n_pixels=500, noise=0.01)
    found = MVSA(4).fit(X)
    dear = SISAL(4, tau=4.0).fit(X)
    np.testing.assert_array_equal(found.components_, dear.components_)
    dearer = SISAL(4, tau=40.0, tol=1e-5).fit(X)
    assert dearer.log_volume_ == pytest.approx(found.log_volume_, abs=1e-3)
    shares = inside(found, X)
    assert shares.min() >= -1e-6


def inside(model, X):
    """Shares of pixels in the simplex, in the affine subspace of largest variance."""
    k = model.n_components_
    Z = affine_coordinates(X, k)
    axes = np.linalg.lstsq(Z, X, rcond=None)[0]
    corners = np.linalg.lstsq(axes.T, model.components_.T, rcond=None)[0].T
    assert np.linalg.slogdet(corners)[1] == pytest.approx(model.log_volume_)
    return np.linalg.solve(corners.T, Z.T).T


@pytest.mark.parametrize("tau", [0.02, 0.2, 1.0])
def test_no_simplex_nearby_is_better(tau):
    _, X = mixed_scene(2, n_components=3, n_pixels=300, noise=0.02)
    model = SISAL(3, tau=tau).fit(X)
    A = inside(model, X)
    assert (A < 0.0).any() == (tau < 1.0) or tau == 1.0
    rng = np.random.default_rng(0)

    def objective(s):
        S = s.reshape(3, 3)
        S = S - S.mean(axis=0)
        size = np.linalg.slogdet(np.eye(3) + S)[1]
        return -size - tau * np.minimum(A + A @ S.T, 0.0).sum()

    best = objective(np.zeros(9))
    for scale in (1e-3, 1e-2, 1e-1):
        nearby = [objective(scale * rng.standard_normal(9)) for _ in range(300)]
        assert min(nearby) >= best - 1e-6
    searched = minimize(objective, np.zeros(9), method="Nelder-Mead").fun
    assert searched >= best - 1e-6


def test_noise_is_left_outside():
    E, X = mixed_scene(3, noise=0.02)
    tolerant = SISAL(4, tau=0.1).fit(X)
    assert angle(E, tolerant.components_) < 0.5 * angle(E, MVSA(4).fit(X).components_)


def test_too_few_steps_are_reported():
    _, X = mixed_scene()
    with pytest.warns(ConvergenceWarning, match="raise max_iter or tol"):
        SISAL(4, max_iter=2).fit(X)


def test_flat_scenes():
    _, X = mixed_scene(n_components=3)
    with pytest.raises(ValueError, match="at most 3 for pixels that span 2 dimensions"):
        SISAL(4).fit(X)
    assert MVSA(1).fit(X).transform(X[:2]).tolist() == [[1.0], [1.0]]
    for data in (np.ones((10, 3)), np.eye(5)[:, :1]):
        model = SISAL().fit(data)
        assert np.isfinite(model.transform(data)).all()
