"""The selector keeps what its model chose, and tells what the model knows."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline

from sparsestat.feature_selection import BestSubsetSelector
from sparsestat.linear_model import BestSubsetRegressor, MultiTaskBestSubset
from sparsestat.plotting import SubsetSizeDisplay

TOLD = ["sizes_", "rss_", "criterion_", "optimal_", "lower_bound_", "optimality_gap_"]


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True)


def test_what_the_model_knows_is_told(diabetes):
    X, y = diabetes
    weight = np.arange(len(y)) % 3.0
    params = {"criterion": "bic", "ic_coef": 2.0, "max_nonzero_coefs": 6}
    selector = BestSubsetSelector(**params).fit(X, y, weight)
    model = BestSubsetRegressor(**params).fit(X, y, weight)
    assert selector.get_support(indices=True).tolist() == model.support_.tolist()
    for name in TOLD:
        np.testing.assert_array_equal(getattr(selector, name), getattr(model, name))
    np.testing.assert_array_equal(selector.estimator_.coef_, model.coef_)
    assert not hasattr(selector, "loss_")
    names = X.columns[model.support_]
    assert selector.get_feature_names_out().tolist() == names.tolist()
    kept = selector.set_output(transform="pandas").transform(X)
    assert kept.equals(X[names])
    again = pickle.loads(pickle.dumps(selector))
    np.testing.assert_array_equal(again.transform(X), kept)


def test_display_of_its_model(diabetes):
    selector = BestSubsetSelector().fit(*diabetes)
    display = SubsetSizeDisplay.from_estimator(selector.estimator_)
    np.testing.assert_array_equal(display.criterion, selector.criterion_)


def test_several_targets_and_sparse_data():
    X, Y = load_linnerud(return_X_y=True)
    model = MultiTaskBestSubset(2).fit(X, Y)
    for data in (X, sparse.csr_array(X), X.astype(np.float32)):
        selector = BestSubsetSelector(2).fit(data, Y)
        assert selector.get_support(indices=True).tolist() == model.support_.tolist()
        assert selector.transform(data).shape == (len(Y), 2)


def test_groups_of_samples_reach_the_splitter(diabetes):
    X, y = diabetes
    people, cv = np.arange(len(y)) // 5, GroupKFold(4)
    selector = BestSubsetSelector(cv=cv).fit(X, y, groups=people)
    model = BestSubsetRegressor(cv=cv).fit(X, y, groups=people)
    assert selector.get_support(indices=True).tolist() == model.support_.tolist()
    np.testing.assert_array_equal(selector.estimator_.mse_path_, model.mse_path_)


def test_groups_of_features_are_proved_too(diabetes):
    X, y = diabetes
    labels = ["person", "body", "person", "body"] + ["serum"] * 6
    for groups in (
        labels,
        lambda names: ["serum" if c[0] == "s" else c for c in names],
    ):
        selector = BestSubsetSelector(2, feature_groups=groups, solver="exact")
        selector.fit(X, y)
        assert selector.optimal_
        serum = selector.support_[4:]
        assert serum.all() or not serum.any()


def test_in_a_search_over_a_pipeline(diabetes):
    X, y = diabetes
    pipeline = make_pipeline(BestSubsetSelector(), LinearRegression())
    sizes = {"bestsubsetselector__n_nonzero_coefs": [1, 5]}
    search = GridSearchCV(pipeline, sizes, cv=3).fit(X, y)
    assert search.best_estimator_[0].support_.sum() == 5


def test_features_by_name():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    selector = BestSubsetSelector(3, always_select=["age"])
    selector.set_output(transform="pandas").fit(X, y)
    assert selector.transform(X).columns.tolist() == ["age", "bmi", "s5"]
    with pytest.raises(ValueError, match=r"always_select .* got \['weight'\]"):
        selector.set_params(always_select=["weight"]).fit(X, y)


def test_wrong_input_is_named_and_nothing_fitted_is_lost(diabetes):
    X, y = diabetes
    selector = BestSubsetSelector(3).fit(X, y)
    before = selector.support_
    for params, wrong, message in [
        ({"loss": "hinge"}, y, "BestSubsetSelector: loss must be 'squared'"),
        ({"n_nonzero_coefs": 11}, y, r"n_nonzero_coefs must be in \[0, 10\]"),
        ({"loss": "poisson"}, -y, "y must"),
        ({}, y[:-1], "inconsistent numbers of samples"),
        ({}, y * np.nan, "NaN"),
        ({}, None, "requires y to be passed"),
    ]:
        selector.set_params(**{"loss": "squared", "n_nonzero_coefs": 3, **params})
        with pytest.raises(ValueError, match=message):
            selector.fit(X, wrong)
        assert selector.support_ is before and selector.n_features_in_ == 10
