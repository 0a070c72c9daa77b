"""Best models of a labelled library: against all models, one after the other."""

import itertools

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sparsestat.unmixing import MESMA, fcls


def naive(x, E, labels, max_members, shade):
    """Smallest half squared residual over all models."""
    black = np.zeros((int(shade), E.shape[1]))
    best = np.inf
    for size in range(1 - shade, max_members + 1):
        for classes in itertools.combinations(np.unique(labels), size):
            places = [np.flatnonzero(labels == c) for c in classes]
            for chosen in itertools.product(*places):
                model = np.vstack([E[list(chosen)], black])
                residual = x - fcls(x[None], model)[0] @ model
                best = min(best, 0.5 * residual @ residual)
    return best


def library(seed, n_spectra=12, n_classes=4, n_bands=8):
    rng = np.random.default_rng(seed)
    labels = np.append(np.arange(n_classes), rng.integers(0, n_classes, n_spectra - 4))
    return rng, rng.random((n_spectra, n_bands)), labels


@pytest.mark.parametrize("max_members", [1, 2, 3, 9])
@pytest.mark.parametrize("shade", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_no_model_is_better(max_members, shade, seed):
    rng, E, labels = library(seed)
    X = rng.uniform(0.2, 1.0, (4, 1)) * rng.random((4, 8))
    model = MESMA(max_members, shade=shade).fit(E, labels)
    residual = X - model.reconstruct(X)
    most = min(max_members, 4)
    expected = [naive(x, E, labels, most, shade) for x in X]
    np.testing.assert_allclose(0.5 * (residual**2).sum(axis=1), expected, rtol=1e-9)
    assert model.optimality_gap(X).max() <= 1e-9
    A, members = model.transform(X), model.members(X)
    np.testing.assert_allclose(A.sum(axis=1), 1.0)
    assert (A >= 0.0).all()
    assert A.shape[1] == 4 + shade
    np.testing.assert_array_equal(members >= 0, A[:, :4] > 0.0)
    assert (members >= 0).sum(axis=1).max() <= max_members
    rows, columns = np.nonzero(members >= 0)
    np.testing.assert_array_equal(labels[members[rows, columns]], columns)


def test_mixtures_are_found_again():
    rng, E, labels = library(5, n_spectra=40, n_bands=30)
    members = np.array([rng.choice(np.flatnonzero(labels == k)) for k in range(3)])
    A = rng.dirichlet(np.ones(3), 20)
    model = MESMA().fit(E, np.array(list("abcd"))[labels])
    assert model.classes_.tolist() == list("abcd")
    found = model.transform(A @ E[members])
    np.testing.assert_allclose(found[:, :3], A, atol=1e-8)
    np.testing.assert_array_equal(model.members(A @ E[members])[:, :3], [members] * 20)
    assert model.score(A @ E[members]) > -1e-8
    assert model.get_feature_names_out().tolist() == list("abcd")


def test_overlapping_classes_take_few_branches():
    rng = np.random.default_rng(0)
    base = np.abs(np.cumsum(rng.standard_normal((4, 50)), axis=1)) + 0.2
    E = np.repeat(base, 8, axis=0) * rng.uniform(0.7, 1.3, (32, 50))
    X = rng.dirichlet(np.ones(4), 20) @ base
    model = MESMA(max_nodes=2000).fit(E, np.repeat(np.arange(4), 8))
    assert model.optimality_gap(X).max() <= 1e-9


def test_shade_takes_up_the_light():
    _, E, labels = library(6, n_bands=30)
    X = 0.4 * E[:3]
    found = MESMA(1, shade=True).fit(E, labels).transform(X)
    np.testing.assert_allclose(found[:, -1], 0.6, atol=1e-9)


def test_each_spectrum_is_a_class_without_labels():
    rng, E, _ = library(7)
    model = MESMA(12).fit(E)
    X = rng.random((5, 8))
    np.testing.assert_allclose(model.transform(X), fcls(X, E), atol=1e-8)


def test_open_branches_are_reported():
    rng, E, labels = library(8, n_spectra=60)
    X = rng.random((5, 8))
    model = MESMA(max_nodes=1).fit(E, labels)
    with pytest.warns(ConvergenceWarning, match="within max_nodes=1"):
        found = 0.5 * ((X - model.reconstruct(X)) ** 2).sum(axis=1)
    with pytest.warns(ConvergenceWarning):
        gap = model.optimality_gap(X)
    best = 0.5 * ((X - model.set_params(max_nodes=9999).reconstruct(X)) ** 2).sum(
        axis=1
    )
    assert (found - best <= gap + 1e-12).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_dask_pixels_are_not_computed(dtype):
    da = pytest.importorskip("dask.array")
    rng, E, labels = library(9)
    pixels = rng.random((30, 8)).astype(dtype)
    model = MESMA(2, shade=True).fit(E.astype(dtype), labels)
    A = model.transform(da.from_array(pixels, chunks=(7, 3)))
    assert isinstance(A, da.Array) and A.shape == (30, 5) and A.dtype == dtype
    np.testing.assert_array_equal(A.compute(), model.transform(pixels))
    with pytest.raises(ValueError, match="expecting 8 features"):
        model.transform(da.from_array(pixels[:, :5]))


def test_memory_maps_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("sparsestat.unmixing._blocks.ROWS", 10)
    rng, E, labels = library(10)
    pixels = np.memmap(tmp_path / "pixels", float, "w+", shape=(25, 8))
    pixels[:] = rng.random((25, 8))
    model = MESMA(2).fit(E, labels)
    expected = model.transform(np.array(pixels))
    np.testing.assert_array_equal(model.transform(pixels), expected)


def test_wrong_labels():
    _, E, labels = library(0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MESMA().fit(E, labels[:-1])
