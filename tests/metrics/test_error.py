"""Estimation and prediction errors against their definitions written out."""

import numpy as np
import pytest
from scipy import sparse

from sparsestat.metrics import estimation_error, nmse, prediction_error

RNG = np.random.default_rng(3)
TRUE = np.array([2.0, 0.0, -1.0, 0.0, 0.5])
PRED = np.array([1.5, 0.0, -1.5, 0.25, 0.0])
X = RNG.standard_normal((8, 5)) + 1.0
COVARIANCE = X.T @ X / 8


def test_norms_on_figures_done_by_hand():
    # differences: -.5, 0, -.5, .25, -.5
    assert estimation_error(TRUE, PRED, norm="l1") == 1.75
    assert estimation_error(TRUE, PRED, norm="l2") == np.sqrt(0.8125)
    assert estimation_error(TRUE, PRED, norm="linf") == 0.5
    assert estimation_error(TRUE, PRED, norm="l1", relative=True) == 0.5


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_all_entries_of_a_matrix_count(norm):
    true, pred = RNG.standard_normal((2, 3, 4))
    expected = estimation_error(true.ravel(), pred.ravel(), norm=norm)
    assert estimation_error(true, pred, norm=norm) == pytest.approx(expected)
    assert estimation_error(true, sparse.csr_array(pred), norm=norm) == pytest.approx(
        expected
    )


def test_double_precision_whatever_comes_in():
    true = np.array([1.0, 1e-5], dtype=np.float32)
    pred = np.array([1.0, -1e-5], dtype=np.float32)
    assert estimation_error(true, pred) == pytest.approx(2e-5, rel=1e-6)
    assert estimation_error([True, False], [False, True], norm="l1") == 2.0
    unsigned = np.array([0, 1], dtype=np.uint8)
    assert estimation_error(unsigned, unsigned[::-1], norm="linf") == 1.0


def test_prediction_error_is_the_quadratic_form():
    difference = PRED - TRUE
    expected = difference @ COVARIANCE @ difference
    assert prediction_error(TRUE, PRED, covariance=COVARIANCE) == pytest.approx(
        expected
    )
    assert prediction_error(TRUE, PRED, X=X) == pytest.approx(expected)
    scale = TRUE @ COVARIANCE @ TRUE
    assert prediction_error(TRUE, PRED, X=X, relative=True) == pytest.approx(
        expected / scale
    )


@pytest.mark.parametrize(
    "container",
    [
        np.asfortranarray,
        np.float32,
        np.ndarray.tolist,
        sparse.csr_array,
        sparse.csc_matrix,
        sparse.coo_array,
    ],
)
def test_containers_agree(container):
    expected = prediction_error(TRUE, PRED, X=X)
    assert prediction_error(TRUE, PRED, X=container(X)) == pytest.approx(expected)
    assert prediction_error(
        TRUE, PRED, covariance=container(COVARIANCE)
    ) == pytest.approx(expected, rel=1e-6)


def test_targets_are_summed():
    true, pred = np.stack([TRUE, PRED]), np.stack([PRED, 0 * PRED])
    each = [prediction_error(t, p, X=X) for t, p in zip(true, pred, strict=True)]
    assert prediction_error(true, pred, X=X) == pytest.approx(sum(each))
    assert prediction_error(true, pred, covariance=COVARIANCE) == pytest.approx(
        sum(each)
    )


def test_a_callable_covariance_is_asked_for_the_difference_only():
    asked = []

    def covariance(indices):
        asked.append(indices.tolist())
        return COVARIANCE[np.ix_(indices, indices)]

    assert prediction_error(TRUE, PRED, covariance=covariance) == pytest.approx(
        prediction_error(TRUE, PRED, covariance=COVARIANCE)
    )
    assert asked == [[0, 2, 3, 4]]


@pytest.mark.parametrize(
    "error", [estimation_error, lambda *a, **k: prediction_error(*a, X=X, **k)]
)
def test_relative_to_nothing(error):
    zero = np.zeros(5)
    assert error(zero, zero, relative=True) == 0.0
    assert error(zero, PRED, relative=True) == np.inf
    assert error(TRUE, zero, relative=True) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "exactly one of covariance and X; got none"),
        ({"X": X, "covariance": COVARIANCE}, "exactly one of covariance and X; got b"),
        ({"X": X[:, :4]}, r"X must have as many columns.* 5; got shape \(8, 4\)"),
        ({"covariance": COVARIANCE[:4]}, r"covariance must be square; .*\(4, 5\)"),
        ({"covariance": np.eye(4)}, r"covariance must have as many columns"),
        ({"X": np.full((2, 5), np.nan)}, "X contains NaN"),
        ({"X": np.empty((0, 5))}, "minimum of 1"),
    ],
)
def test_bad_metric_is_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        prediction_error(TRUE, PRED, **kwargs)


@pytest.mark.parametrize("norm", ["l3", None, 2])
def test_unknown_norm_is_named(norm):
    with pytest.raises(
        ValueError, match=f"norm must be 'l1', 'l2' or 'linf'; got {norm!r}"
    ):
        estimation_error(TRUE, PRED, norm=norm)


def test_nmse_is_the_square_of_the_relative_distance():
    relative = estimation_error(TRUE, PRED, relative=True)
    assert nmse(TRUE, PRED) == pytest.approx(relative**2, rel=1e-14)
    assert nmse(1j * TRUE, 1j * PRED) == pytest.approx(relative**2, rel=1e-14)
    assert nmse(np.zeros(2), np.zeros(2)) == 0.0
    assert nmse(np.zeros(2), np.ones(2)) == np.inf
