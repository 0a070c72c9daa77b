"""The displays and the estimators agree on attributes and on the rule of choice."""

import numpy as np
import pytest

from sparsestat import linear_model
from sparsestat.datasets import make_sparse_regression
from sparsestat.plotting import CoefficientPathDisplay, CrossValidationDisplay

plt = pytest.importorskip("matplotlib.pyplot")

DATA = make_sparse_regression(60, 30, n_nonzero_coefs=4, random_state=0)
SETTINGS = {"alphas": 20, "eps": 1e-2, "cv": 4}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("rule", ["min", "1se"])
@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error"])
def test_the_estimator_chooses_what_the_display_marks(rule, scoring):
    model = linear_model.LassoCV(**SETTINGS, alpha_rule=rule, scoring=scoring)
    display = CrossValidationDisplay.from_estimator(model.fit(DATA.data, DATA.target))
    marked = {"min": display.alpha_min_, "1se": display.alpha_1se_}
    assert marked[rule] == model.alpha_
    assert display.alpha_1se_ > display.alpha_min_
    counts = (model.path_coef_.toarray() != 0).sum(axis=0)
    np.testing.assert_array_equal(display.n_nonzero, counts)


@pytest.mark.parametrize("l1_ratio", [0.5, [0.1, 0.5, 0.9]])
def test_elastic_net(l1_ratio):
    model = linear_model.ElasticNetCV(**SETTINGS, l1_ratio=l1_ratio)
    model.fit(DATA.data, DATA.target)
    scores = CrossValidationDisplay.from_estimator(model)
    assert scores.alpha_min_ == model.alpha_
    path = CoefficientPathDisplay.from_estimator(model)
    np.testing.assert_array_equal(path.alphas, scores.alphas)
    assert path.alpha == model.alpha_


@pytest.mark.parametrize("name", ["LassoCV", "LassoIC"])
def test_path_explains_what_the_chosen_model_does(name):
    model = getattr(linear_model, name)().fit(DATA.data, DATA.target)
    display = CoefficientPathDisplay.from_estimator(
        model, DATA.data, DATA.target, x_axis="deviance_ratio"
    )
    chosen = int(np.abs(np.asarray(model.alphas_) - model.alpha_).argmin())
    assert display.deviance_ratio[chosen] == pytest.approx(
        model.score(DATA.data, DATA.target), abs=1e-4
    )
    assert display.deviance_ratio[0] == pytest.approx(0.0, abs=1e-9)


def test_functions_of_paths():
    alphas, coefs, *_ = linear_model.lasso_path(DATA.data, DATA.target)
    display = CoefficientPathDisplay.from_path(alphas, coefs, n_labels=3)
    assert len(display.labels_) == 3
