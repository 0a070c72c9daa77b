"""Strengths of graphical models chosen from the data."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, KFold

from sparsestat.covariance import GraphicalLasso, GraphicalLassoCV


@pytest.fixture
def X():
    """A chain of eight features."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 8))
    for j in range(1, 8):
        X[:, j] += 0.7 * X[:, j - 1]
    return (X - X.mean(axis=0)) / X.std(axis=0)


def test_scores_are_those_of_fits_without_the_fold(X):
    model = GraphicalLassoCV(alphas=5, cv=3, tol=1e-9).fit(X)
    assert model.score_path_.shape == (5, 3)
    for fold, (train, test) in enumerate(KFold(3).split(X)):
        for k, alpha in enumerate(model.alphas_):
            single = GraphicalLasso(alpha, tol=1e-9).fit(X[train])
            law = multivariate_normal(single.location_, single.covariance_)
            expected = law.logpdf(X[test]).mean()
            assert model.score_path_[k, fold] == pytest.approx(expected, abs=1e-5)
    mean = model.score_path_.mean(axis=1)
    assert model.alpha_ == model.alphas_[mean.argmax()]
    assert model.dual_gap_ <= model.dual_gap_tol_
    single = GraphicalLasso(model.alpha_, tol=1e-9).fit(X)
    np.testing.assert_allclose(model.precision_, single.precision_, atol=1e-4)


def test_rules_choose_larger_strengths(X):
    best = GraphicalLassoCV(cv=3).fit(X)
    simple = GraphicalLassoCV(cv=3, alpha_rule="1se").fit(X)
    assert simple.alpha_ > best.alpha_
    last = GraphicalLassoCV(cv=3, alpha_rule=lambda a, m, e: 19).fit(X)
    assert last.alpha_ == last.alphas_[-1]
    with pytest.raises(ValueError, match=r"alpha_rule must return an index in \[0, 20"):
        GraphicalLassoCV(cv=3, alpha_rule=lambda a, m, e: 20).fit(X)


def test_extended_criterion_finds_the_graph(X):
    def edges(**parameters):
        model = GraphicalLassoCV(alphas=12, eps=0.1, **parameters).fit(X)
        assert hasattr(model, "score_path_") is (model.criterion is None)
        return np.argwhere(np.triu(model.precision_, 1)).tolist()

    chain = [[j, j + 1] for j in range(7)]
    assert edges(criterion="ebic", penalty="mcp") == chain
    shrunk = edges(criterion="ebic")
    assert all(edge in shrunk for edge in chain)
    assert len(chain) < len(shrunk) < 28
    assert len(edges(cv=3)) >= len(shrunk)


@pytest.mark.parametrize("criterion", ["aic", "bic", "ebic"])
def test_criteria(X, criterion):
    weight = np.arange(150) % 3.0
    model = GraphicalLassoCV(criterion=criterion, alphas=6, tol=1e-9)
    model.fit(X, sample_weight=weight)
    repeated = np.repeat(X, weight.astype(int), axis=0)
    n = len(repeated)
    for k, alpha in enumerate(model.alphas_):
        single = GraphicalLasso(alpha, tol=1e-9).fit(repeated)
        size = (np.count_nonzero(single.precision_) - 8) // 2
        price = {"aic": 2.0, "bic": np.log(n), "ebic": np.log(n) + 2.0 * np.log(8)}
        expected = -2.0 * n * single.score(repeated) + price[criterion] * size
        assert model.criterion_[k] == pytest.approx(expected, abs=1e-2)
    assert model.alpha_ == model.alphas_[model.criterion_.argmin()]


def test_groups_and_weights_reach_the_folds(X):
    groups = np.arange(150) // 10
    model = GraphicalLassoCV(cv=GroupKFold(3), alphas=4).fit(X, groups=groups)
    by_hand = list(GroupKFold(3).split(X, groups=groups))
    same = GraphicalLassoCV(cv=by_hand, alphas=4).fit(X)
    np.testing.assert_array_equal(model.score_path_, same.score_path_)
    weight = np.ones(150)
    weight[:50] = 0.0
    with pytest.raises(ValueError, match=r"must not be all zero .* fold 0"):
        GraphicalLassoCV(cv=3).fit(X, sample_weight=weight)


def test_threads_do_not_change_the_bits(X):
    first = GraphicalLassoCV(cv=3, alphas=5, n_jobs=1).fit(X)
    second = GraphicalLassoCV(cv=3, alphas=5, n_jobs=2).fit(X)
    np.testing.assert_array_equal(first.score_path_, second.score_path_)
    np.testing.assert_array_equal(first.precision_, second.precision_)


def test_missed_tolerance_in_a_fold_is_told(X):
    wide = np.hstack([X[:20], X[20:40], X[40:60]])
    model = GraphicalLassoCV(cv=2, alphas=2, eps=0.02, max_iter=1)
    with pytest.warns(ConvergenceWarning) as found:
        model.fit(wide)
    assert "in a fold: the duality gap is" in str(found[0].message)
    assert found[0].filename == __file__
    assert np.isfinite(model.score_path_).all()
