"""Endmembers: exact where pixels are pure, golden values on real scenes."""

import itertools

import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.exceptions import ConvergenceWarning

from sparsestat.metrics import match_endmembers
from sparsestat.unmixing import (
    AVMAX,
    NFINDR,
    PPI,
    SISAL,
    SMACC,
    SPA,
    VCA,
    HySime,
    _spa,
    estimate_noise,
    hfc,
    hysime,
)
from sparsestat.unmixing._extractor import affine_coordinates, log_volume
from sparsestat.unmixing._spa import _rounded
from sparsestat.unmixing._volume import largest_simplex
from tests.unmixing.scenes import pure_scene

ALL = [
    SPA(4),
    SPA(4, robust=True),
    NFINDR(4),
    NFINDR(4, init="vca", random_state=0),
    NFINDR(4, init="random", n_init=3, random_state=0),
    VCA(4, random_state=0),
    AVMAX(4, random_state=0),
    PPI(4, n_skewers=500, random_state=0),
    SMACC(4),
]


@pytest.mark.parametrize("model", ALL, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_pure_pixels_are_found(model, seed):
    E, A, X, pure = pure_scene(seed)
    model.fit(X)
    assert set(model.indices_) == set(pure)
    order = np.argsort(model.indices_)[np.argsort(np.argsort(pure))]
    np.testing.assert_allclose(model.components_[order], E, atol=1e-10)
    np.testing.assert_allclose(model.transform(X)[:, order], A, atol=1e-8)
    assert model.dual_gap(X).max() <= 1e-12


def test_n_findr_ends_where_no_exchange_enlarges_the_volume():
    _, _, X, _ = pure_scene(5, n_pixels=60, noise=0.05)
    model = NFINDR(4).fit(X)
    Z = affine_coordinates(X, 4)
    assert model.log_volume_ == pytest.approx(log_volume(Z[model.indices_]))
    for k, pixel in itertools.product(range(4), range(60)):
        corners = model.indices_.copy()
        corners[k] = pixel
        assert log_volume(Z[corners]) <= model.log_volume_ + 1e-9


def test_volume_rises_with_every_round():
    _, _, X, _ = pure_scene(6, noise=0.1)
    Z = affine_coordinates(X, 4)
    start = np.arange(4)
    volumes = [log_volume(Z[largest_simplex(Z, start, k)[0]]) for k in range(5)]
    assert (np.diff(volumes) >= 0.0).all()
    assert volumes[-1] > volumes[0]


def test_volume_of_the_best_start_is_kept():
    _, _, X, _ = pure_scene(7, noise=0.2)
    volumes = [VCA(4, n_init=n, random_state=0).fit(X).log_volume_ for n in (1, 5, 20)]
    assert (np.diff(volumes) >= 0.0).all()


def test_robust_corners_are_pulled_inwards():
    """Facets of the shrunk simplex are nearer by the radius of the noise."""
    _, _, X, _ = pure_scene()
    radius = 0.05
    inner = AVMAX(4, robust=radius, random_state=0).fit(X).components_
    outer = AVMAX(4, random_state=0).fit(X).components_
    for k in range(4):
        facet = np.delete(outer, k, axis=0)
        directions = (facet[1:] - facet[0]).T
        offsets = (np.delete(inner, k, axis=0) - facet[0]).T
        spread = np.linalg.lstsq(directions, offsets, rcond=None)[0]
        distance = np.linalg.norm(offsets - directions @ spread, axis=0)
        np.testing.assert_allclose(distance, radius, atol=1e-9)


def test_denoised_endmembers_are_in_the_subspace():
    _, _, X, _ = pure_scene(noise=0.01)
    model = VCA(4, random_state=0).fit(X)
    raw = VCA(4, denoise=False, random_state=0).fit(X)
    np.testing.assert_array_equal(raw.components_, X[raw.indices_])
    assert not np.array_equal(model.components_, raw.components_)
    assert np.linalg.matrix_rank(model.components_ - X.mean(axis=0), 1e-8) <= 4


def test_noise_free_pixels_have_infinite_snr():
    _, _, X, _ = pure_scene()
    assert VCA(4, random_state=0).fit(X).snr_ == np.inf


def stretched_cloud(seed, k=4, n=600):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, k)) @ rng.standard_normal((k, k)) + np.arange(k)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_robust_spa_finds_the_smallest_ellipsoid(k):
    """cvxpy on all points; the weights of the method are found on few of them."""
    cp = pytest.importorskip("cvxpy")
    X = stretched_cloud(k, k, 150)
    root = cp.Variable((k, k), PSD=True)
    inside = cp.norm(X @ root, axis=1) <= 1.0
    cp.Problem(cp.Maximize(cp.log_det(root)), [inside]).solve(solver=cp.CLARABEL)
    rounded = _rounded(X, k, X.T @ X) / np.sqrt(k)
    to_ball = np.linalg.lstsq(X, rounded)[0]
    excess = np.linalg.slogdet(root.value)[1] - np.linalg.slogdet(to_ball)[1]
    assert abs(excess) <= 0.5 * k * 1e-6  # of heights that are 1e-6 too large
    # A volume within e of the smallest leaves the shape uncertain by about sqrt(e).
    expected = np.square(X @ root.value).sum(axis=1)
    heights = np.square(rounded).sum(axis=1)
    np.testing.assert_allclose(heights, expected, atol=np.sqrt(0.5 * k * 1e-6))


