"""Symbol error rates against counted symbols."""

import numpy as np
import pytest

from sparsestat.metrics import qpsk_error_rate

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


def test_rate_is_that_of_counted_symbols():
    snr_db, n_symbols = 4.0, 200_000
    true = normal(3, 4)
    pred = true + 0.4 * normal(3, 4)
    left, sizes, right = np.linalg.svd(pred)
    gain = left[:, 0].conj() @ true @ right[0].conj()
    symbols = RNG.choice([1, 1j, -1, -1j], n_symbols)
    noise = normal(n_symbols) * np.abs(gain) / np.sqrt(2 * 10 ** (snr_db / 10))
    received = gain * symbols + noise
    alphabet = np.array([1, 1j, -1, -1j])
    nearest = alphabet[np.abs(received[:, None] - sizes[0] * alphabet).argmin(axis=1)]
    rate = np.mean(nearest != symbols)
    assert qpsk_error_rate(true, pred, snr_db=snr_db) == pytest.approx(rate, abs=0.004)


def test_several_channels_are_averaged():
    true, pred = normal(2, 5, 3, 4)
    rates = [
        qpsk_error_rate(*pair, snr_db=0.0) for pair in zip(true, pred, strict=True)
    ]
    mean = qpsk_error_rate(true, pred, snr_db=0.0)
    assert mean == pytest.approx(np.mean(rates), rel=1e-12)


def test_nothing_known_is_guessing():
    assert qpsk_error_rate(normal(2, 2), np.zeros((2, 2)), snr_db=20.0) == 0.75


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"one shape .* got \(2, 2\) and \(3, 2\)"):
        qpsk_error_rate(np.ones((2, 2)), np.ones((3, 2)), snr_db=1.0)
    with pytest.raises(ValueError, match="finite"):
        qpsk_error_rate(np.ones((2, 2)), np.full((2, 2), np.nan), snr_db=1.0)
    with pytest.raises(ValueError, match="snr_db must be a finite real number"):
        qpsk_error_rate(np.ones((2, 2)), np.ones((2, 2)), snr_db=np.inf)
