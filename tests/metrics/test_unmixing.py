"""Metrics of unmixing against closed forms and brute force."""

from itertools import permutations

import numpy as np
import pytest

from sparsestat.metrics import (
    abundance_angle_distance,
    abundance_rmse,
    match_endmembers,
    reconstruction_rmse,
    signal_to_reconstruction_error,
    spectral_angle,
    spectral_information_divergence,
    unmixing_report,
)

RNG = np.random.default_rng(0)


def test_angles_are_those_of_the_cosine_and_ignore_scale():
    X, Y = RNG.random((7, 20)), RNG.standard_normal((4, 20))
    cosine = X @ Y.T
    cosine /= np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(Y, axis=1)
    np.testing.assert_allclose(spectral_angle(X, Y), np.arccos(cosine), rtol=1e-10)
    scaled = spectral_angle(1e-200 * X, 1e200 * Y)
    np.testing.assert_allclose(scaled, spectral_angle(X, Y), rtol=1e-10)
    np.testing.assert_array_equal(spectral_angle(Y, X), spectral_angle(X, Y).T)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-8, 1e-4, 1.0, 3.0, np.pi])
def test_small_and_large_angles_keep_their_digits(angle):
    other = [[np.cos(angle), np.sin(angle)]]
    assert spectral_angle([[2.0, 0.0]], other)[0, 0] == pytest.approx(angle, rel=1e-12)


def test_zero_spectra_are_at_a_right_angle():
    angles = spectral_angle([[0.0, 0.0], [1.0, 2.0]])
    np.testing.assert_allclose(angles, [[0.0, np.pi / 2], [np.pi / 2, 0.0]], atol=1e-15)


def test_divergence_is_the_sum_of_both_relative_entropies():
    from scipy.special import rel_entr

    X = RNG.random((3, 15))
    P = X / X.sum(axis=1, keepdims=True)
    expected = rel_entr(P[0], P[1]).sum() + rel_entr(P[1], P[0]).sum()
    found = spectral_information_divergence(X)
    assert found[0, 1] == pytest.approx(expected)
    assert np.diag(found).max() == 0.0
    scaled = spectral_information_divergence(5.0 * X, X)
    np.testing.assert_allclose(scaled, found, atol=1e-30)
    X[0, 3] = -0.1
    assert np.isfinite(spectral_information_divergence(X)).all()
    X[1] = -X[1]
    assert (spectral_information_divergence(X[:2], X[1:]) == np.inf).tolist() == [
        [True, False],
        [True, True],
    ]


@pytest.mark.parametrize("p", range(1, 7))
def test_matching_is_the_best_of_all_permutations(p):
    for _ in range(20):
        true, pred = RNG.random((2, p, 8))
        angles = spectral_angle(true, pred)
        order = match_endmembers(true, pred)
        rows = np.arange(p)
        best = min(angles[rows, list(o)].sum() for o in permutations(range(p)))
        assert angles[rows, order].sum() == pytest.approx(best)


def test_matching_of_unequal_numbers():
    E = RNG.random((5, 30))
    np.testing.assert_array_equal(match_endmembers(E[[3, 1]], E), [3, 1])
    np.testing.assert_array_equal(match_endmembers(E, E[[3, 1]]), [-1, 1, -1, 0, -1])


def test_rmse_and_its_averages():
    A, B = RNG.random((2, 6, 4, 3))
    errors = np.sqrt(np.mean((A - B) ** 2, axis=(0, 1)))
    np.testing.assert_allclose(abundance_rmse(A, B, average=None), errors)
    assert abundance_rmse(A, B, average="per_endmember") == pytest.approx(errors.mean())
    assert abundance_rmse(A, B) == pytest.approx(np.sqrt(np.mean((A - B) ** 2)))


def test_angles_of_abundances():
    A, B = RNG.random((2, 50, 3))
    expected = np.diag(spectral_angle(A, B))
    np.testing.assert_allclose(abundance_angle_distance(A, B, average=None), expected)
    mean = abundance_angle_distance(A, B, average="mean")
    assert mean == pytest.approx(expected.mean())
    rms = abundance_angle_distance(A, B)
    assert rms == pytest.approx(np.sqrt(np.mean(expected**2)))


def test_signal_to_error_and_its_ends():
    A = RNG.random((10, 3))
    assert signal_to_reconstruction_error(A, 1.01 * A) == pytest.approx(40.0)
    assert signal_to_reconstruction_error(A, A) == np.inf
    assert signal_to_reconstruction_error(0.0 * A, A) == -np.inf


def test_reconstruction_goes_by_blocks():
    A, E = RNG.random((40_000, 2)), RNG.random((2, 3))
    X = A @ E + 0.1
    assert reconstruction_rmse(X, A, E) == pytest.approx(0.1)
    with pytest.raises(ValueError, match=r"got shapes \(40000, 3\)"):
        reconstruction_rmse(X, A, E[:1])


def test_report_finds_the_order_and_counts_what_is_missing():
    E, A = RNG.random((4, 30)), RNG.dirichlet(np.ones(4), 20)
    order = [2, 0, 3, 1]
    report = unmixing_report(E, E[order], A, A[:, order], names=list("abcd"))
    assert list(report.index) == ["a", "b", "c", "d", "all"]
    np.testing.assert_array_equal(report["match"][:-1], [1, 3, 0, 2])
    assert report["rmse"].max() == 0.0
    assert report["angle"].max() < 1e-15
    short = unmixing_report(E, E[:3], A.reshape(4, 5, 4), A.reshape(4, 5, 4)[..., :3])
    assert short["match"].tolist() == [0, 1, 2, -1, -1]
    assert np.isnan(short.loc["3", "angle"])
    assert short.loc["3", "rmse"] == pytest.approx(np.sqrt(np.mean(A[:, 3] ** 2)))
    assert list(unmixing_report(E, E).columns) == ["match", "angle", "divergence"]


def test_wrong_input_is_named():
    E = RNG.random((2, 5))
    with pytest.raises(ValueError, match=r"same number of bands; got shapes"):
        spectral_angle(E, E[:, :3])
    with pytest.raises(ValueError, match="X contains NaN"):
        spectral_angle(np.full((1, 2), np.nan))
    with pytest.raises(ValueError, match=r"one shape .* got \(2, 5\) and \(2, 4\)"):
        abundance_rmse(E, E[:, :4])
    with pytest.raises(ValueError, match="abundances_pred contains NaN"):
        abundance_rmse(E, np.full((2, 5), np.nan))
    with pytest.raises(ValueError, match="average must be 'all' or 'per_endmember'"):
        abundance_rmse(E, E, average="mean")
    with pytest.raises(ValueError, match="names must have 2 entries; got 1"):
        unmixing_report(E, E, names=["soil"])
    with pytest.raises(ValueError, match="or neither"):
        unmixing_report(E, E, E)
    with pytest.raises(ValueError, match="must have 2 and 2 columns"):
        unmixing_report(E, E, E, E)
