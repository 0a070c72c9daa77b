"""LassoCV, ElasticNetCV and LassoIC."""

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.callback import ProgressBar
from sklearn.linear_model import ElasticNetCV as ScikitLearnElasticNetCV
from sklearn.linear_model import LassoCV as ScikitLearnLassoCV
from sklearn.linear_model import LassoLarsIC
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sparsestat.linear_model import ElasticNetCV, Lasso, LassoCV, LassoIC
from tests.certificates import assert_certified


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 30))
    y = X[:, :3] @ [2.0, -1.0, 1.0] + rng.standard_normal(60) + 2.0
    return X, y


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


def test_information_criteria_match_least_angles(data):
    X, y = data
    for criterion in ("aic", "bic"):
        lars = LassoLarsIC(criterion).fit(X, y)
        ours = LassoIC(criterion, alphas=lars.alphas_[:-1], tol=1e-13).fit(X, y)
        np.testing.assert_allclose(ours.noise_variance_, lars.noise_variance_)
        # They leave the intercept out of the degrees of freedom.
        price = 2.0 if criterion == "aic" else np.log(60)
        difference = ours.criterion_ - lars.criterion_[:-1]
        assert np.median(np.abs(difference - price)) < 1e-6


def test_stricter_criteria_choose_fewer_features(data):
    sizes = [
        np.count_nonzero(LassoIC(criterion).fit(*data).coef_)
        for criterion in ("ebic", "bic", "aic")
    ]
    assert sizes == sorted(sizes)
    by_option = LassoCV(criterion="bic").fit(*data)
    np.testing.assert_array_equal(by_option.coef_, LassoIC("bic").fit(*data).coef_)


def test_noise_of_wide_data_is_estimated():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 200))
    y = 3 * X[:, 0] - 2 * X[:, 1] + rng.standard_normal(80)
    model = LassoIC("ebic", random_state=0).fit(X, y)
    assert 0.4 < model.noise_variance_ < 2.0
    assert set(np.flatnonzero(model.coef_)) == {0, 1}
    again = LassoIC("ebic", random_state=0).fit(X, y)
    assert again.noise_variance_ == model.noise_variance_


def test_grid_search_over_a_pipeline(data):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Lasso()),
        {"lasso__alpha": [0.01, 0.1, 1.0]},
        cv=KFold(3),
    ).fit(*data)
    assert search.best_params_["lasso__alpha"] in (0.01, 0.1)


def test_progress_is_reported(data, capsys):
    pytest.importorskip("rich")
    LassoCV(alphas=5, cv=3).set_callbacks(ProgressBar()).fit(*data)
    assert "LassoCV" in capsys.readouterr().out


def test_callbacks_see_every_fold(data):
    class Count:
        def __init__(self):
            self.ended = []

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            self.ended.append(context.task_name)

        def teardown(self, estimator, context):
            pass

    count = Count()
    LassoCV(alphas=5, cv=4, n_jobs=2).set_callbacks(count).fit(*data)
    assert sorted(count.ended) == ["fit", *["fold"] * 4, "path"]


def test_verbose_prints_one_line(data, capsys):
    LassoCV(alphas=5, verbose=1).fit(*data)
    assert "passes over X" in capsys.readouterr().out
    LassoCV(alphas=5).fit(*data)
    assert capsys.readouterr().out == ""
