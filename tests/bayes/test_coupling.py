"""Pattern coupling: reductions, slopes, and recovery of patterns of unknown extent."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.exceptions import ConvergenceWarning

from sparsestat.bayes import SparseBayesianRegression
from sparsestat.bayes._columns import Columns
from sparsestat.bayes._coupling import Coupled
from sparsestat.metrics import nmse


def draw(m=50, n=120, seed=0, snr_db=20):
    rng = np.random.default_rng(seed)
    X, coef = rng.standard_normal((m, n)), np.zeros(n)
    for start in rng.choice(max(n // 12, 2), 2, replace=False):
        pattern = coef[12 * start : 12 * start + 7]
        pattern += rng.standard_normal(len(pattern))
    signal = X @ coef
    noise = np.mean(signal**2) * 10 ** (-snr_db / 10)
    return X, signal + np.sqrt(noise) * rng.standard_normal(m), coef, noise


def model(coupling, solver="mm", **parameters):
    return SparseBayesianRegression(
        solver, coupling=coupling, fit_intercept=False, **parameters
    )


@pytest.mark.parametrize("solver", ["mm", "em", "mackay"])
def test_without_coupling_it_is_the_plain_regression(solver):
    X, y, _, noise = draw()
    options = {"noise_variance": noise, "max_iter": 40, "prune_tol": 0, "tol": 1e-9}
    with pytest.warns(ConvergenceWarning):
        plain = model(0.0, solver, **options).fit(X, y)
    structure = Coupled(Columns(X), y[:, None], len(y), 0.0)
    look = structure.look(plain.prior_variance_, noise)
    assert np.abs(structure.sizes * (look.share - look.power)).max() == pytest.approx(
        plain.stationarity_, rel=1e-6
    )
    if solver != "em":  # the coupled steps of which count three coefficients a term
        with pytest.warns(ConvergenceWarning):
            coupled = model(1e-12, solver, **options).fit(X, y)
        np.testing.assert_allclose(coupled.coef_, plain.coef_, atol=1e-6)


def test_slopes_are_those_of_the_cost():
    X, y, _, noise = draw(15, 10)
    structure = Coupled(Columns(X), y[:, None], len(y), 0.7)
    g = np.random.default_rng(0).gamma(1.0, size=10)
    look = structure.look(g, noise)

    def cost(logs):
        prior = structure.prior(np.exp(logs))
        C = noise * np.eye(len(y)) + (X * prior) @ X.T
        return np.linalg.slogdet(C)[1] + y @ np.linalg.solve(C, y)

    expected = approx_fprime(np.log(g), cost, 1e-6)
    slopes = structure.sizes * (look.share - look.power)
    np.testing.assert_allclose(slopes, expected, atol=1e-4)
    C = np.eye(10) + 0.7 * (np.eye(10, k=1) + np.eye(10, k=-1))
    np.testing.assert_allclose(structure.prior(g), C @ g)


@pytest.mark.parametrize("noise_variance", ["em", 0.05])
@pytest.mark.parametrize("solver", ["mm", "em"])
@pytest.mark.parametrize("shape", [(60, 25), (30, 50)])
def test_cost_never_rises(solver, shape, noise_variance):
    X, y, _, _ = draw(*shape)
    fit = model(
        0.5, solver, noise_variance=noise_variance, max_iter=60, tol=1e-12, prune_tol=0
    )
    with pytest.warns(ConvergenceWarning):
        fit.fit(X, y)
    costs = np.array(fit.history_["cost"])
    assert np.diff(costs).max() <= 1e-9 * np.abs(costs).max()


def test_patterns_are_found():
    errors = []
    for seed in range(4):
        X, y, coef, noise = draw(35, seed=seed)
        fits = [
            model(b, "mackay", noise_variance=noise, max_iter=3000).fit(X, y)
            for b in (0.0, 0.6)
        ]
        errors.append([nmse(coef, fit.coef_) for fit in fits])
        assert fits[1].stationarity_ <= 1e-3
        assert fits[1].active_.sum() < 60
    alone, coupled = np.mean(errors, axis=0)
    assert coupled < 0.6 * alone


def test_stationarity_counts_what_was_pruned():
    X, y, _, noise = draw(20, 12)
    with pytest.warns(ConvergenceWarning):
        fit = model(0.5, noise_variance=noise, max_iter=1, prune_tol=0.9).fit(X, y)
    assert (~fit.active_).any()
    assert fit.stationarity_ > 0.1


def test_coupling_needs_inverses():
    X, y, _, _ = draw(20, 12)
    with pytest.raises(ValueError, match=r"solver must be .* with coupling=0.5"):
        model(0.5, "gamp").fit(X, y)
