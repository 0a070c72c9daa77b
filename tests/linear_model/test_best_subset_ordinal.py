"""Proportional odds on best subsets: statsmodels, enumeration and two classes."""

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sparsestat.feature_selection import BestSubsetSelector
from sparsestat.linear_model import (
    BestSubsetClassifier,
    BestSubsetGLM,
    BestSubsetOrdinal,
)
from sparsestat.optim.subset import OrdinalLikelihood
from sparsestat.utils.criteria import price_of_parameters


def drawn(seed=0, n=150, p=7, cuts=(-1.5, 0.0, 2.0)):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.8 * rng.standard_normal((n, 1)) + 2.0
    latent = X[:, 0] - X[:, 2] + 0.7 * X[:, 4] + rng.logistic(size=n)
    return X, np.digitize(latent - np.median(latent), cuts)


def loss_at(X, y, coef, thresholds):
    """Mean negative log-likelihood by its definition."""
    below = expit(thresholds - (X @ coef)[:, None])
    edges = np.column_stack([np.zeros(len(y)), below, np.ones(len(y))])
    rows = np.arange(len(y))
    return -np.log(edges[rows, y + 1] - edges[rows, y]).mean()


def test_all_features_as_statsmodels():
    peers = pytest.importorskip("statsmodels.miscmodels.ordinal_model")
    X, y = drawn()
    model = BestSubsetOrdinal(X.shape[1], solver="swap").fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = peers.OrderedModel(y, X, distr="logit").fit(
            method="bfgs", gtol=1e-9, maxiter=1000, disp=False
        )
    np.testing.assert_allclose(model.coef_, peer.params[:7], atol=1e-6)
    thresholds = peer.model.transform_threshold_params(peer.params)[1:-1]
    np.testing.assert_allclose(model.thresholds_, thresholds, atol=1e-6)
    assert -len(y) * model.loss_[0] == pytest.approx(peer.llf, rel=1e-9)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict(X), atol=1e-6)
    assert model.criterion_[0] - price_of_parameters(
        "ebic", 10, n_samples=150, n_features=7, n_intercepts=3
    ) == pytest.approx(-2 * peer.llf)
    assert model.stationarity_ <= model.tol


@pytest.mark.parametrize("alpha", [0.0, 0.05])
def test_every_size_is_the_best_of_all_subsets(alpha):
    X, y = drawn(seed=1, n=100)
    scale = X.std(axis=0)
    path = BestSubsetOrdinal(range(8), alpha=alpha, solver="exact").fit(X, y)
    swapped = BestSubsetOrdinal(range(8), alpha=alpha, solver="swap").fit(X, y)
    assert path.optimal_path_.all()
    for size in range(1, 6):
        best = np.inf
        for A in combinations(range(7), size):
            options = {"alpha": alpha, "solver": "splicing", "always_select": A}
            one = BestSubsetOrdinal(size, **options).fit(X, y)
            penalty = 0.5 * alpha * ((scale * one.coef_) ** 2).sum()
            best = min(best, one.loss_[0] + penalty)
        for model in (path.refit(size), swapped.refit(size)):
            penalty = 0.5 * alpha * ((scale * model.coef_) ** 2).sum()
            loss = loss_at(X, y, model.coef_, model.thresholds_)
            assert loss == pytest.approx(model.loss_[size], rel=1e-10)
            assert loss + penalty == pytest.approx(best, rel=1e-9)


