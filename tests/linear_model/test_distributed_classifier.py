"""Best subsets for classes on shards: likelihoods, other solvers, failures."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from sparsestat.distributed import ShardsLost, as_shards
from sparsestat.distributed._layout import layout_of
from sparsestat.linear_model import (
    BestSubsetClassifier,
    DistributedBestSubsetClassifier,
)
from sparsestat.linear_model._softmax_rounds import (
    SoftmaxFit,
    fit_supports,
    leader_problem,
    working_problem,
)
from sparsestat.linear_model._subset_rounds import Rounds, Totals

ALGORITHMS = ["gram", "columns", "surrogate"]


def make(seed, n=800, p=15, s=3, rho=0.5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    coef = np.zeros(p)
    coef[rng.choice(p, s, replace=False)] = rng.choice([-1.5, 1.5], s)
    share = 1.0 / (1.0 + np.exp(-(X @ coef + 0.5)))
    return X + 1.0, (rng.uniform(size=n) < share).astype(int)


def make_classes(seed, n=900, p=12, s=3, n_classes=3, rho=0.5):
    """Features about one, and classes of the multinomial model."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    coef = np.zeros((p, n_classes))
    coef[rng.choice(p, s, replace=False)] = rng.normal(0, 1.5, (s, n_classes))
    scores = X @ coef + rng.gumbel(size=(n, n_classes))
    return X + 1.0, scores.argmax(axis=1)


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


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("n_classes", [3, 5])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_several_classes(algorithm, n_classes, fit_intercept):
    """The maximum of the multinomial likelihood on the support, by scikit-learn."""
    X, y = make_classes(n_classes, n_classes=n_classes)
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    model = DistributedBestSubsetClassifier(
        3, alpha=0.0, n_shards=4, algorithm=algorithm, fit_intercept=fit_intercept,
        tol=1e-9,
    ).fit(X, y, sample_weight=weight)  # fmt: skip
    reference = unpenalised(X, y, model.support_, fit_intercept, weight)
    expected = reference.predict_proba(X[:, model.support_])
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0.0, atol=1e-10)
    assert model.coef_.shape == (n_classes, 12)
    assert model.path_coef_.shape == (n_classes * 12, 1)
    loss = log_loss(y, expected, sample_weight=weight)
    assert model.loss_[0] == pytest.approx(loss, rel=1e-8)
    np.testing.assert_array_equal(
        model.predict(X), reference.predict(X[:, model.support_])
    )


def test_several_classes_as_on_rows_in_one_place():
    """Supports, criteria and coefficients of the search on all rows, on 6 draws."""
    same = dict.fromkeys(ALGORITHMS, 0)
    for seed in range(6):
        X, y = make_classes(seed, n=1000, p=16, n_classes=4)
        whole = BestSubsetClassifier(solver="swap", max_nonzero_coefs=8).fit(X, y)
        for algorithm in ALGORITHMS:
            model = DistributedBestSubsetClassifier(
                algorithm=algorithm, alpha=0.0, n_shards=6, max_nonzero_coefs=8
            ).fit(X, y)
            if np.array_equal(model.support_, whole.support_):
                same[algorithm] += 1
                np.testing.assert_allclose(model.coef_, whole.coef_, atol=1e-5)
                assert model.criterion_.min() == pytest.approx(whole.criterion_.min())
    assert min(same.values()) >= 5


@pytest.mark.parametrize("algorithm", ["columns", "surrogate"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_algorithms_agree(algorithm, fit_intercept):
    same = 0
    for seed in range(6):
        X, y = make(seed)
        gram, other = (
            DistributedBestSubsetClassifier(
                algorithm=name, n_shards=8, fit_intercept=fit_intercept
            ).fit(X, y)
            for name in ("gram", algorithm)
        )
        same += np.array_equal(gram.support_, other.support_)
        if algorithm == "columns" or np.array_equal(gram.support_, other.support_):
            np.testing.assert_array_equal(gram.support_, other.support_)
            np.testing.assert_allclose(gram.coef_, other.coef_, rtol=0, atol=1e-8)
    assert same >= 5


def test_surrogates_send_less_and_find_the_same():
    """m = 20, n_k = 200, p = 250."""
    same = 0
    for seed in range(4):
        X, y = make(seed, n=4000, p=250, s=5)
        gram, surrogate = (
            DistributedBestSubsetClassifier(
                algorithm=name, n_shards=20, max_nonzero_coefs=8
            ).fit(X, y)
            for name in ("gram", "surrogate")
        )
        same += np.array_equal(gram.support_, surrogate.support_)
        assert 2 * surrogate.bytes_total_ < gram.bytes_total_
        assert surrogate.algorithm_ == "surrogate"
    assert same == 4


def test_blocks_are_those_of_the_whole_quadratic_model():
    X, y = make_classes(0, n=200, p=5)
    shards = as_shards(X, y, n_shards=7)
    layout = replace(layout_of(shards), classes=np.arange(3))
    for centred in (False, True):
        rounds = Rounds(shards, layout, centred, [], 0, None)
        mean = X.mean(axis=0) if centred else np.zeros(5)
        totals, ridge = Totals(200.0, 200.0, mean, 0.0), np.full(5, 0.1)
        support, none = np.array([1, 3]), [np.inf] * 3
        start = SoftmaxFit(support, np.full((2, 2), 0.1), np.zeros(2), *none)
        (fit,) = fit_supports(rounds, [start], totals, ridge, np.ones(5), 1e-10)
        whole, parts = (
            working_problem(rounds, fit, totals, ridge, way) for way in (True, False)
        )
        for name in ("linear", "diagonal", "variance", "ridge"):
            np.testing.assert_allclose(
                getattr(parts.problem, name), getattr(whole.problem, name), rtol=1e-9
            )
        everything = np.arange(5)
        gram = whole.problem.source.block(everything)
        found = parts.problem.source.block(everything, everything)
        np.testing.assert_allclose(found, gram, atol=1e-12)
        own = leader_problem(rounds, fit, totals, parts, shards, True)
        np.testing.assert_allclose(own.source.block(everything), gram, atol=1e-12)
        # The model is stationary on the support, where the likelihood is.
        on = whole.coef @ (gram[np.ix_(support, support)])
        lack = whole.problem.linear[:, support] - on
        pull = 0.1 * fit.coef.T
        np.testing.assert_allclose(np.linalg.solve(whole.root, pull), lack, atol=1e-8)


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
    assert purposes[:3] == ["labels", "margins", "working moments"]
    assert purposes.count("working moments") == model.n_iter_
    p = X.shape[1]
    for row in model.communication_:
        if row["purpose"] == "working moments":
            assert row["up_floats_per_shard"] == p * (p + 1) // 2 + 2 * p + 6
    assert model.n_rounds_ == len(purposes)


def test_wrong_targets_are_named():
    X, y = make(0, n=60)
    model = DistributedBestSubsetClassifier(n_shards=3)
    with pytest.raises(ValueError, match="must have two or more classes; got 1 class"):
        model.fit(X, np.ones(60, int))
    with pytest.raises(ValueError, match="missing_features must be"):
        DistributedBestSubsetClassifier(missing_features="available").fit(X, y)
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
