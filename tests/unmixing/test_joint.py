"""Scenes solved together: against cvxpy, certificates, limits."""

import warnings

import cvxpy as cp
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sparsestat.optim.collaborative import collaborative_gap
from sparsestat.unmixing import NFINDR, CLSUnSAL, SUnSAL, SUnSALTV, nnls, sunsal

SHAPE = (5, 4)


def scene(seed=0, n_components=6, n_bands=15, noise=0.2):
    rng = np.random.default_rng(seed)
    E = np.abs(rng.standard_normal((n_components, n_bands))) + 0.2
    A = rng.dirichlet(np.ones(n_components), SHAPE[0] * SHAPE[1])
    return E, A, A @ E + noise * rng.standard_normal((len(A), n_bands))


def neighbours(axis, periodic):
    """Pairs of pixels, the first before the second."""
    places = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE)
    after = np.roll(places, -1, axis)
    if not periodic:
        last = tuple(-1 if i == axis else slice(None) for i in range(2))
        after[last] = places[last]
    return places.ravel(), after.ravel()


def variation(A, tv, periodic):
    """As cvxpy sees it."""
    down, across = (
        A[after] - A[before]
        for before, after in (neighbours(axis, periodic) for axis in range(2))
    )
    if tv == "anisotropic":
        return cp.sum(cp.abs(down)) + cp.sum(cp.abs(across))
    columns = range(A.shape[1])
    both = [cp.vstack([down[:, k], across[:, k]]) for k in columns]
    return cp.sum([cp.sum(cp.norm(pair, axis=0)) for pair in both])


def solved(X, E, penalty):
    A = cp.Variable((len(X), len(E)), nonneg=True)
    loss = 0.5 * cp.sum_squares(X - A @ E)
    problem = cp.Problem(cp.Minimize(loss + penalty(A)))
    return problem.solve(solver="CLARABEL"), A.value


@pytest.mark.parametrize("alpha", [0.05, 0.5, 3.0])
def test_collaboration_is_that_of_cvxpy(alpha):
    E, _, X = scene(n_components=12, n_bands=9)
    best, A = solved(X, E, lambda A: alpha * cp.sum(cp.norm(A, axis=0)))
    model = CLSUnSAL(E, alpha=alpha, tol=1e-10).fit(X)
    found = model.abundances_
    np.testing.assert_allclose(found, A, atol=2e-5)
    value = (
        0.5 * np.sum((X - found @ E) ** 2) + alpha * np.linalg.norm(found, axis=0).sum()
    )
    assert value <= best + 1e-8
    assert model.dual_gap_ <= 0.5e-10 * np.sum(X**2)


def test_the_gap_of_collaboration_bounds_the_suboptimality_of_any_point():
    E, A, X = scene()
    moments = E @ E.T, E @ X.T, np.sum(X**2)

    def objective(a):
        return 0.5 * np.sum((X - a @ E) ** 2) + 0.3 * np.linalg.norm(a, axis=0).sum()

    best = CLSUnSAL(E, alpha=0.3, tol=1e-10).fit_transform(X)
    for a in (A, 0.5 * A, np.zeros_like(A), best):
        gap = collaborative_gap(*moments, a.T, 0.3)
        assert gap >= objective(a) - objective(best) - 1e-9
    assert gap <= 1e-8


def test_a_spectrum_is_in_the_scene_or_not():
    rng = np.random.default_rng(3)
    E = np.abs(np.cumsum(rng.standard_normal((40, 60)), axis=1)) + 0.5
    used = [4, 11, 30]
    A = rng.dirichlet(np.ones(3), 200)
    X = A @ E[used] + 0.02 * rng.standard_normal((200, 60))
    found = CLSUnSAL(E, alpha=1.0).fit_transform(X)
    shares = np.linalg.norm(found, axis=0)
    assert np.count_nonzero(shares) < np.count_nonzero(sunsal(X, E, 1e-3).any(axis=0))
    assert set(np.argsort(-shares)[:3]) == set(used)


def test_collaboration_ends_at_the_largest_norm():
    E, _, X = scene()
    top = np.linalg.norm(np.maximum(X @ E.T, 0.0), axis=0).max()
    model = CLSUnSAL(E, alpha=top * (1 + 1e-9)).fit(X)
    assert not model.abundances_.any() and not model.transform(X).any()
    assert CLSUnSAL(E, alpha=0.99 * top).fit_transform(X).any()
    model.set_params(alpha=0.0).fit(X)
    np.testing.assert_array_equal(model.abundances_, nnls(X, E))
    np.testing.assert_array_equal(model.transform(X), nnls(X, E))


def test_more_pixels_are_as_if_they_were_of_the_scene():
    """Given the norms, a pixel has a problem of its own, which the scene solves."""
    E, _, X = scene(n_components=12, n_bands=9)
    model = CLSUnSAL(E, alpha=0.5, tol=1e-12).fit(X)
    absent = model.norms_ == 0.0
    assert 0 < absent.sum() < 12
    np.testing.assert_allclose(model.transform(X), model.abundances_, atol=1e-5)
    other = scene(seed=1, n_components=12, n_bands=9)[2]
    found = model.transform(other)
    np.testing.assert_array_equal(found[3:5], model.transform(other[3:5]))
    assert not found[:, absent].any()
    assert model.dual_gap(other).max() <= 1e-10
    a = cp.Variable(12 - absent.sum(), nonneg=True)
    penalty = 0.25 * cp.sum_squares(cp.multiply(a, model.norms_[~absent] ** -0.5))
    cp.Problem(
        cp.Minimize(0.5 * cp.sum_squares(other[0] - E[~absent].T @ a) + penalty)
    ).solve(solver="CLARABEL")
    np.testing.assert_allclose(found[0, ~absent], a.value, atol=1e-5)


