"""LassoCV and ElasticNetCV."""

import warnings

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.linear_model import ElasticNetCV as ScikitLearnElasticNetCV
from sklearn.linear_model import LassoCV as ScikitLearnLassoCV
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sparsestat.linear_model import ElasticNet, ElasticNetCV, Lasso, LassoCV
from sparsestat.optim import run
from sparsestat.optim.moments import gram_matrix
from tests.certificates import assert_certified


def test_lasso_cv_agrees_with_scikit_learn(data):
    X, y = data
    grid = np.geomspace(1.0, 1e-2, 12)
    ours = LassoCV(alphas=grid, tol=1e-12).fit(X, y)
    theirs = ScikitLearnLassoCV(alphas=grid, tol=1e-12, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(ours.alphas_, theirs.alphas_)
    np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-6)
    assert ours.alpha_ == theirs.alpha_
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert_certified(ours, X, y, alpha=ours.alpha_)


def test_elastic_net_cv_agrees_with_scikit_learn(data):
    X, y = data
    ratios, grid = [0.3, 0.9], np.geomspace(1.0, 1e-2, 8)
    ours = ElasticNetCV(l1_ratio=ratios, alphas=grid, tol=1e-12).fit(X, y)
    theirs = ScikitLearnElasticNetCV(
        l1_ratio=ratios, alphas=grid, tol=1e-12, max_iter=100_000
    ).fit(X, y)
    np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-6)
    assert (ours.alpha_, ours.l1_ratio_) == (theirs.alpha_, theirs.l1_ratio_)
    assert ours.alphas_.shape == (2, 8)


@pytest.mark.parametrize("standardize", [False, True])
def test_folds_of_tall_data_share_one_gram_matrix(monkeypatch, standardize):
    rng = np.random.default_rng(0)
    X = 3.0 + rng.standard_normal((200, 12)) * np.arange(1.0, 13.0)
    y, weight = X[:, 0] - X[:, 5] + rng.standard_normal(200), rng.integers(0, 3, 200)
    ratios, grid = [0.5, 1.0], np.geomspace(1.0, 1e-2, 6)
    folds = list(KFold(5).split(X))
    formed = []

    def counting(design, weight):
        formed.append(design)
        return gram_matrix(design, weight)

    monkeypatch.setattr(run, "gram_matrix", counting)
    model = ElasticNetCV(
        l1_ratio=ratios, alphas=grid, cv=folds, standardize=standardize, tol=1e-12
    ).fit(X, y, sample_weight=weight)
    assert len(formed) == 1
    for i, ratio in enumerate(ratios):
        for k, (train, test) in enumerate(folds):
            one = ElasticNet(
                grid[2], l1_ratio=ratio, standardize=standardize, tol=1e-13
            ).fit(X[train], y[train], sample_weight=weight[train])
            errors = (y[test] - one.predict(X[test])) ** 2
            expected = np.average(errors, weights=weight[test])
            assert model.mse_path_[i, 2, k] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("storage", [np.asarray, sparse.csc_array, sparse.csr_matrix])
def test_storage_does_not_matter(data, storage):
    X, y = data
    X = np.where(np.abs(X) > 0.7, X, 0.0)
    dense = LassoCV(alphas=10, tol=1e-10).fit(X, y)
    other = LassoCV(alphas=10, tol=1e-10).fit(storage(X), y)
    np.testing.assert_allclose(other.mse_path_, dense.mse_path_, rtol=1e-6)


