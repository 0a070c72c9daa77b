"""Golden sections over sizes, and warm starts, of all best subsets."""

import pickle

import numpy as np
import pandas as pd
import pytest

from sparsestat.linear_model import (
    BestSubsetClassifier,
    BestSubsetRegressor,
    MultiTaskBestSubset,
)
from tests.linear_model.test_best_subset_likelihoods import KINDS, drawn


def problem(kind, **options):
    if kind not in ("squares", "targets"):
        return drawn(kind, **options)
    X, y, _ = drawn("gaussian", **options)
    if kind == "squares":
        return X, y, BestSubsetRegressor()
    return X, np.column_stack([y, X[:, 0] - y]), MultiTaskBestSubset()


def copy_of(model, **params):
    return pickle.loads(pickle.dumps(model)).set_params(**params)


def objectives(model):
    return model.rss_ if hasattr(model, "rss_") else model.loss_


each_kind = pytest.mark.parametrize("kind", ["squares", "targets", *KINDS])


@each_kind
def test_golden_section_finds_what_the_sequence_does(kind):
    X, y, model = problem(kind, n=200, p=30)
    model.set_params(solver="swap", n_nonzero_coefs=range(20))
    every = copy_of(model).fit(X, y)
    few = copy_of(model, path="golden").fit(X, y)
    assert (np.diff(np.sign(np.diff(every.criterion_))) >= 0).all()  # falls, then rises
    assert few.support_.tolist() == every.support_.tolist()
    np.testing.assert_allclose(few.coef_, every.coef_, rtol=1e-6)
    assert len(few.sizes_) < 12
    assert set(few.sizes_) < set(every.sizes_)
    k = few.n_nonzero_coefs_
    assert {k - 1, k, k + 1} <= set(few.sizes_)
    at = np.searchsorted(every.sizes_, few.sizes_)
    np.testing.assert_allclose(few.criterion_, every.criterion_[at], rtol=1e-2)
    assert few.criterion_.min() == pytest.approx(every.criterion_.min(), rel=1e-9)
    assert few.swap_gap_ == 0.0
    for size in few.sizes_:
        assert few.refit(size).support_.size == size
    wider = copy_of(model, path="golden", n_nonzero_coefs=None).fit(X, y)
    assert wider.support_.tolist() == every.support_.tolist()
    assert wider.sizes_.max() <= 16


def test_golden_section_and_many_features():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 600))
    y = X[:, :20].sum(axis=1) + rng.standard_normal(400)
    params = {"path": "golden", "max_nonzero_coefs": 60}
    model = BestSubsetRegressor(**params).fit(X, y)
    every = copy_of(model, path="sequence").fit(X, y)
    assert model.support_.tolist() == every.support_.tolist()
    assert len(model.sizes_) <= 20
    classes = BestSubsetClassifier(**params).fit(X, 2 * y + rng.logistic(size=400) > 0)
    assert classes.n_nonzero_coefs_ - 1 in classes.sizes_
    assert len(classes.sizes_) <= 20


def test_golden_section_with_groups_folds_and_locked_features():
    X, y, model = problem("squares", n=200, p=30)
    model.set_params(path="golden", always_select=[7], cv=4).fit(X, y)
    assert model.mse_path_.shape == (len(model.sizes_), 4)
    assert model.sizes_[0] == 1
    assert 7 in model.support_
    labels = np.arange(30) // 2
    grouped = problem("binary", n=200, p=30)
    model = grouped[2].set_params(path="golden", feature_groups=labels)
    model.fit(*grouped[:2])
    every = copy_of(model, path="sequence").fit(*grouped[:2])
    assert model.support_.tolist() == every.support_.tolist()


