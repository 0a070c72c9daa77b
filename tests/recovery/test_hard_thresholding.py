"""The public function: errors and warnings; and the estimator."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import LinearOperator
from sklearn.exceptions import ConvergenceWarning

from sparsestat.linear_model import HardThresholdingRegressor
from sparsestat.recovery import hard_thresholding, make_sensing
from sparsestat.utils.validation import ParameterError


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((40, 100))
    x = np.zeros(100)
    x[[3, 50, 77]] = 1.0, -2.0, 0.5
    return A, x


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("n_nonzero_coefs", 0),
        ("solver", "best"),
        ("step", 0.0),
        ("tol", -1.0),
        ("max_iter", 0),
        ("noise_norm", -1.0),
        ("feedback", 3),
    ],
)
def test_wrong_parameter_is_named(data, name, wrong):
    A, x = data
    given = {"n_nonzero_coefs": 3, name: wrong}
    with pytest.raises(ParameterError, match=f"hard_thresholding: {name} must be"):
        hard_thresholding(A, A @ x, **given)


def test_wrong_data_are_named(data):
    A, x = data
    b = A @ x
    with pytest.raises(ValueError, match=r"b must be of shape \(40,\); got \(39,\)"):
        hard_thresholding(A, b[:-1], 3)
    with pytest.raises(ValueError, match="A must have two dimensions"):
        hard_thresholding(b, b, 3)
    with pytest.raises(ValueError, match="A must be finite"):
        hard_thresholding(np.where(A > 2, np.nan, A), b, 3)
    with pytest.raises(ValueError, match="b must be finite"):
        hard_thresholding(sparse.csr_array(A), np.full(40, np.inf), 3)
    with pytest.raises(ValueError, match=r"n_nonzero_coefs must be at most 40.*got 41"):
        hard_thresholding(A, b, 41)
    with pytest.raises(ValueError, match="n_nonzero_coefs must be given unless"):
        hard_thresholding(A, b)
    with pytest.raises(ValueError, match="A must hold numbers"):
        hard_thresholding(A.astype(str), b, 3)
    for adjoint, message in [
        (None, "A must have products with its adjoint"),
        (lambda r: np.nan * (A.T @ r), r"finite products; got NaN or infinity in A\^H"),
    ]:
        operator = LinearOperator(A.shape, lambda v: A @ v, adjoint, dtype=A.dtype)
        with pytest.raises(ValueError, match=message):
            hard_thresholding(operator, b, 3)


@pytest.mark.parametrize("wrong", [0, -1.0, np.nan, np.inf, "two", None, 1j])
def test_wrong_feedback_is_named(data, wrong):
    A, x = data
    with pytest.raises(ValueError, match="feedback must return a size >= 1; got"):
        hard_thresholding(A, A @ x, solver="adptnst", feedback=lambda k: wrong)


def test_numbers_of_other_kinds(data):
    A, x = data
    whole = np.rint(3 * A).astype(int)
    for kind in (int, np.float16, np.longdouble):
        result = hard_thresholding(whole.astype(kind), whole @ x, 3)
        np.testing.assert_allclose(result.x, x, atol=1e-10)


def test_one_matrix_for_many_signals(data):
    A, x = data
    kept = make_sensing(A)
    for scale in (1.0, -2.0):
        result = hard_thresholding(kept, scale * (A @ x), 3, solver="nst")
        np.testing.assert_allclose(result.x, scale * x, atol=1e-10)
    with pytest.raises(ValueError, match=r"b must be of shape \(40,\)"):
        hard_thresholding(kept, x, 3)


def test_unfinished_search_warns_and_keeps_the_best(data):
    A, x = data
    with pytest.warns(ConvergenceWarning, match="no fixed point in 1 steps; the resid"):
        result = hard_thresholding(A, A @ x, 3, solver="iht", max_iter=1)
    assert result.residual_norm < np.linalg.norm(A @ x)
    with pytest.warns(ConvergenceWarning, match="HardThresholdingRegressor"):
        HardThresholdingRegressor(3, solver="iht", max_iter=1).fit(A, A @ x)


def test_noise_level_stops(data):
    A, x = data
    noise = 0.1 * np.random.default_rng(1).standard_normal(40)
    result = hard_thresholding(
        A, A @ x + noise, solver="adptnst", noise_norm=1.2 * np.linalg.norm(noise)
    )
    np.testing.assert_array_equal(result.support, [3, 50, 77])


@pytest.mark.parametrize("solver", ["htp", "nst", "omp", "sp"])
def test_estimator_is_the_function_on_centred_weighted_rows(data, solver):
    A, x = data
    rng = np.random.default_rng(2)
    y = A @ x + 0.1 * rng.standard_normal(40) + 4.0
    weight = rng.integers(0, 3, 40).astype(float)
    model = HardThresholdingRegressor(3, solver=solver, fit_intercept=True)
    model.fit(A, y, sample_weight=weight)
    share = weight / weight.sum()
    root = np.sqrt(share)[:, None]
    centred = root * (A - share @ A)
    target = root[:, 0] * (y - share @ y)
    direct = hard_thresholding(centred, target, 3, solver=solver)
    np.testing.assert_allclose(model.coef_, direct.x, atol=1e-10)
    assert model.intercept_ == pytest.approx(share @ y - share @ A @ direct.x)
    assert model.residual_norm_ == pytest.approx(direct.residual_norm)
    assert model.normal_residual_ <= 1e-10
    repeated = HardThresholdingRegressor(3, solver=solver, fit_intercept=True)
    rows = np.repeat(np.arange(40), weight.astype(int))
    repeated.fit(A[rows], y[rows])
    np.testing.assert_allclose(model.coef_, repeated.coef_, atol=1e-10)
    compressed = HardThresholdingRegressor(3, solver=solver, fit_intercept=True)
    compressed.fit(sparse.csr_array(A), y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, compressed.coef_, atol=1e-10)


def test_estimator_names_too_many_coefficients(data):
    A, x = data
    with pytest.raises(ValueError, match="n_nonzero_coefs must be at most 40"):
        HardThresholdingRegressor(41).fit(A, A @ x)