@pytest.mark.parametrize(("k", "n"), [(3, 500), (8, 2000), (15, 4000)])
def test_no_pixel_is_outside_the_ellipsoid_of_robust_spa(k, n):
    """And none of smaller volume exists: the heights of a design average k."""
    X = stretched_cloud(k, k, n)
    rounded = _rounded(X, k, X.T @ X)
    assert np.square(rounded).sum(axis=1).max() <= k * (1.0 + 1e-6)
    touching = rounded[np.square(rounded).sum(axis=1) >= k * (1.0 - 1e-3)]
    outer = np.einsum("ni,nj->nij", touching, touching).reshape(len(touching), -1)
    _, residual = nnls(outer.T, np.eye(k).ravel())
    assert residual <= 1e-3


def test_robust_spa_does_not_depend_on_coordinates_or_order():
    X = stretched_cloud(0, 5, 800)
    indices = SPA(5, robust=True).fit(X).indices_
    turned = X @ np.linalg.qr(np.random.default_rng(1).standard_normal((5, 5)))[0]
    np.testing.assert_array_equal(SPA(5, robust=True).fit(turned).indices_, indices)
    order = np.random.default_rng(2).permutation(len(X))
    again = SPA(5, robust=True).fit(X[order]).indices_
    np.testing.assert_array_equal(order[again], indices)


def test_volume_of_robust_spa_is_that_of_its_pixels():
    _, _, X, _ = pure_scene(noise=0.01)
    model = SPA(4, robust=True).fit(X)
    corners = affine_coordinates(X, 4)[model.indices_]
    assert model.log_volume_ == pytest.approx(log_volume(corners), rel=1e-12)


def test_real_scenes(data_folder):
    for name, scale, rows, volume, gaps, counts in [
        ("samson", 1.0, {96, 464, 6584}, 15.400076, 115.912205, (44, 9, 8, 8)),
        ("jasper_ridge", 5000.0, {3189, 4552, 6468, 6942}, 65.058484, 481.759702,
         (18, 9, 9, 7)),
    ]:  # fmt: skip
        cube = np.load(data_folder / "unmixing" / f"{name}.npz")["cube"] / scale
        X = cube.reshape(-1, cube.shape[-1]).astype(np.float64)
        model = NFINDR(len(rows)).fit(X)
        assert set(model.indices_) == rows
        assert np.exp(model.log_volume_) == pytest.approx(volume, rel=1e-7)
        residual = X - model.inverse_transform(model.transform(X))
        assert 0.5 * np.sum(residual**2) == pytest.approx(gaps, rel=1e-8)
        assert model.dual_gap(X).max() <= 1e-12
        assert (hysime(X), *(hfc(X, far) for far in (1e-3, 1e-4, 1e-5))) == counts