@each_kind
def test_warm_starts(kind):
    X, y, model = problem(kind, n=200, p=20)
    model.set_params(solver="swap", early_stopping=False, max_nonzero_coefs=8)
    cold = copy_of(model).fit(X, y)
    warm = copy_of(model, warm_start=True)
    first = copy_of(warm).fit(X, y)
    np.testing.assert_array_equal(first.coef_, cold.coef_)
    again = first.fit(X, y)
    np.testing.assert_allclose(objectives(again), objectives(cold), rtol=1e-9)
    # Where the last fit tells nothing about the data, nor is as wide.
    worst = warm.fit(X, y[::-1]).fit(X, y)
    assert (objectives(worst) <= objectives(cold) * (1 + 1e-9)).all()
    narrow = worst.set_params(max_nonzero_coefs=6).fit(X[:, :6], y)
    alone = copy_of(model, max_nonzero_coefs=6).fit(X[:, :6], y)
    np.testing.assert_allclose(objectives(narrow), objectives(alone), rtol=1e-9)


def test_warm_starts_save_fits():
    rng = np.random.default_rng(2)
    X, y, model = problem("binary", seed=1, n=300, p=40)
    X = X @ np.triu(np.full((40, 40), 1.0))[::-1] / 5 + 0.1 * rng.random(X.shape)
    model.set_params(solver="swap", warm_start=True).fit(X[:-5], y[:-5])
    warm = copy_of(model).fit(X, y)
    cold = copy_of(model, warm_start=False).fit(X, y)
    assert warm.n_iter_ < cold.n_iter_
    assert warm.criterion_.min() <= cold.criterion_.min() + 1e-9


@each_kind
def test_features_by_name(kind):
    X, y, model = problem(kind)
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    model.set_params(n_nonzero_coefs=3, always_select=[6, 1], init_support=[6, 2, 1])
    expected = copy_of(model).fit(frame, y)
    named = {"always_select": ["g", "b"], "init_support": pd.Index(["g", "c", "b"])}
    found = copy_of(model, **named).fit(frame, y)
    np.testing.assert_array_equal(found.coef_, expected.coef_)
    assert set(found.feature_names_in_[found.support_]) > {"b", "g"}
    pairs = ["ab", "cd", "ef", "gh"]
    groups = {"feature_groups": 2, "n_nonzero_coefs": 2, "init_support": None}
    expected = copy_of(model, **groups, always_select=[6]).fit(frame, y)
    groups["feature_groups"] = [list(pair) for pair in pairs]
    found = copy_of(model, **groups, always_select=["g"]).fit(frame, y)
    np.testing.assert_array_equal(found.coef_, expected.coef_)
    with pytest.raises(ValueError, match=r"always_select .* got \['x', 'z'\]"):
        copy_of(model, always_select=["z", "a", "x"]).fit(frame, y)
    with pytest.raises(ValueError, match=r"init_support holds names .* X has none"):
        copy_of(model, init_support=["a"]).fit(X, y)


@each_kind
def test_size_that_folds_choose_is_proved(kind):
    X, y, model = problem(kind, n=60, p=12)
    folds = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    model.set_params(cv=folds, criterion="aic", max_nonzero_coefs=7, max_nodes=10_000)
    model.set_params(early_stopping=False)
    for ic_coef in (0.0, 100.0):  # the criterion chooses most features, or none
        model.set_params(ic_coef=ic_coef).fit(X, y)
        assert model.optimal_
        assert model.optimality_gap_ == 0.0
        assert (np.diff(objectives(model)) <= 1e-9).all()
        swap = copy_of(model, solver="swap").fit(X, y)
        assert model.n_nonzero_coefs_ == swap.n_nonzero_coefs_
        at = np.flatnonzero(model.sizes_ == model.n_nonzero_coefs_)
        assert objectives(model)[at] <= objectives(swap)[at] * (1 + 1e-9)


def test_size_that_folds_choose_among_many_features_is_proved():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 120))
    y = X[:, :6].sum(axis=1) + 2 * rng.standard_normal(300)
    model = BestSubsetRegressor(cv=5, max_nonzero_coefs=12, ic_coef=3.0).fit(X, y)
    assert model.sizes_[model.criterion_.argmin()] == 6
    assert model.n_nonzero_coefs_ == 7
    assert model.optimal_


def test_wrong_paths():
    X, y, model = problem("squares")
    with pytest.raises(ValueError, match="path must be 'sequence' or 'golden'"):
        model.set_params(path="silver").fit(X, y)
    with pytest.raises(ValueError, match="warm_start must be"):
        model.set_params(path="golden", warm_start="yes").fit(X, y)
