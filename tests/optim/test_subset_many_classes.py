"""Subsets for many classes against those with the whole curvature."""

import numpy as np
import pytest

from sparsestat.linear_model import BestSubsetClassifier
from sparsestat.optim.design import make_design, with_norms
from sparsestat.optim.subset import (
    LikelihoodProblem,
    SoftmaxLikelihood,
    likelihood_path,
    make_likelihood_problem,
)
from sparsestat.optim.subset._many_classes import ManyClasses
from sparsestat.optim.subset._units import make_units


def drawn(seed=0, n=200, p=9, n_classes=5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.8 * rng.standard_normal((n, 1))
    B = np.zeros((p, n_classes))
    B[[1, 4, 6]] = 1.2 * rng.standard_normal((3, n_classes))
    y = (X @ B + rng.gumbel(size=(n, n_classes))).argmax(axis=1)
    return X, y, rng.integers(0, 3, n).astype(float)


def problem_of(kind, X, y, weight, *, ridge=0.0, labels=None, intercept=True, offset=0):
    n_classes = y.max() + 1
    share = weight / weight.sum()
    design = make_design(
        X, sample_weight=share, fit_intercept=intercept, standardize=True
    )
    return kind(
        with_norms(design, share),
        SoftmaxLikelihood(y, n_classes, offset if np.ndim(offset) else None, weight),
        np.full(X.shape[1], ridge),
        None if labels is None else make_units(np.asarray(labels)),
        intercept,
        1e-9,
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ridge": 0.05},
        {"intercept": False},
        {"labels": [0, 1, 0, 2, 2, 3, 1, 3, 4], "ridge": 0.01},
        {"offset": 1},
    ],
)
def test_paths_are_those_with_the_whole_curvature(options):
    X, y, weight = drawn()
    options = dict(options)
    if "offset" in options:
        options["offset"] = np.random.default_rng(1).standard_normal((len(y), 5))
    paths = []
    for kind in LikelihoodProblem, ManyClasses:
        problem = problem_of(kind, X, y, weight, **options)
        paths.append(likelihood_path(problem, np.arange(5), solver="swap"))
    for ours, theirs in zip(paths[1].points, paths[0].points, strict=True):
        assert ours.units.tolist() == theirs.units.tolist()
        assert ours.objective == pytest.approx(theirs.objective, rel=1e-10)
        assert ours.coef == pytest.approx(theirs.coef, abs=1e-6)
        assert ours.intercept == pytest.approx(theirs.intercept, abs=1e-6)
        assert ours.z == pytest.approx(theirs.z, abs=1e-6)
        assert ours.gradient <= 1e-9 * problem.scale
    shares = paths[1].criterion, paths[0].criterion
    assert shares[0] == pytest.approx(
        shares[1], rel=1e-2 if "ridge" in options else 1e-9
    )


def test_losses_and_gradients():
    rng = np.random.default_rng(0)
    n, n_classes = 60, 23
    y = rng.integers(0, n_classes, n)
    offset = rng.standard_normal((n, n_classes))
    likelihood = SoftmaxLikelihood(y, n_classes, offset, rng.random(n))
    z = 3.0 * rng.standard_normal((n, n_classes - 1))
    value, u, h, _ = likelihood.derivatives(z)
    scores = z @ likelihood.contrasts.T + offset
    logs = scores - np.logaddexp.reduce(scores, axis=1)[:, None]
    weight = likelihood.loss.weight
    assert value == pytest.approx(-weight @ logs[np.arange(n), y], rel=1e-13)
    step = np.zeros_like(z)
    step[3, 5] = 1e-6
    change = likelihood.value(z + step) - likelihood.value(z - step)
    assert -u[3, 5] == pytest.approx(change / 2e-6, rel=1e-6)
    step = np.zeros_like(z)
    step[:, 0] = 1e-6
    slopes = likelihood.derivatives(z - step)[1] - likelihood.derivatives(z + step)[1]
    assert h[0] == pytest.approx(slopes[:, 0] / 2e-6, rel=1e-5, abs=1e-10)
    far = 50.0 * (np.eye(n_classes)[y] - offset / 50.0) @ likelihood.contrasts
    tiny = likelihood.value(far)
    assert tiny == pytest.approx((n_classes - 1) * np.exp(-50.0), rel=1e-6)
    assert likelihood.value(1e4 * z) < np.inf


def test_a_proof_and_a_separated_subset():
    X, y, weight = drawn(n=150, p=7)
    problems = [
        problem_of(kind, X, y, weight) for kind in (LikelihoodProblem, ManyClasses)
    ]
    paths = [likelihood_path(p, [2], solver="exact") for p in problems]
    assert paths[0].optimal[0]
    assert paths[1].optimal[0]
    assert paths[1].points[0].units.tolist() == paths[0].points[0].units.tolist()
    y = np.digitize(X[:, 2], np.quantile(X[:, 2], [0.2, 0.4, 0.6, 0.8]))
    ones = np.ones(len(y))
    points = [
        likelihood_path(problem_of(kind, X, y, ones), [1], solver="swap").points[0]
        for kind in (LikelihoodProblem, ManyClasses)
    ]
    assert points[0].separated
    assert points[1].separated
    assert points[1].units.tolist() == points[0].units.tolist() == [2]
    assert points[1].objective == pytest.approx(points[0].objective, rel=1e-6)


def test_which_problem_is_made_for_so_many_classes():
    X, _, _ = drawn()
    y = np.arange(len(X)) % 22
    ones = np.ones(len(y))
    assert type(problem_of(make_likelihood_problem, X, y, ones)) is ManyClasses
    few_classes = problem_of(make_likelihood_problem, X, y % 21, ones)
    assert type(few_classes) is LikelihoodProblem


def test_classifier_of_many_classes():
    X, y, weight = drawn(n=500, p=12, n_classes=40)
    model = BestSubsetClassifier(range(5), solver="swap")
    model.fit(X, y, sample_weight=weight)
    assert model.loss_.shape == (5,)
    assert (np.diff(model.loss_) < 0.0).all()
    assert model.stationarity_ <= model.tol
    assert set(model.refit(3).support_) == {1, 4, 6}
    assert np.allclose(model.coef_.sum(axis=0), 0.0, atol=1e-8)
    proba = model.predict_proba(X)
    held = weight > 0.0
    index = np.searchsorted(model.classes_, y)
    losses = -np.log(proba[np.arange(len(y)), index])
    assert (
        model.loss_[-1]
        == pytest.approx(np.average(losses[held], weights=weight[held]), rel=1e-9)
        or model.n_nonzero_coefs_ != 4
    )
