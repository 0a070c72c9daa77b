"""Sums over rows, and what is computed from them, without a copy of all rows."""

import tracemalloc

import numpy as np
import pytest

from sparsestat.preprocessing import MNF, BadBandRemover, BandNormalizer
from sparsestat.unmixing import (
    AVMAX,
    MVSA,
    NFINDR,
    PPI,
    SMACC,
    SPA,
    VCA,
    HySime,
    _unmix,
    hfc,
    hysime,
    unmix,
)
from sparsestat.utils import streams
from tests.unmixing.scenes import pure_scene

N_PIXELS, N_BANDS = 60_000, 120
MODELS = [
    NFINDR(4),
    NFINDR(4, denoise=True),
    VCA(4, n_init=2, random_state=0),
    SPA(4),
    SPA(4, robust=True),
    AVMAX(4, n_init=1, random_state=0),
    PPI(4, n_skewers=64, random_state=0),
    MVSA(4, max_iter=2),
    SMACC(4),
    HySime(),
    BadBandRemover(),
    BandNormalizer("noise"),
    MNF(4),
]


@pytest.fixture(scope="module")
def sensor(tmp_path_factory):
    """Integers of a sensor in a file, their number in double precision in bytes."""
    X = pure_scene(0, N_PIXELS, n_bands=N_BANDS, noise=0.002)[2]
    path = tmp_path_factory.mktemp("scene") / "scene.npy"
    np.save(path, np.maximum(1e4 * X, 0.0).astype(np.uint16))
    return np.load(path, mmap_mode="r"), 8 * X.size


def learned(model):
    return {
        key: value
        for key, value in vars(model).items()
        if key.endswith("_") and isinstance(value, np.ndarray) and key != "counts_"
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_integers_of_a_memory_map_are_not_copied(sensor, model):
    X, size = sensor
    tracemalloc.start()
    model.fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * size
    found = learned(model)
    expected = learned(model.fit(X.astype(np.float64)))
    assert found.keys() == expected.keys() and found
    for key, value in found.items():
        np.testing.assert_allclose(
            np.abs(value), np.abs(expected[key]), rtol=1e-6, atol=1e-6 * 1e4
        )


def test_images_of_integers_are_unmixed_without_a_copy(sensor, monkeypatch):
    X, size = sensor
    monkeypatch.setattr(_unmix, "ROWS", 4096)
    cube = X.reshape(200, 300, N_BANDS)
    unmix(cube[:5], 4)  # Compilation takes memory of its own.
    tracemalloc.start()
    result = unmix(cube, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * size
    np.testing.assert_array_equal(
        result.endmembers, NFINDR(4).fit(X.astype(np.float64)).components_
    )


def test_counts_of_integers(sensor):
    X, size = sensor
    tracemalloc.start()
    found = hysime(X), hfc(X, 1e-3), hfc(X, 1e-3, whiten=True)
    assert tracemalloc.get_traced_memory()[1] < 0.5 * size
    tracemalloc.stop()
    exact = X.astype(np.float64)
    assert found == (hysime(exact), hfc(exact, 1e-3), hfc(exact, 1e-3, whiten=True))
    assert found[0] == 4


def test_score_of_integers(sensor):
    X = sensor[0][:20_000]
    model = NFINDR(4).fit(X)
    assert model.score(X) == pytest.approx(model.score(X.astype(np.float64)))
    assert model.components_.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8])
@pytest.mark.parametrize("order", ["C", "F"])
def test_sums_over_blocks(monkeypatch, dtype, order):
    monkeypatch.setattr(streams, "_BYTES", 7 * 5 * 8)
    rng = np.random.default_rng(0)
    X = np.asarray(100.0 * rng.random((23, 5)), dtype=dtype, order=order)
    exact = X.astype(np.float64)
    A = rng.standard_normal((23, 2))
    products, mean = streams.moments(X)
    np.testing.assert_allclose(products, exact.T @ exact)
    np.testing.assert_allclose(mean, exact.mean(axis=0))
    np.testing.assert_allclose(streams.project(X, A[:5]), exact @ A[:5])
    np.testing.assert_allclose(streams.combine(A, X), A.T @ exact)
    assert len(list(streams.exact_blocks(X))) == (1 if dtype is np.float64 else 4)


def test_rows_are_checked():
    with pytest.raises(ValueError, match="0 sample"):
        streams.check_rows(np.ones((0, 3), dtype=int))
    with pytest.raises(ValueError, match="NaN"):
        streams.check_rows([[np.nan]])
    model = NFINDR(1).fit(np.ones((3, 4), dtype=int))
    with pytest.raises(ValueError, match="expecting 4 features"):
        model.score(np.ones((3, 5), dtype=int))
