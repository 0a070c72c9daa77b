"""Several targets of one support: reductions, and what correlation in time is worth."""

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import multivariate_normal

from sparsestat.bayes import (
    KroneckerSparseBayesian,
    MultiTaskSparseBayesianRegression,
    SparseBayesianRegression,
)
from sparsestat.datasets import make_mmv
from sparsestat.metrics import nmse

ALONE = {"fit_intercept": False}


@pytest.mark.parametrize("solver", ["mm", "em", "mackay", "fast", "gamp"])
def test_one_target_is_the_single_regression(solver):
    data = make_mmv(30, 40, n_targets=1, n_nonzero_coefs=3, random_state=0)
    options = {"noise_variance": data.noise_variance, "max_iter": 5000}
    many = MultiTaskSparseBayesianRegression(solver=solver, **options)
    many.fit(data.data, data.target)
    one = SparseBayesianRegression(solver, **options)
    one.fit(data.data, data.target[:, 0])
    np.testing.assert_allclose(many.coef_, [one.coef_], atol=1e-12)
    assert many.log_evidence_ == pytest.approx(one.log_evidence_)
    assert many.temporal_cov_.tolist() == [[1.0]]


def test_snapshots_of_one_factor_are_targets():
    data = make_mmv(20, 30, n_nonzero_coefs=3, random_state=1)
    options = {"noise_variance": data.noise_variance, "tol": 1e-6, "tol_step": 0.0}
    many = MultiTaskSparseBayesianRegression(**ALONE, prune_tol=0, **options)
    many.fit(data.data, data.target)
    snapshots = KroneckerSparseBayesian(
        multi=True, prune_tol=0, max_iter=2000, **options
    ).fit([data.data], data.target.T)
    assert many.log_evidence_ == pytest.approx(snapshots.log_evidence_, rel=1e-6)
    np.testing.assert_allclose(many.coef_, snapshots.coef_, atol=1e-4)


def test_copies_of_a_target_change_nothing():
    data = make_mmv(30, 20, n_targets=1, n_nonzero_coefs=3, random_state=2)
    copies = np.repeat(data.target, 3, axis=1)
    fits = [
        MultiTaskSparseBayesianRegression().fit(data.data, Y)
        for Y in (data.target, copies)
    ]
    np.testing.assert_allclose(fits[1].coef_[2], fits[0].coef_[0], atol=1e-8)
    assert fits[1].noise_variance_ == pytest.approx(fits[0].noise_variance_)


def test_sharing_pays():
    data = make_mmv(
        25, 125, temporal_correlation=0.0, n_nonzero_coefs=8, random_state=0
    )
    options = {"noise_variance": data.noise_variance, **ALONE}
    many = MultiTaskSparseBayesianRegression(**options).fit(data.data, data.target)
    assert many.stationarity_ <= 1e-3
    separate = [
        SparseBayesianRegression(**options).fit(data.data, y).coef_
        for y in data.target.T
    ]
    assert nmse(data.coef, many.coef_) < 0.2 * nmse(data.coef, np.array(separate))


def test_fast_ends_at_an_optimum_and_takes_sparse_matrices():
    data = make_mmv(25, 125, temporal_correlation=0.0, random_state=0)
    options = {"noise_variance": data.noise_variance}
    mm = MultiTaskSparseBayesianRegression(**options).fit(data.data, data.target)
    fast = MultiTaskSparseBayesianRegression(solver="fast", tol=1e-6, **options)
    fast.fit(data.data, data.target)
    assert fast.stationarity_ <= 1e-6
    kept = np.flatnonzero(fast.prior_variance_)
    assert len(kept) <= 25
    assert fast.log_evidence_ > mm.log_evidence_ - 0.01 * abs(mm.log_evidence_)
    A, Y = data.data - data.data.mean(axis=0), data.target - data.target.mean(axis=0)
    C = (A * fast.prior_variance_) @ A.T + fast.noise_variance_ * np.eye(25)
    density = multivariate_normal(cov=C)
    evidence = np.mean([density.logpdf(y) for y in Y.T])
    assert fast.log_evidence_ == pytest.approx(evidence, rel=1e-8)
    expected = fast.coef_.copy()
    thin = np.where(np.abs(data.data) > 1.0, data.data, 0.0)
    for X in (thin, sparse.csr_array(thin), sparse.csc_array(thin)):
        fast.fit(X, data.target)
        expected = fast.coef_.copy() if X is thin else expected
        np.testing.assert_allclose(fast.coef_, expected, atol=1e-8)
    with pytest.raises(ValueError, match=r"solver must be .* with temporal='ar1'"):
        MultiTaskSparseBayesianRegression("ar1", solver="fast").fit(thin, Y)


def test_time_pays():
    errors, correlations = [], []
    for seed in range(4):
        data = make_mmv(25, 125, temporal_correlation=0.9, random_state=seed)
        row = []
        for temporal in ("none", "ar1"):
            model = MultiTaskSparseBayesianRegression(
                temporal, solver="gamp", noise_variance=data.noise_variance, **ALONE
            ).fit(data.data, data.target)
            row.append(nmse(data.coef, model.coef_))
        errors.append(row)
        correlations.append(model.temporal_cov_[0, 1])
        assert model.temporal_cov_[0, 2] == pytest.approx(correlations[-1] ** 2)
    none, ar1 = np.mean(errors, axis=0)
    assert ar1 < 0.5 * none
    assert np.mean(correlations) == pytest.approx(0.87, abs=0.08)
