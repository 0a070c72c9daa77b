"""Abundances under known endmembers: closed forms, certificates, invariances."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sparsestat.linear_model import Lasso
from sparsestat.unmixing import (
    FCLS,
    NNLS,
    UCLS,
    SumToOneLS,
    SUnSAL,
    fcls,
    nnls,
    sunsal,
)
from sparsestat.unmixing._functions import fcls_gap, nnls_gap, sunsal_gap

ALL = [
    UCLS(),
    SumToOneLS(),
    NNLS(),
    FCLS(),
    SUnSAL(0.05),
    SUnSAL(0.05, reweight=2),
    SUnSAL(0.05, positive=False),
    SUnSAL(0.05, positive=False, reweight=2),
]


def scene(seed=0, n_pixels=60, n_components=4, n_bands=30, noise=0.05):
    rng = np.random.default_rng(seed)
    E = np.abs(np.cumsum(rng.standard_normal((n_components, n_bands)), axis=1)) + 0.2
    A = rng.dirichlet(np.ones(n_components), n_pixels)
    return E, A, A @ E + noise * rng.standard_normal((n_pixels, n_bands))


@pytest.mark.parametrize(
    "x, a",
    [((0.5, 0.2, -0.1), (19 / 30, 1 / 3, 1 / 30)), ((1.2, 0.3, -0.5), (0.95, 0.05, 0))],
)
def test_fully_constrained_closed_form(x, a):
    np.testing.assert_allclose(fcls([x], np.eye(3))[0], a, atol=1e-15)


def test_the_metric_is_that_of_the_bands():
    """Solving on the Gram matrix as if it were the design gives (0.75, 0)."""
    np.testing.assert_allclose(nnls([[1.0, -0.5]], [[1.0, 0.0], [1.0, 1.0]]), [[1, 0]])


@pytest.mark.parametrize("model", ALL, ids=str)
def test_gaps_are_small_and_grow_off_the_solution(model):
    E, _, X = scene()
    model.fit(E)
    gap = model.dual_gap(X)
    assert gap.shape == (len(X),)
    assert gap.min() >= -1e-14
    assert gap.max() <= 1e-10 * np.square(X).sum(axis=1).max()


@pytest.mark.parametrize("seed", range(5))
def test_gaps_bound_the_suboptimality_of_any_point(seed):
    E, A, X = scene(seed, n_components=6)
    alpha = 0.1

    def loss(a):
        return 0.5 * np.square(X - a @ E).sum(axis=1)

    slack = loss(A) - loss(fcls(X, E))
    assert (fcls_gap(X, E, A) >= slack).all()
    slack = loss(A) - loss(nnls(X, E))
    assert (nnls_gap(X, E, A) >= slack).all()
    best = sunsal(X, E, alpha)
    slack = loss(A) + alpha * A.sum(axis=1) - loss(best) - alpha * best.sum(axis=1)
    gap = sunsal_gap(X, E, A, alpha)
    assert (gap >= slack - 1e-12).all()
    assert np.isfinite(gap).all()


def test_zero_pixels():
    E, _, _ = scene()
    zero = np.zeros((1, E.shape[1]))
    for alpha in (0.0, 0.1):
        found, gap = sunsal(zero, E, alpha, return_gap=True)
        assert not found.any()
        assert gap[0] == 0.0
    found, gap = fcls(zero, E, return_gap=True)
    assert found.sum() == pytest.approx(1.0)
    assert gap[0] <= 1e-12


def test_sparse_unmixing_is_empty_from_the_largest_product_on():
    E, _, X = scene()
    largest = (X @ E.T).max(axis=1)
    for x, top in zip(X[:5], largest, strict=False):
        assert not sunsal([x], E, alpha=top * (1 + 1e-12)).any()
        assert sunsal([x], E, alpha=0.999 * top).any()


def test_sparse_unmixing_is_a_positive_lasso():
    E, _, X = scene(n_bands=50)
    lasso = Lasso(alpha=0.2 / 50, positive=True, fit_intercept=False, tol=1e-12)
    found = SUnSAL(alpha=0.2).fit(E).transform(X[:3])
    for x, a in zip(X, found, strict=False):
        np.testing.assert_allclose(lasso.fit(E.T, x).coef_, a, atol=1e-6)


def test_sparse_unmixing_of_any_sign_is_a_lasso():
    E, _, X = scene(n_components=12, n_bands=50)
    X[:3] -= 3.0 * E[:3]
    lasso = Lasso(alpha=0.2 / 50, fit_intercept=False, tol=1e-12)
    found = SUnSAL(alpha=0.2, positive=False).fit(E).transform(X[:3])
    assert (found < 0.0).any()
    for x, a in zip(X, found, strict=False):
        np.testing.assert_allclose(lasso.fit(E.T, x).coef_, a, atol=1e-6)
    free = SUnSAL(alpha=0.0, positive=False).fit(E)
    np.testing.assert_array_equal(free.transform(X), UCLS().fit(E).transform(X))
    assert free.dual_gap(X).max() <= 1e-12


def test_the_simplex_does_not_feel_a_common_shift():
    E, _, X = scene()
    np.testing.assert_allclose(fcls(X + 100.0, E + 100.0), fcls(X, E), atol=1e-9)
    np.testing.assert_allclose(
        SumToOneLS().fit(E + 100.0).transform(X + 100.0),
        SumToOneLS().fit(E).transform(X),
        atol=1e-9,
    )


@pytest.mark.parametrize("model", ALL, ids=str)
def test_endmembers_may_come_in_any_order(model):
    E, _, X = scene()
    order = [2, 0, 3, 1]
    expected = model.fit(E).transform(X)[:, order]
    np.testing.assert_allclose(model.fit(E[order]).transform(X), expected, atol=1e-9)


def test_closed_forms_of_least_squares():
    E, A, X = scene(noise=0.0)
    for model in (UCLS(), SumToOneLS(), NNLS(), FCLS()):
        np.testing.assert_allclose(model.fit(E).transform(X), A, atol=1e-10)
    E, _, X = scene()
    free = X @ np.linalg.pinv(E)
    inverse = np.linalg.inv(E @ E.T).sum(axis=1)
    shift = (free.sum(axis=1, keepdims=True) - 1.0) / inverse.sum()
    np.testing.assert_allclose(
        SumToOneLS().fit(E).transform(X), free - shift * inverse, atol=1e-10
    )


def test_normalised_abundances_take_out_the_illumination():
    E, A, X = scene(noise=0.0)
    light = np.linspace(0.3, 1.5, len(X))[:, None]
    model = NNLS(normalize=True).fit(E)
    np.testing.assert_allclose(model.transform(light * X), A, atol=1e-10)
    assert not model.transform(np.zeros((1, E.shape[1]))).any()


def test_reweighting_keeps_fewer_spectra():
    E, _, X = scene(n_components=20, n_bands=40)
    plain = np.count_nonzero(SUnSAL(0.02).fit(E).transform(X))
    fewer = np.count_nonzero(SUnSAL(0.02, reweight=3).fit(E).transform(X))
    assert fewer < plain


def test_a_penalty_of_a_fixed_sum_is_pointed_out():
    E, _, X = scene()
    with pytest.warns(UserWarning, match=r"alpha=0\.1 has no effect"):
        found = SUnSAL(0.1, sum_to_one=True).fit(E).transform(X)
    np.testing.assert_allclose(found, fcls(X, E), atol=1e-12)
    with pytest.warns(UserWarning, match="no effect"):
        sunsal(X, E, 0.1, sum_to_one=True)


def test_single_precision():
    E, _, X = scene()
    found = fcls(X.astype(np.float32), E.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, fcls(X, E), atol=1e-4)


def test_reconstruction_and_score():
    E, _, X = scene()
    model = FCLS().fit(E)
    back = model.inverse_transform(model.transform(X))
    assert model.score(X) == pytest.approx(-np.sqrt(np.mean((X - back) ** 2)))


def test_wrong_input():
    E, A, X = scene()
    with pytest.raises(ValueError, match="components must have the 30 bands of X"):
        fcls(X, E[:, :10])
    with pytest.raises(ValueError, match="NaN"):
        nnls(np.full((2, 30), np.nan), E)
    with pytest.raises(ValueError, match="alpha must be a finite real number"):
        sunsal(X, E, -1.0)
    with pytest.raises(ValueError, match="each of the 4 endmembers"):
        FCLS().fit(E).inverse_transform(A[:, :2])
    with pytest.raises(ValueError, match="sum_to_one=True needs positive=True"):
        SUnSAL(positive=False, sum_to_one=True).fit(E)
    with pytest.raises(NotFittedError):
        FCLS().transform(X)