@pytest.mark.parametrize("model", [CLSUnSAL(), SUnSALTV(image_shape=SHAPE)], ids=str)
def test_without_a_library_endmembers_are_those_of_the_scene(model):
    _, _, X = scene(noise=0.01)
    X = np.maximum(X, 0.0)
    model.fit(X)
    np.testing.assert_array_equal(model.components_, NFINDR().fit(X).components_)
    assert model.abundances_.shape == (len(X), len(model.components_))


def test_a_library_of_other_bands_is_refused():
    E, _, X = scene()
    with pytest.raises(ValueError, match=r"15 bands of X; got shape \(6, 14\)"):
        CLSUnSAL(E[:, :-1]).fit(X)


@pytest.mark.parametrize("tv", ["anisotropic", "isotropic"])
@pytest.mark.parametrize("boundary", ["reflect", "periodic"])
@pytest.mark.parametrize("alpha, alpha_tv", [(0.05, 0.1), (0.0, 0.2)])
def test_variation_is_that_of_cvxpy(tv, boundary, alpha, alpha_tv):
    E, _, X = scene()

    def penalty(A):
        return alpha * cp.sum(A) + alpha_tv * variation(A, tv, boundary == "periodic")

    _, A = solved(X, E, penalty)
    model = SUnSALTV(
        E, alpha=alpha, alpha_tv=alpha_tv, image_shape=SHAPE, tv=tv, boundary=boundary
    )
    model.set_params(tol=1e-8).fit(X)
    np.testing.assert_allclose(model.abundances_, A, atol=1e-4)
    assert model.dual_gap_ <= 0.5e-8 * np.sum(X**2)


@pytest.mark.parametrize("tv", ["anisotropic", "isotropic"])
@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("lowest", [0.0, -0.5])
def test_early_gaps_are_bounds(tv, alpha, lowest):
    """With and without a spectrum that all others have positive products with."""
    rng = np.random.default_rng(3)
    E = rng.uniform(lowest, 1.0, (12, 6))
    X = rng.dirichlet(np.full(12, 0.3), 20) @ E + 0.05 * rng.standard_normal((20, 6))
    model = SUnSALTV(E, alpha=alpha, alpha_tv=0.1, image_shape=SHAPE, tv=tv)

    def objective(A):
        d = np.zeros((2, *SHAPE, len(E)))
        maps = A.reshape(*SHAPE, -1)
        d[0, :-1], d[1, :, :-1] = np.diff(maps, axis=0), np.diff(maps, axis=1)
        sizes = np.abs(d).sum() if tv == "anisotropic" else np.hypot(*d).sum()
        return 0.5 * np.sum((X - A @ E) ** 2) + alpha * A.sum() + 0.1 * sizes

    best = objective(model.set_params(tol=1e-7, max_iter=9999).fit_transform(X))
    slack = 1e-7 * np.sum(X**2)
    for max_iter in (1, 3, 20):
        model.set_params(tol=slack, max_iter=max_iter)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = objective(model.fit_transform(X))
        assert found - best <= model.dual_gap_ + slack


def test_variation_with_alike_spectra_takes_few_iterations():
    rng = np.random.default_rng(4)
    E = 1.0 + 0.3 * rng.random((60, 30)) @ np.tri(30) / 30
    X = np.repeat(rng.dirichlet(np.full(60, 0.1), 4), 5, axis=0) @ E
    X += 0.01 * rng.standard_normal(X.shape)
    model = SUnSALTV(E, alpha=1e-3, alpha_tv=1e-2, image_shape=SHAPE).fit(X)
    assert model.n_iter_ <= 60


def test_no_variation_is_sparse_unmixing():
    E, _, X = scene()
    model = SUnSALTV(E, alpha=0.05, alpha_tv=0.0, image_shape=SHAPE)
    expected = SUnSAL(0.05).fit(E).transform(X)
    np.testing.assert_array_equal(model.fit_transform(X), expected)
    model.set_params(alpha_tv=1e-7, tol=1e-10)
    np.testing.assert_allclose(model.fit_transform(X), sunsal(X, E, 0.05), atol=1e-4)


@pytest.mark.parametrize("boundary", ["reflect", "periodic"])
def test_much_variation_is_the_mean_pixel(boundary):
    E, _, X = scene()
    model = SUnSALTV(
        E, alpha=0.1, alpha_tv=100.0, image_shape=SHAPE, boundary=boundary, tol=1e-10
    )
    expected = sunsal([X.mean(axis=0)], E, 0.1)
    np.testing.assert_allclose(
        model.fit_transform(X), np.repeat(expected, len(X), axis=0), atol=1e-5
    )


def test_an_image_of_another_shape_is_refused():
    E, _, X = scene()
    with pytest.raises(ValueError, match=r"as many pixels as X, 20; got \(5, 5\)"):
        SUnSALTV(E, image_shape=(5, 5)).fit(X)


@pytest.mark.parametrize(
    "model",
    [CLSUnSAL(alpha=0.1, max_iter=1, tol=1e-12), SUnSALTV(max_iter=1, tol=1e-9)],
)
def test_a_gap_that_is_too_large_is_reported(model):
    E, _, X = scene()
    with pytest.warns(ConvergenceWarning, match="raise max_iter or tol"):
        model.set_params(endmembers=E).fit(X)


@pytest.mark.parametrize("model", [CLSUnSAL(), SUnSALTV(image_shape=SHAPE)], ids=str)
def test_single_precision_and_zero_pixels(model):
    E, _, X = scene()
    model.set_params(endmembers=E)
    found = model.fit_transform(X.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, model.fit_transform(X), atol=2e-2)
    assert not model.fit_transform(np.zeros_like(X)).any()
    assert model.dual_gap_ == 0.0
