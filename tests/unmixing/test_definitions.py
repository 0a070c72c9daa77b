"""Choices of the extractors and counts of endmembers, from their formulas."""

import numpy as np
import pytest
from scipy.stats import norm

from sparsestat.unmixing import (
    FCLS,
    PPI,
    VCA,
    estimate_noise,
    hfc,
    hysime,
)
from tests.unmixing.scenes import pure_scene


def test_signal_to_noise_ratio_of_vca():
    _, _, X, _ = pure_scene(0, n_pixels=500, noise=0.05)
    mean = X.mean(axis=0)
    U = np.linalg.svd(X - mean, full_matrices=False)[2][:4]
    total = np.mean(np.square(X).sum(axis=1))
    kept = np.mean(np.square((X - mean) @ U.T).sum(axis=1)) + mean @ mean
    expected = 10.0 * np.log10((kept - 4 / X.shape[1] * total) / (total - kept))
    assert VCA(4, random_state=0).fit(X).snr_ == pytest.approx(expected)


def test_vca_projects_by_its_signal_to_noise_ratio():
    """On the cone brightness does not matter, in the affine subspace it does."""
    _, _, X, pure = pure_scene(1, n_pixels=400)
    rng = np.random.default_rng(0)
    X = X * rng.uniform(0.8, 1.0, (400, 1))
    X[pure] *= 0.5
    limit = 15.0 + 10.0 * np.log10(4)
    found = {
        snr: VCA(4, snr=snr, random_state=0).fit(X).indices_
        for snr in (None, limit + 0.1, limit - 0.1)
    }
    assert set(found[limit + 0.1]) == set(found[None]) == set(pure)
    assert set(found[limit - 0.1]) != set(pure)
    X += 0.1 * rng.standard_normal(X.shape)
    noisy = VCA(4, random_state=0).fit(X)
    assert noisy.snr_ < limit
    affine, cone = (VCA(4, snr=s, random_state=0).fit(X) for s in (0.0, 99.0))
    np.testing.assert_array_equal(noisy.indices_, affine.indices_)
    assert set(noisy.indices_) != set(cone.indices_)


def test_vca_keeps_the_largest_of_its_simplices():
    _, _, X, _ = pure_scene(2, n_pixels=300, noise=0.05)
    stream = np.random.RandomState(0)
    single = [
        VCA(4, n_init=1, random_state=stream).fit(X).log_volume_ for _ in range(10)
    ]
    best = VCA(4, n_init=10, random_state=np.random.RandomState(0)).fit(X)
    assert best.log_volume_ == max(single) > min(single)


def test_purity_counts_both_ends_of_all_directions():
    _, _, X, _ = pure_scene(3, n_pixels=200, noise=0.05)
    model = PPI(4, n_skewers=700, random_state=0).fit(X)
    skewers = np.random.RandomState(0).standard_normal((700, X.shape[1]))
    scores = skewers @ (X - X.mean(axis=0)).T
    ends = np.concatenate([scores.argmax(axis=1), scores.argmin(axis=1)])
    np.testing.assert_array_equal(model.counts_, np.bincount(ends, minlength=200))


def test_fewer_pure_pixels_than_asked_for_are_told():
    _, _, X, _ = pure_scene(3, n_pixels=200)
    with pytest.warns(UserWarning, match="n_components=30 asks for more"):
        model = PPI(30, n_skewers=5, random_state=0).fit(X)
    assert model.n_components_ == len(model.components_) <= 10


def test_hysime_keeps_what_exceeds_the_noise():
    """Weak directions on both sides of where an error equals the noise it leaves."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((40, 12)))[0]
    power = np.concatenate([[1e3, 1e2, 1e1], np.linspace(0.2, 3.0, 9)])
    X = rng.standard_normal((20000, 12)) * np.sqrt(power) @ basis.T
    X += rng.standard_normal(X.shape)
    W = estimate_noise(X)
    signal = (X - W).T @ (X - W) / len(X)
    noise = np.mean(W**2, axis=0) + 1e-5 * np.trace(signal) / 40
    counts = {}
    for factor in (1.0, 2.0, 3.0):
        costs = [
            factor * e @ (noise * e) - np.mean((X @ e) ** 2)
            for e in np.linalg.eigh(signal)[1].T
        ]
        counts[factor] = sum(cost < 0.0 for cost in costs)
    assert hysime(X) == counts[2.0]
    assert len(set(counts.values())) == 3


def test_hfc_is_a_test_of_eigenvalues():
    rng = np.random.default_rng(1)
    spread = np.linspace(1.0, 3.0, 15)
    X = spread * (rng.standard_normal((500, 15)) + rng.uniform(0.1, 0.6, 15))
    with_mean = np.sort(np.linalg.eigvalsh(X.T @ X / 500))
    without = np.sort(np.linalg.eigvalsh(np.cov(X.T, bias=True)))
    deviation = np.sqrt(2.0 / 500 * (with_mean**2 + without**2))
    counts = []
    for far in np.logspace(-6, -0.35, 40):
        counts.append(hfc(X, far))
        limit = -norm.ppf(far) * deviation
        assert counts[-1] == np.count_nonzero(with_mean - without > limit)
    assert len(set(counts)) > 3


@pytest.mark.parametrize("theta", [1.0, 2.0])
def test_weights_of_correntropy(theta):
    E, _, X, _ = pure_scene(0, n_pixels=200, noise=0.01)
    X[:, [3, 20]] += 0.2 * np.random.default_rng(0).standard_normal((200, 2))
    model = FCLS(loss="correntropy", theta=theta).fit(E)
    squares = np.square(X - model.transform(X) @ E).sum(axis=0)
    width = theta * squares.mean()
    expected = np.exp(-squares / (2.0 * width))
    assert expected.min() < 0.1
    np.testing.assert_allclose(model.band_weights(X), expected, rtol=1e-2)
