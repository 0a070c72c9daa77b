"""Scores on shards and dask collections: those of the rows in one place."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV

from sparsestat.distributed import as_shards
from sparsestat.linear_model import (
    DistributedBestSubsetClassifier,
    DistributedBestSubsetRegressor,
)
from tests.linear_model.test_distributed_classifier import make_classes


def data(n_classes=None):
    X, labels = make_classes(0, n=300, p=6, n_classes=n_classes or 2)
    rng = np.random.default_rng(0)
    y = X[:, 1] - X[:, 4] + rng.standard_normal(300)
    return X, y if n_classes is None else np.array(["a", "b", "c"])[labels]


def forms(X, y, weight):
    """What `score` takes, with targets and weights."""
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    columns = frame.assign(y=y, weight=weight)
    lazy = dd.from_pandas(columns, npartitions=3)
    cuts = [slice(0, 10), slice(10, 200), slice(200, 300)]
    yield "array", (X, y, weight)
    yield "shards", ([(X[c], y[c], weight[c]) for c in cuts],)
    yield "lists", ([[X[c], y[c], weight[c]] for c in cuts],)
    yield "as_shards", (as_shards(X, y, weight, n_shards=4),)
    if y.dtype.kind == "f":
        arrays = (da.from_array(a, chunks=120) for a in (y, weight))
        yield "dask", (da.from_array(X, chunks=(100, -1)), *arrays)
    yield "frame", (lazy[list(frame.columns)], lazy["y"], lazy["weight"])
    if y.dtype.kind == "f":
        names = list(frame), "y", "weight"
        unknown = [lazy[name].to_dask_array() for name in names]
        yield "unknown", tuple(unknown)
        yield "half", (da.from_array(X, chunks=(100, -1)), *unknown[1:])


@pytest.mark.parametrize("n_classes", [None, 2, 3])
def test_scores_are_those_of_all_rows(n_classes):
    X, y = data(n_classes)
    weight = np.random.default_rng(1).integers(0, 3, 300).astype(float)
    kind, score = DistributedBestSubsetClassifier, accuracy_score
    if n_classes is None:
        kind, score = DistributedBestSubsetRegressor, r2_score
    model = kind(3, n_shards=2).fit(X, y, weight)
    expected = score(y, model.predict(X), sample_weight=weight)
    for name, given in forms(X, y, weight):
        assert model.score(*given) == pytest.approx(expected, rel=1e-12), name
    # Frames of any order of columns, where names are known.
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(6)])
    named = kind(3).fit([(frame, y)])
    turned = [(frame[frame.columns[::-1]], y)]
    assert named.score(turned) == pytest.approx(named.score(frame, y), rel=1e-12)


def test_searches_over_parameters_leave_shards_out():
    """A list of shards is split shard by shard, as rows are."""
    X, y = data()
    cuts = np.array_split(np.arange(300), 4)
    shards = [(X[c], y[c]) for c in cuts]
    options = {"n_nonzero_coefs": [1, 2, 4]}
    search = GridSearchCV(DistributedBestSubsetRegressor(), options, cv=4)
    search.fit(shards)
    for k, size in enumerate(options["n_nonzero_coefs"]):
        for fold in range(4):
            rest = [shards[j] for j in range(4) if j != fold]
            model = DistributedBestSubsetRegressor(size).fit(rest)
            expected = r2_score(y[cuts[fold]], model.predict(X[cuts[fold]]))
            found = search.cv_results_[f"split{fold}_test_score"][k]
            assert found == pytest.approx(expected, rel=1e-10)
    assert search.best_estimator_.n_nonzero_coefs_ == search.best_params_[
        "n_nonzero_coefs"
    ]  # fmt: skip


def test_wrong_data_are_named():
    X, y = data()
    model = DistributedBestSubsetRegressor(2).fit(X, y)
    with pytest.raises(ValueError, match="y must be given along with a dask"):
        model.score(da.from_array(X))
    with pytest.raises(ValueError, match="Shard 0: y must be given; got None"):
        model.score(as_shards(X))
    with pytest.raises(ValueError, match="Shard 1: X must have 6 columns"):
        model.score([(X, y), (X[:, :3], y)])
    with pytest.raises(ValueError, match="rows of positive weight; got none"):
        model.score([(X, y, np.zeros(300))])
    with pytest.raises(ValueError, match=r"as tuples \(X_k, y_k\); got X_k alone"):
        model.fit([X[:100], X[100:]])
    frame = pd.DataFrame({"size": X[:, 0], "colour": "red"})
    with pytest.raises(ValueError, match=r"hold numbers; \['colour'\] hold others"):
        model.fit([(frame, y)])
    assert model.score([(X, np.ones(300))]) == 0.0


def test_rounds_are_told(capsys):
    X, y = data()
    model = DistributedBestSubsetRegressor(2, n_shards=2, verbose=True).fit(X, y)
    first, second = capsys.readouterr().out.splitlines()
    told = "[DistributedBestSubsetRegressor] round 1, gram: 37 numbers from a shard in"
    assert first.startswith(told)
    assert "round 2, refit: 6 numbers" in second
    assert type(model.communication_) is list
    model.set_params(verbose=0).fit(X, y)
    assert capsys.readouterr().out == ""
