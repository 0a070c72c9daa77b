"""LabelProportionRegressor: certificate, equivalences, score and refusals."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from sparsestat.activations import sparsemax
from sparsestat.datasets import make_label_proportions
from sparsestat.linear_model import LabelProportionRegressor, SparsemaxClassifier
from tests.linear_model.fenchel_young import conic_optimum, duality_gap, objective


def data(n=80, n_classes=4):
    dataset = make_label_proportions(
        n, n_classes, length=300, proportions="mixed", random_state=0
    )
    return dataset.data / dataset.data.sum(axis=1, keepdims=True), dataset.target


@pytest.mark.parametrize("order", [1.0, 1.4, 2.0])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_certificate_holds_without_the_solver(order, l1_ratio):
    X, y = data()
    weight = np.linspace(1, 3, len(X))
    how = {"alpha": 1e-4, "l1_ratio": l1_ratio}
    model = LabelProportionRegressor(**how, entmax_alpha=order).fit(X, y, weight)
    how |= {"order": order, "weight": weight}
    value = objective(X, y, model.coef_, model.intercept_, **how)
    gap = duality_gap(X, y, model.coef_, model.intercept_, **how)
    assert model.objective_ == pytest.approx(value, abs=1e-12)
    assert gap <= model.dual_gap_tol_ + 1e-12
    assert model.coef_.any()


@pytest.mark.parametrize("order", [1.0, 1.4, 1.5, 2.0])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_same_optimum_as_a_conic_solver(order, l1_ratio):
    X, y = data(n=30)
    weight = np.linspace(1, 3, 30)
    how = {"alpha": 1e-3, "l1_ratio": l1_ratio}
    best, coef = conic_optimum(X, y, **how, order=order, weight=weight)
    model = LabelProportionRegressor(**how, entmax_alpha=order, tol=1e-10)
    model.fit(X, y, sample_weight=weight)
    assert model.objective_ == pytest.approx(best, abs=1e-7)
    assert np.abs(model.coef_).max() > 0.1
    if l1_ratio < 1:
        np.testing.assert_allclose(model.coef_, coef, atol=2e-4)


def test_labels_and_sets_are_distributions():
    X, y = data()
    labels = y.argmax(axis=1)
    shares = LabelProportionRegressor().fit(X, np.eye(4)[labels])
    classes = SparsemaxClassifier().fit(X, labels)
    np.testing.assert_allclose(shares.coef_, classes.coef_, atol=1e-9)
    assert shares.dual_gap_tol_ == pytest.approx(classes.dual_gap_tol_)


def test_prediction_and_score():
    X, y = data()
    model = LabelProportionRegressor(1e-5).fit(X, y)
    P = model.predict(X)
    expected = sparsemax(X @ model.coef_.T + model.intercept_)
    np.testing.assert_allclose(P, expected, atol=1e-14)
    assert (P == 0).mean() > 0.2
    weight = np.linspace(1, 2, len(X))
    mean = np.broadcast_to(np.average(y, axis=0, weights=weight), y.shape)
    left = np.average(jensenshannon(y, P, axis=1) ** 2, weights=weight)
    total = np.average(jensenshannon(y, mean, axis=1) ** 2, weights=weight)
    assert model.score(X, y, weight) == pytest.approx(1 - left / total)
    assert 0.5 < model.score(X, y) < 1
    constant = LabelProportionRegressor(1e6).fit(X, y)
    assert constant.score(X, y) == pytest.approx(0, abs=1e-6)


def test_exact_shares_are_met():
    X = np.linspace(0, 3, 20)[:, None]
    y = np.column_stack([1 - X[:, 0] / 4, X[:, 0] / 4, np.zeros(20)])
    model = LabelProportionRegressor(0.0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-5)
    assert model.dual_gap_ <= model.dual_gap_tol_


def test_constant_shares():
    X, _ = data()
    y = np.tile([0.2, 0.8], (len(X), 1))
    model = LabelProportionRegressor().fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-9)
    assert model.dual_gap_ <= model.dual_gap_tol_
    assert model.score(X, model.predict(X)) in (0.0, 1.0)


def test_normalize():
    X, y = data()
    counts = np.round(1000 * y) * np.arange(1, len(y) + 1)[:, None]
    model = LabelProportionRegressor(normalize=True).fit(X, counts)
    shares = counts / counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        model.coef_, LabelProportionRegressor().fit(X, shares).coef_, atol=1e-12
    )
    counts[3] = 0.0
    with pytest.raises(ValueError, match=r"every row of y must be pos.* row 3 is"):
        model.fit(X, counts)


def test_wrong_targets_are_named():
    X, y = data()
    model = LabelProportionRegressor()
    wrong = y.copy()
    wrong[5] *= 1.01
    with pytest.raises(ValueError, match=r"must sum to one.*row 5 sums to 1\.01"):
        model.fit(X, wrong)
    wrong = y.copy()
    wrong[7, :2] = [-0.5, 1.5]
    with pytest.raises(ValueError, match=r"y must be >= 0; row 7 holds -0\.5"):
        model.fit(X, wrong)
    for shape in (y[:, 0], np.ones((len(y), 1))):
        with pytest.raises(ValueError, match=r"shares of at least 2 classes; got"):
            model.fit(X, shape)
    wrong = y.copy()
    wrong[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, wrong)
    model.fit(X, y)
    with pytest.raises(ValueError, match=r"y must have shape \(80, 4\)"):
        model.score(X, np.tile([0.5, 0.5], (80, 1)))


@pytest.mark.filterwarnings("ignore:Explicit SKIP")
def test_generic_checks_are_skipped_by_a_tag():
    model = LabelProportionRegressor()
    tags = get_tags(model).target_tags
    assert tags.multi_output
    assert not tags.single_output
    results = {check["status"] for check in check_estimator(model)}
    assert results <= {"passed", "skipped"}


def test_warm_start():
    X, y = data()
    model = LabelProportionRegressor(warm_start=True).fit(X, y)
    assert model.fit(X, y).n_iter_ <= 1
