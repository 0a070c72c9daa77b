"""The loader on small stand-ins, and on the data themselves where there are any."""

import os
from pathlib import Path

import numpy as np
import pytest

from sparsestat.datasets import get_data_home, load_microarray
from sparsestat.datasets._microarray import _STUDIES

NAMES = sorted(_STUDIES)


def stand_in(folder, name, **changes):
    """Write a file of the right shape, of random figures."""
    study = _STUDIES[name]
    rng = np.random.default_rng(0)
    labels = np.resize(sorted(study.classes, reverse=True), study.shape[0])
    arrays = {"X": rng.standard_normal(study.shape, np.float32), "y": labels}
    path = folder / "microarray" / f"{name}.npz"
    path.parent.mkdir()
    np.savez(path, **{**arrays, **changes})
    return arrays


@pytest.mark.parametrize("name", NAMES)
def test_bunch(tmp_path, name):
    arrays = stand_in(tmp_path, name)
    dataset = load_microarray(name, data_home=tmp_path)
    np.testing.assert_array_equal(dataset.data, arrays["X"])
    np.testing.assert_array_equal(dataset.target_names[dataset.target], arrays["y"])
    assert dataset.data.dtype == np.float32
    assert dataset.target_names.tolist() == sorted(_STUDIES[name].classes)
    assert len(dataset.feature_names) == arrays["X"].shape[1]
    assert dataset.frame is None
    assert Path(dataset.filename) == tmp_path / "microarray" / f"{name}.npz"
    assert str(arrays["X"].shape[1]) in dataset.DESCR
    X, y = load_microarray(name, data_home=str(tmp_path), return_X_y=True)
    np.testing.assert_array_equal(X, dataset.data)
    np.testing.assert_array_equal(y, dataset.target)


def test_frame(tmp_path):
    pytest.importorskip("pandas")
    arrays = stand_in(tmp_path, "alon")
    dataset = load_microarray("alon", data_home=tmp_path, as_frame=True)
    assert dataset.frame.shape == (62, 2001)
    assert list(dataset.data.columns) == dataset.feature_names
    assert dataset.target.name == "target"
    np.testing.assert_array_equal(dataset.data.to_numpy(), arrays["X"])
    X, y = load_microarray("alon", data_home=tmp_path, as_frame=True, return_X_y=True)
    assert X.equals(dataset.data) and y.equals(dataset.target)


def test_missing_file_says_where_to_put_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="SPARSESTAT_DATA") as error:
        load_microarray("golub", data_home=tmp_path)
    assert str(tmp_path / "microarray" / "golub.npz") in str(error.value)
    assert "(72, 7129)" in str(error.value) and "ALL, AML" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.zeros((62, 3), np.float32)}, r"X of shape \(62, 3\)"),
        ({"y": np.full(62, "n")}, "with labels n"),
        ({"y": np.array(["n", "t"])}, r"y of shape \(2,\)"),
    ],
)
def test_another_file_is_refused(tmp_path, changes, message):
    stand_in(tmp_path, "alon", **changes)
    with pytest.raises(ValueError, match=message):
        load_microarray("alon", data_home=tmp_path)


def test_missing_arrays_are_named(tmp_path):
    (tmp_path / "microarray").mkdir()
    np.savez(tmp_path / "microarray" / "alon.npz", data=np.zeros(3))
    with pytest.raises(ValueError, match=r"arrays X and y; got \['data'\]"):
        load_microarray("alon", data_home=tmp_path)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"name": "alizadeh"}, "name must be 'alon', .*; got 'alizadeh'"),
        ({"name": "alon", "return_X_y": 1}, "return_X_y must be"),
        ({"name": "alon", "as_frame": None}, "as_frame must be"),
    ],
)
def test_bad_input_is_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        load_microarray(**kwargs)


def test_data_home(monkeypatch):
    monkeypatch.setenv("SPARSESTAT_DATA", "elsewhere")
    assert get_data_home() == "elsewhere"
    assert get_data_home(Path("here")) == "here"
    monkeypatch.delenv("SPARSESTAT_DATA")
    assert get_data_home() == str(Path.home() / "sparsestat_data")
    assert get_data_home("~") == str(Path.home())
    with pytest.raises(TypeError):
        get_data_home(3)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("alon", [22, 40]),
        ("golub", [47, 25]),
        ("gravier", [111, 57]),
        ("khan", [8, 23, 12, 20]),
    ],
)
def test_the_data_themselves(name, counts):
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("SPARSESTAT_DATA") or root.parent / "shared" / "data")
    if not (folder / "microarray" / f"{name}.npz").is_file():
        pytest.skip(f"{name}.npz is not in {folder / 'microarray'}")
    dataset = load_microarray(name, data_home=folder)
    assert np.bincount(dataset.target).tolist() == counts
    assert np.isfinite(dataset.data).all()
    assert (dataset.data.std(axis=0) > 0).all()