def test_n_jobs_gives_the_same_bits(data):
    one = LassoCV(alphas=20).fit(*data)
    two = LassoCV(alphas=20, n_jobs=2).fit(*data)
    for name in ("mse_path_", "coef_", "alphas_", "intercept_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_alpha_rules(data):
    least = LassoCV(alphas=30).fit(*data)
    simple = LassoCV(alphas=30, alpha_rule="1se").fit(*data)
    mean = least.mse_path_.mean(axis=1)
    error = least.mse_path_.std(axis=1, ddof=1) / np.sqrt(5)
    assert least.alpha_ == least.alphas_[mean.argmin()]
    allowed = mean <= mean.min() + error[mean.argmin()]
    assert simple.alpha_ == simple.alphas_[allowed.argmax()]
    third = LassoCV(alphas=30, alpha_rule=lambda alphas, mean, error: 2).fit(*data)
    assert third.alpha_ == third.alphas_[2]
    with pytest.raises(ValueError, match="alpha_rule must return an index"):
        LassoCV(alphas=30, alpha_rule=lambda *_: 99).fit(*data)


def test_scoring(data):
    error = LassoCV(alphas=10).fit(*data)
    scored = LassoCV(alphas=10, scoring="neg_mean_squared_error").fit(*data)
    np.testing.assert_allclose(scored.score_path_, -error.mse_path_)
    assert not hasattr(scored, "mse_path_")
    absolute = LassoCV(alphas=10, scoring="neg_mean_absolute_error").fit(*data)
    assert absolute.score_path_.max() < 0


def test_sample_weight_equals_repetition(data):
    X, y = data
    counts = np.arange(60) % 3
    folds = [(np.arange(30, 60), np.arange(30)), (np.arange(30), np.arange(30, 60))]
    rows = np.repeat(np.arange(60), counts)
    repeated = [
        (np.flatnonzero(np.isin(rows, a)), np.flatnonzero(np.isin(rows, b)))
        for a, b in folds
    ]
    weighted = LassoCV(alphas=10, cv=folds, tol=1e-12).fit(X, y, counts)
    many = LassoCV(alphas=10, cv=repeated, tol=1e-12).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.mse_path_, many.mse_path_, rtol=1e-7)
    np.testing.assert_allclose(weighted.coef_, many.coef_, atol=1e-8)


def test_groups_reach_the_splitter(data):
    X, y = data
    groups = np.arange(60) // 10
    folds = list(GroupKFold(3).split(X, y, groups))
    expected = LassoCV(alphas=8, cv=folds).fit(X, y).mse_path_
    found = LassoCV(alphas=8, cv=GroupKFold(3)).fit(X, y, groups=groups)
    np.testing.assert_array_equal(found.mse_path_, expected)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler(), LassoCV(alphas=8, cv=GroupKFold(3))
        ).fit(X, y, groups=groups)
    assert pipeline[-1].mse_path_.shape == (8, 3)


def test_grid_search_over_a_pipeline(data):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Lasso()),
        {"lasso__alpha": [0.01, 0.1, 1.0]},
        cv=KFold(3),
    ).fit(*data)
    assert search.best_params_["lasso__alpha"] in (0.01, 0.1)


def test_sample_weight_reaches_the_scorer(data):
    X, y = data
    weight = np.arange(60.0) % 7 + 0.5
    fitted = LassoCV(alphas=6, scoring="r2").fit(X, y, weight)
    grid = fitted.alphas_
    for k, (train, test) in enumerate(KFold(5).split(X)):
        model = Lasso(grid[3], tol=1e-12).fit(X[train], y[train], weight[train])
        score = model.score(X[test], y[test], weight[test])
        np.testing.assert_allclose(fitted.score_path_[3, k], score, atol=1e-4)
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            LassoCV(alphas=6, scoring="r2").fit(X, y, weight)
        scorer = get_scorer("r2").set_score_request(sample_weight=True)
        routed = LassoCV(alphas=6, scoring=scorer).fit(X, y, weight)
        deaf = get_scorer("r2").set_score_request(sample_weight=False)
        unweighted = LassoCV(alphas=6, scoring=deaf).fit(X, y, weight)
    np.testing.assert_array_equal(routed.score_path_, fitted.score_path_)
    assert (unweighted.score_path_[3] != fitted.score_path_[3]).all()


def test_weighted_folds_count_by_their_weight(data):
    X, y = data
    weight = np.where(np.arange(60) < 12, 100.0, 1.0)
    model = LassoCV(alphas=20).fit(X, y, weight)
    best = (model.mse_path_ @ [1200, 12, 12, 12, 12]).argmin()
    assert best != model.mse_path_.mean(axis=1).argmin()
    assert model.alpha_ == model.alphas_[best]