@pytest.mark.parametrize("seed", range(5))
def test_number_of_endmembers(seed):
    E, _, X, _ = pure_scene(seed, n_pixels=4096, n_components=5)
    rng = np.random.default_rng(seed)
    sigma = np.sqrt(np.mean(X**2) * 10 ** (-30 / 10))
    X += sigma * rng.standard_normal(X.shape)
    assert hysime(X) == 5
    noise = estimate_noise(X).std(axis=0)
    np.testing.assert_allclose(noise, sigma, rtol=0.1)
    model = HySime().fit(X)
    assert model.n_components_ == 5
    np.testing.assert_allclose(model.noise_variance_, noise**2, rtol=1e-3)
    basis = hysime(X, return_basis=True)[1]
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-12)
    back = model.inverse_transform(model.transform(E))
    np.testing.assert_allclose(back, E, atol=0.02)


def test_auto_is_the_subspace_dimension():
    _, _, X, _ = pure_scene(1, n_pixels=2000)
    X += 0.01 * np.random.default_rng(0).standard_normal(X.shape)
    assert NFINDR().fit(X).n_components_ == hysime(X) == 4


@pytest.mark.parametrize("model", [SPA(), NFINDR(), VCA(), AVMAX(), PPI(), SMACC()])
def test_small_and_constant_data(model):
    for X in (
        np.ones((10, 3)),
        np.random.default_rng(0).random((10, 3)),
        np.eye(5)[:, :1],
    ):
        model.set_params(n_components="auto").fit(X)
        assert np.isfinite(model.components_).all()
        assert np.isfinite(model.transform(X)).all()


@pytest.mark.parametrize("model", ALL, ids=str)
def test_too_many_endmembers(model):
    with pytest.raises(ValueError, match="n_components must be at most"):
        model.fit(np.random.default_rng(0).random((3, 5)))
    with pytest.raises(ValueError, match=r"n_components must be at most [23] for"):
        model.fit(np.random.default_rng(0).random((30, 2)))


def test_denoised_endmembers_lie_in_the_affine_subspace():
    E, _, X, _ = pure_scene(seed=3, noise=0.05)
    raw, denoised = NFINDR(4).fit(X), NFINDR(4, denoise=True).fit(X)
    np.testing.assert_array_equal(raw.indices_, denoised.indices_)
    np.testing.assert_array_equal(raw.components_, X[raw.indices_])
    centre = X.mean(axis=0)
    basis = np.linalg.svd(X - centre, full_matrices=False)[2][:3]
    projected = (raw.components_ - centre) @ basis.T @ basis + centre
    np.testing.assert_allclose(denoised.components_, projected, atol=1e-10)
    errors = [
        np.linalg.norm(E[match_endmembers(m.components_, E)] - m.components_)
        for m in (raw, denoised)
    ]
    assert errors[1] < 0.5 * errors[0]


def test_an_ellipsoid_that_is_not_found_is_said(monkeypatch):
    monkeypatch.setattr(_spa, "_STEPS", 2)
    X = np.random.default_rng(0).random((200, 6))
    with pytest.warns(ConvergenceWarning, match="stick out"):
        SPA(n_components=4, robust=True).fit(X)


@pytest.mark.parametrize("cls", [NFINDR, VCA, SMACC, SISAL])
def test_score_is_of_bands_and_pixels_that_are_held_out(cls):
    """Down to the noise for the right number, and no better for more."""
    E, _, X, _ = pure_scene(0, n_pixels=1200, noise=0.02)
    train, test = X[::2], X[1::2]
    scores = [cls(k).fit(train).score(test) for k in (len(E) - 1, len(E), len(E) + 1)]
    assert scores[0] < 1.5 * scores[1] < 0.0
    assert scores[1] == pytest.approx(-0.02, rel=0.1)
    assert scores[2] < scores[1] * (1.0 - 1e-3)
