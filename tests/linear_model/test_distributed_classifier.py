"""Best subsets for two classes on shards: likelihoods, other solvers, failures."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from sparsestat.distributed import ShardsLost
from sparsestat.linear_model import DistributedBestSubsetClassifier


def make(seed, n=800, p=15, s=3, rho=0.5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    coef = np.zeros(p)
    coef[rng.choice(p, s, replace=False)] = rng.choice([-1.5, 1.5], s)
    share = 1.0 / (1.0 + np.exp(-(X @ coef + 0.5)))
    return X + 1.0, (rng.uniform(size=n) < share).astype(int)


def unpenalised(X, y, support, fit_intercept=True, sample_weight=None):
    model = LogisticRegression(
        C=np.inf, tol=1e-12, max_iter=10_000, fit_intercept=fit_intercept,
        solver="newton-cholesky",
    )  # fmt: skip
    return model.fit(X[:, support], y, sample_weight=sample_weight)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_coefficients_maximise_the_likelihood_on_the_support(seed, fit_intercept):
    X, y = make(seed)
    weight = np.random.default_rng(seed).integers(0, 3, len(y)).astype(float)
    model = DistributedBestSubsetClassifier(
        3, alpha=0.0, n_shards=5, fit_intercept=fit_intercept, tol=1e-9
    ).fit(X, y, sample_weight=weight)
    reference = unpenalised(X, y, model.support_, fit_intercept, weight)
    np.testing.assert_allclose(
        model.coef_[:, model.support_], reference.coef_, rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(model.intercept_, reference.intercept_, atol=1e-6)
    expected = log_loss(y, model.predict_proba(X), sample_weight=weight)
    assert model.loss_[0] == pytest.approx(expected, rel=1e-9)
    assert model.stationarity_ <= 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_shards_give_the_fit_on_all_rows(seed):
    X, y = make(seed)
    whole = DistributedBestSubsetClassifier(n_shards=1).fit(X, y)
    for n_shards in (3, 16):
        model = DistributedBestSubsetClassifier(n_shards=n_shards).fit(X, y)
        np.testing.assert_array_equal(model.support_, whole.support_)
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=0, atol=1e-10)
        np.testing.assert_allclose(model.criterion_, whole.criterion_, rtol=1e-10)
    order = np.argsort(X[:, 0])  # shards that see different parts, one class at times
    cuts = np.split(order, [5, 7, 300])
    mixed = DistributedBestSubsetClassifier().fit([(X[a], y[a]) for a in cuts])
    np.testing.assert_allclose(mixed.coef_, whole.coef_, rtol=0, atol=1e-10)


def test_nearly_always_the_best_of_all_subsets():
    """Enumeration of 120 supports, strongly correlated features."""
    best = 0
    for seed in range(10):
        X, y = make(seed, n=200, p=10, rho=0.8)
        model = DistributedBestSubsetClassifier(3, alpha=0.0, n_shards=3).fit(X, y)
        losses = [
            log_loss(y, unpenalised(X, y, list(A)).predict_proba(X[:, list(A)]))
            for A in itertools.combinations(range(10), 3)
        ]
        best += model.loss_[0] <= min(losses) * (1.0 + 1e-7)
    assert best >= 9


def test_labels_frames_and_sparse():
    X, y = make(0)
    words = np.where(y == 1, "yes", "no")
    model = DistributedBestSubsetClassifier(3, n_shards=4).fit(X, words)
    assert list(model.classes_) == ["no", "yes"]
    assert (model.predict(X) == words).mean() > 0.8
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(15)])
    shards = [(frame[:300], words[:300]), (frame[300:], words[300:])]
    listed = DistributedBestSubsetClassifier(3).fit(shards)
    np.testing.assert_allclose(listed.coef_, model.coef_, rtol=0, atol=1e-9)
    assert list(listed.feature_names_in_) == list(frame.columns)
    other = DistributedBestSubsetClassifier(3, n_shards=4).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(other.coef_, model.coef_, rtol=0, atol=1e-9)


def test_separable_classes_stay_finite():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    y = X[:, 0] > 0
    model = DistributedBestSubsetClassifier(1, n_shards=2).fit(X, y)
    assert model.score(X, y) == 1.0
    assert np.isfinite(model.coef_).all()


def test_account():
    X, y = make(1)
    model = DistributedBestSubsetClassifier(3, n_shards=4).fit(X, y)
    purposes = [row["purpose"] for row in model.communication_]
    assert purposes[:3] == ["labels", "margins", "newton"]
    assert purposes.count("working moments") == model.n_iter_
    p = X.shape[1]
    for row in model.communication_:
        if row["purpose"] == "working moments":
            assert row["up_floats_per_shard"] == p * (p + 1) // 2 + 2 * p + 4
    assert model.n_rounds_ == len(purposes)


def test_wrong_targets_are_named():
    X, y = make(0, n=60)
    model = DistributedBestSubsetClassifier(n_shards=3)
    with pytest.raises(ValueError, match="must have two classes; got 1 class"):
        model.fit(X, np.ones(60, int))
    with pytest.raises(ValueError, match=r"Only binary classification.*got 3 classes"):
        model.fit(X, np.arange(60) % 3)
    with pytest.raises(ValueError, match="max_bytes_per_round must be at least"):
        DistributedBestSubsetClassifier(max_bytes_per_round=100).fit(X, y)
    spoilt = X[20:].copy()
    spoilt[3, 3] = np.inf
    with pytest.raises(ValueError, match="Shard 1: X must be finite"):
        model.fit([(X[:20], y[:20]), (spoilt, y[20:])])


def test_failing_shard_is_named():
    class Broken:
        shape = (60, 15)

        def __array__(self, dtype=None, copy=None):
            raise OSError("no disk")

    X, y = make(0, n=60)
    with pytest.raises(ShardsLost, match="Shard 1 failed 1 times"):
        DistributedBestSubsetClassifier(max_retries=0).fit([(X, y), (Broken(), y)])
