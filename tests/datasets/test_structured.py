"""Generators of Kronecker-structured data, channels and multiple measurements."""

import numpy as np
import pytest

from sparsestat.datasets import make_irs_mimo, make_kronecker_sparse, make_mmv
from sparsestat.utils.validation import ParameterError


@pytest.mark.parametrize("complex_data", [False, True])
@pytest.mark.parametrize("coef_values, rank", [("rank_one", 1), ("normal", 4)])
def test_kronecker_data_are_the_product_with_the_coefficients(
    complex_data, coef_values, rank
):
    dataset = make_kronecker_sparse(
        (4, 5, 6),
        (7, 8, 9),
        n_nonzero_coefs=(4, 3, 2),
        coef_values=coef_values,
        snr_db=np.inf,
        complex_data=complex_data,
        random_state=0,
    )
    assert np.iscomplexobj(dataset.target) == complex_data
    first, second, third = dataset.factors
    expanded = np.kron(np.kron(first, second), third)
    np.testing.assert_allclose(dataset.target.ravel(), expanded @ dataset.coef)
    np.testing.assert_array_equal(
        dataset.coef_tensor != 0,
        np.einsum("i,j,k->ijk", *dataset.supports),
    )
    assert [int(support.sum()) for support in dataset.supports] == [4, 3, 2]
    core = dataset.coef_tensor[np.ix_(*dataset.supports)].reshape(4, -1)
    assert np.linalg.matrix_rank(core) == rank
    assert dataset.noise_variance == 0.0


def test_level_of_the_noise():
    quiet = make_kronecker_sparse((20, 30), (25, 35), snr_db=np.inf, random_state=1)
    noisy = make_kronecker_sparse((20, 30), (25, 35), snr_db=10.0, random_state=1)
    power = np.mean(quiet.target**2)
    assert noisy.noise_variance == pytest.approx(power / 10)
    noise = noisy.target - quiet.target
    assert np.mean(noise**2) == pytest.approx(noisy.noise_variance, rel=0.2)


def test_channel_is_the_one_of_the_geometry():
    scene = make_irs_mimo(snr_db=300.0, random_state=3)
    again = make_irs_mimo(snr_db=4.0, random_state=3)
    np.testing.assert_array_equal(scene.coef, again.coef)
    surface, pilots, base = scene.factors
    expanded = np.kron(np.kron(surface, pilots), base)
    np.testing.assert_allclose(scene.target.ravel(), expanded @ scene.coef, rtol=1e-8)
    # The channels themselves, sent through the pilots.
    mobile = scene.channel_factors[1]
    recovered = np.linalg.lstsq(mobile.T, pilots.T, rcond=None)[0].T
    sent = np.einsum("pm,kmb->kpb", recovered, scene.channels)
    np.testing.assert_allclose(scene.target, sent, rtol=1e-8)
    # Each pattern gives a channel of rank one: one direction at the mobile station.
    assert [np.linalg.matrix_rank(channel) for channel in scene.channels] == [1] * 6


def test_differences_of_angles_stand_for_pairs():
    n = 8
    scene = make_irs_mimo(n_elements=n, n_angles=n, random_state=0)
    cosines = 2 * np.arange(n) / n - 1
    steer = np.exp(1j * np.pi * np.outer(np.arange(n), cosines)) / np.sqrt(n)
    # As many angles as elements: the phases can be read off by a Fourier transform.
    phases = np.fft.fft(scene.factors[0], axis=1).T
    np.testing.assert_allclose(np.abs(phases), 1 / np.sqrt(n))
    np.testing.assert_allclose(phases.imag, 0.0, atol=1e-12)
    for arrive, leave in [(3, 1), (1, 3), (0, 7)]:
        pair = steer[:, leave].conj() * steer[:, arrive]
        column = scene.factors[0][:, (arrive - leave) % n]
        np.testing.assert_allclose(phases.T @ pair, column, atol=1e-12)


def test_rows_share_a_support_and_correlate_in_time():
    dataset = make_mmv(
        30, 4000, n_targets=3, n_nonzero_coefs=3000, temporal_correlation=0.8,
        random_state=0,
    )  # fmt: skip
    assert ((dataset.coef != 0).all(axis=0)).sum() == 3000
    values = dataset.coef[:, dataset.support]
    expected = 0.8 ** np.abs(np.subtract.outer(range(3), range(3)))
    np.testing.assert_allclose(values @ values.T / 3000, expected, atol=0.06)
    signal = dataset.data @ dataset.coef.T
    noise = dataset.target - signal
    assert np.mean(noise**2) == pytest.approx(dataset.noise_variance, rel=0.4)
    np.testing.assert_allclose(np.linalg.norm(dataset.data, axis=0), 1.0)
    X, y = make_mmv(10, 20, n_nonzero_coefs=3, random_state=1, return_X_y=True)
    assert X.shape == (10, 20) and y.shape == (10, 4)


def test_wrong_parameters_are_named():
    with pytest.raises(ValueError, match="as many entries as n_features, 3; got 2"):
        make_kronecker_sparse((3, 4), (5, 6, 7))
    with pytest.raises(ValueError, match=r"at most n_features .* got 9"):
        make_kronecker_sparse((3, 4), (5, 6), n_nonzero_coefs=9)
    with pytest.raises(ValueError, match=r"at most n_features = 5; got 9"):
        make_mmv(3, 5, n_nonzero_coefs=9)
    with pytest.raises(ValueError, match=r"at most n_angles = 4; got 5"):
        make_irs_mimo(n_angles=4, angular_spread=5)
    with pytest.raises(ParameterError, match="coef_values must be"):
        make_kronecker_sparse(coef_values="ones")