def test_thresholds_are_at_the_minimum():
    X, y = drawn()
    model = BestSubsetOrdinal(3).fit(X, y)
    assert (np.diff(model.thresholds_) > 0).all()
    at = np.concatenate([model.coef_[model.support_], model.thresholds_])

    def loss(at):
        coef = np.zeros(7)
        coef[model.support_] = at[:3]
        return loss_at(X, y, coef, at[3:])

    steps = 1e-5 * np.eye(len(at))
    slopes = [(loss(at + step) - loss(at - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(slopes, 0.0, atol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_two_classes_are_logistic_regression(alpha):
    X, y = drawn(cuts=(0.3,))
    ours = BestSubsetOrdinal(alpha=alpha, tol=1e-12).fit(X, y)
    peer = BestSubsetClassifier(alpha=alpha, tol=1e-12).fit(X, y)
    assert ours.support_.tolist() == peer.support_.tolist()
    np.testing.assert_allclose(ours.coef_, peer.coef_[0], rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(ours.intercept_, peer.intercept_, rtol=1e-7)
    np.testing.assert_allclose(ours.thresholds_, -peer.intercept_, rtol=1e-7)
    np.testing.assert_allclose(ours.criterion_, peer.criterion_, rtol=1e-10)
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        np.testing.assert_allclose(
            getattr(ours, method)(X), getattr(peer, method)(X), rtol=1e-6, atol=1e-9
        )


def test_reversed_order_reverses_signs():
    X, y = drawn()
    model = BestSubsetOrdinal().fit(X, y)
    mirrored = BestSubsetOrdinal(class_order=[3, 2, 1, 0]).fit(X, y)
    np.testing.assert_allclose(mirrored.coef_, -model.coef_, rtol=1e-7)
    np.testing.assert_allclose(
        mirrored.thresholds_, -model.thresholds_[::-1], rtol=1e-7
    )
    np.testing.assert_array_equal(mirrored.predict(X), model.predict(X))
    np.testing.assert_allclose(
        mirrored.predict_proba(X), model.predict_proba(X), rtol=1e-6
    )


def test_order_of_labels():
    X, y = drawn(cuts=(-1.0, 1.0))
    plain = BestSubsetOrdinal().fit(X, y)
    names = np.array(["low", "mid", "high"])
    with pytest.warns(UserWarning, match="in alphabetic order"):
        BestSubsetOrdinal().fit(X, names[y])
    ordered = pd.Categorical(names[y], categories=[*names, "huge"], ordered=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        listed = BestSubsetOrdinal(class_order=[*names, "huge"]).fit(X, names[y])
        known = BestSubsetOrdinal().fit(X, pd.Series(ordered))
        selector = BestSubsetSelector(loss="ordinal").fit(X, pd.Series(ordered))
    for model in (listed, known):
        assert model.classes_.tolist() == sorted(names.tolist())
        assert model.class_order_.tolist() == names.tolist()
        np.testing.assert_array_equal(model.coef_, plain.coef_)
        np.testing.assert_array_equal(model.predict(X), names[plain.predict(X)])
    assert selector.get_support(indices=True).tolist() == plain.support_.tolist()
    for wrong in (["low", "mid"], ["low", "low", "mid", "high"], [["low"]]):
        with pytest.raises(ValueError, match="class_order must list"):
            BestSubsetOrdinal(class_order=wrong).fit(X, names[y])


@pytest.mark.parametrize("labels", [["low", "mid", "top", "huge"], ["yes", "no"]])
def test_scores_of_labels_out_of_alphabetic_order(labels):
    X, y = drawn(cuts=(0.3,) if len(labels) == 2 else (-1.5, 0.0, 2.0))
    plain = BestSubsetOrdinal(2).fit(X, y)
    named = np.array(labels)[y]
    model = BestSubsetOrdinal(2, class_order=labels).fit(X, named)
    columns = model.classes_.searchsorted(labels)
    np.testing.assert_allclose(
        model.predict_proba(X)[:, columns], plain.predict_proba(X), rtol=1e-12
    )
    for scoring in ("neg_log_loss", "roc_auc_ovr", "accuracy"):
        scorer = get_scorer(scoring)
        assert scorer(model, X, named) == pytest.approx(scorer(plain, X, y)), scoring


def test_classes_that_a_tool_has_numbered():
    X, y = drawn()
    labels = ["low", "mid", "top", "huge"]
    model = BestSubsetOrdinal(2, class_order=labels)
    with pytest.raises(ValueError, match="a tool has numbered the classes"):
        cross_val_predict(model, X, np.array(labels)[y], method="predict_proba")
    proba = cross_val_predict(BestSubsetOrdinal(2), X, y, method="predict_proba")
    shares = np.bincount(y) / len(y)
    assert log_loss(y, proba) < 0.95 * log_loss(y, np.tile(shares, (len(y), 1)))


def test_rare_and_missing_classes():
    X, y = drawn()
    y[y == 2] = 1
    y[7] = 2
    rare = BestSubsetOrdinal(2).fit(X, y)
    assert np.isfinite(rare.thresholds_).all()
    assert rare.stationarity_ <= rare.tol
    weight = np.ones(len(y))
    weight[7] = 0.0
    with pytest.raises(ValueError, match="got none of class 2"):
        BestSubsetOrdinal(2).fit(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="got none of class 2"):
        BestSubsetOrdinal(2, cv=3).fit(X, y)
    weight[7] = 1e-12
    tiny = BestSubsetOrdinal(2).fit(X, y, sample_weight=weight)
    assert np.isfinite(tiny.predict_log_proba(X)).all()
    assert (np.diff(tiny.thresholds_) > 0).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of many classes
        alone = BestSubsetOrdinal(2).fit(X, np.argsort(np.argsort(X[:, 0] + X[:, 1])))
    assert alone.support_.tolist() == [0, 1]
    assert np.isfinite(alone.coef_).all()


def test_separated_classes():
    X, _ = drawn()
    y = np.digitize(X[:, 3], [1.5, 2.5])
    with pytest.warns(UserWarning, match="no maximum"):
        model = BestSubsetOrdinal(1).fit(X, y)
    assert model.separated_
    assert model.support_.tolist() == [3]
    assert model.score(X, y) == 1.0
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.predict_log_proba(1e6 * X)).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not BestSubsetOrdinal(1, alpha=1e-3).fit(X, y).separated_


def test_class_weights_are_sample_weights():
    X, y = drawn()
    weights = {0: 1.0, 1: 2.0, 2: 1.0, 3: 3.0}
    model = BestSubsetOrdinal(2, class_weight=weights).fit(X, y)
    each = np.array([weights[k] for k in y])
    again = BestSubsetOrdinal(2).fit(X, y, sample_weight=each)
    np.testing.assert_array_equal(model.coef_, again.coef_)


def test_as_a_step_of_a_search():
    X, y = drawn()
    frame = pd.DataFrame(X, columns=list("abcdefg"))
    pipeline = make_pipeline(StandardScaler(), BestSubsetOrdinal(solver="swap"))
    grid = {"bestsubsetordinal__n_nonzero_coefs": [1, 3]}
    search = GridSearchCV(pipeline, grid, scoring="neg_log_loss", cv=3).fit(frame, y)
    assert search.best_params_ == {"bestsubsetordinal__n_nonzero_coefs": 3}


def test_family_of_other_models():
    X, y = drawn()
    with pytest.raises(ValueError, match="take BestSubsetOrdinal"):
        BestSubsetGLM(family="ordinal").fit(X, y)


def test_far_predictions_keep_thresholds_finite():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 10)
    likelihood = OrdinalLikelihood(y, 4, None, np.ones(40))
    for size in (1e-3, 1.0, 1e2, 1e4):
        for z in (size * rng.standard_normal((40, 1)), size * y[:, None] - size):
            value, u, _, _ = likelihood.derivatives(z)
            assert np.isfinite(value)
            assert abs(u.sum()) <= 1e-10
            assert (np.diff(likelihood.thresholds(z)) > 0).all()


@pytest.mark.parametrize("weight", [1e-6, 1e-12])
def test_class_of_a_tiny_weight(weight):
    X, y = drawn()
    y[y == 2] = 1
    without = BestSubsetOrdinal(2).fit(np.delete(X, 7, 0), np.delete(y, 7))
    y[7] = 2
    weights = np.ones(len(y))
    weights[7] = weight
    model = BestSubsetOrdinal(2).fit(X, y, sample_weight=weights)
    assert model.optimal_
    np.testing.assert_allclose(model.coef_, without.coef_, rtol=1e2 * weight + 1e-9)
    np.testing.assert_allclose(
        model.thresholds_, without.thresholds_[[0, 1, 1]], rtol=1e2 * weight + 1e-9
    )