def test_scorer_sees_an_estimator_with_its_solution(data):
    X, y = data

    def scorer(estimator, X, y):
        seen.append((estimator.alpha_, np.count_nonzero(estimator.coef_), X.shape))
        return -np.mean((y - estimator.predict(X)) ** 2)

    seen = []
    # An iterator of folds, which nobody can copy.
    model = LassoCV(alphas=6, cv=KFold(3).split(X), scoring=scorer).fit(X, y)
    assert [alpha for alpha, _, _ in seen[:6]] == list(model.alphas_)
    assert seen[0][1] <= 1 < seen[5][1]
    assert {shape for _, _, shape in seen} == {(20, 30)}
    expected = LassoCV(alphas=6, cv=3).fit(X, y).mse_path_
    np.testing.assert_allclose(model.score_path_, -expected)


@pytest.mark.parametrize("alpha_rule", ["min", "1se"])
def test_one_fold_has_no_standard_error(data, alpha_rule):
    model = LassoCV(alphas=9, cv=ShuffleSplit(1, random_state=0), alpha_rule=alpha_rule)
    model.fit(*data)
    assert model.alpha_ == model.alphas_[model.mse_path_[:, 0].argmin()]


def test_folds_may_be_lists_or_masks(data):
    X, y = data
    mask = np.arange(60) < 30
    by_mask = LassoCV(alphas=4, cv=[(mask, ~mask)]).fit(X, y)
    lists = [(list(range(30)), list(range(30, 60)))]
    by_list = LassoCV(alphas=4, cv=lists).fit(X, y)
    np.testing.assert_array_equal(by_mask.mse_path_, by_list.mse_path_)


def test_fold_without_weight_is_refused(data):
    X, y = data
    with pytest.raises(
        ValueError, match=r"sample_weight must not be all zero .* fold 0"
    ):
        LassoCV().fit(X, y, np.arange(60) >= 12)


def test_nothing_is_left_of_another_choice(data):
    model = LassoCV(alphas=5).fit(*data)
    model.set_params(scoring="r2").fit(*data)
    assert not hasattr(model, "mse_path_")
    model.set_params(criterion="bic").fit(*data)
    assert not hasattr(model, "score_path_")
    assert model.criterion_.shape == (5,)


def test_paths_of_several_ratios_are_of_one_length():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((12, 40)), rng.standard_normal(12)
    # Without ridge, the grid would end where y is interpolated.
    short = LassoCV(alphas=30, eps=1e-7, cv=2).fit(X, y)
    assert len(short.alphas_) < 30
    model = ElasticNetCV(l1_ratio=[0.2, 1.0], alphas=30, eps=1e-7, cv=2, tol=1e-4)
    assert model.fit(X, y).alphas_.shape == (2, 30)
    assert model.mse_path_.shape == (2, 30, 2)
    assert model.path_coef_.shape == (40, 30)


def test_path_on_all_data_is_kept(data):
    X, y = data
    model = ElasticNetCV(l1_ratio=[0.2, 0.7], alphas=7, tol=1e-9).fit(X, y)
    grid = model.alphas_[[0.2, 0.7].index(model.l1_ratio_)]
    k = int(np.flatnonzero(grid == model.alpha_)[0])
    np.testing.assert_array_equal(model.path_coef_[:, [k]].toarray()[:, 0], model.coef_)
    np.testing.assert_allclose(model.path_intercept_[k], model.intercept_)
    assert_certified(
        model.set_params(l1_ratio=model.l1_ratio_), X, y, alpha=model.alpha_
    )


def test_missed_tolerance_of_a_fold_warns(data):
    model = LassoCV(alphas=3, max_iter=1, tol=1e-15, solver="cd")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*data)
    final, fold = caught
    assert "in a fold: the duality gap is" in str(fold.message)
    for warning in (final, fold):
        assert warning.category is ConvergenceWarning
        assert str(warning.message).startswith("LassoCV did not reach its tolerance")
        assert warning.filename == __file__
    assert np.isfinite(model.mse_path_).all()


def test_float32_is_certified_at_its_own_coefficients(data):
    X, y = data[0].astype(np.float32), data[1]
    model = LassoCV(alphas=10).fit(X, y)
    assert model.coef_.dtype == model.path_coef_.dtype == np.float32
    assert_certified(model, X, y, alpha=model.alpha_, tol=1e-5)
