"""SparsemaxClassifier: certificates, equivalences, closed forms and predictions."""

import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sparsestat.activations import entmax, sparsemax
from sparsestat.linear_model import SparsemaxClassifier
from sparsestat.optim.fenchel_young_fit import make_objective
from sparsestat.optim.newton_cg import lbfgs
from sparsestat.utils.validation import ParameterError
from tests.linear_model.fenchel_young import conic_optimum, duality_gap, objective

ORDERS = [1.0, 1.3, 1.5, 2.0]
L1_RATIOS = [0.0, 0.4, 1.0]


def data(n=60, p=8, n_classes=4, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) * np.linspace(0.5, 2.0, p) + 1.0
    W = rng.standard_normal((p, n_classes)) * (rng.random((p, n_classes)) < 0.5)
    Z = X @ W
    y = (Z + noise * rng.gumbel(size=Z.shape)).argmax(axis=1)
    assert len(np.unique(y)) == n_classes
    return X, y


def one_hot(y, n_classes=None):
    return np.eye(n_classes or y.max() + 1)[y]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("l1_ratio", L1_RATIOS)
@pytest.mark.parametrize("free", [True, False])
def test_certificate_holds_without_the_solver(order, l1_ratio, free):
    X, y = data()
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    how = {"alpha": 0.02, "l1_ratio": l1_ratio}
    model = SparsemaxClassifier(
        **how, entmax_alpha=order, fit_intercept=free, tol=1e-7
    ).fit(X, y, sample_weight=weight)
    how |= {"order": order, "weight": weight}
    Q = one_hot(y)
    value = objective(X, Q, model.coef_, model.intercept_, **how)
    gap = duality_gap(X, Q, model.coef_, model.intercept_, **how, free=free)
    assert model.objective_ == pytest.approx(value, abs=1e-12)
    assert gap <= model.dual_gap_tol_ + 1e-12
    assert model.dual_gap_ == pytest.approx(gap, abs=1e-9)
    assert model.loss_ <= model.objective_


@pytest.mark.parametrize("order", ORDERS)
def test_points_have_the_best_intercept(order):
    X, y = data()
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    problem = make_objective(X, y, 4, weight, order, True, False)
    problem.set_strength(0.02, 0.0)
    coefs = 0.1 * np.random.default_rng(1).standard_normal((9, 4))
    point = problem.at(coefs)
    np.testing.assert_array_equal(point.coefs[:-1], coefs[:-1])
    np.testing.assert_allclose(weight @ point.P, weight @ one_hot(y), rtol=1e-9)
    np.testing.assert_allclose(point.Z, problem.scores(point.coefs), atol=1e-12)
    # Then the cheap bound is a duality gap, near the solution the one that is reported.
    assert problem.gap(point) <= problem.bound(point) * (1.0 + 1e-9)
    near, _ = lbfgs(problem, point, 1e-3, 100)
    assert problem.bound(near) == pytest.approx(problem.gap(near), rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_first_steps_that_are_much_too_long_do_no_harm(seed):
    # Features that share three factors, rare classes, and little to learn.
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 50)) / 50
    X = rng.standard_normal((140, 50))
    X = StandardScaler().fit_transform(X @ mix + 0.3 * X)
    y = np.minimum(rng.geometric(0.15, 140), 19)
    model = SparsemaxClassifier(alpha=10.0, solver="lbfgs").fit(X, y)
    assert model.dual_gap_ <= model.dual_gap_tol_


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("l1_ratio", L1_RATIOS)
def test_gap_of_any_point_is_that_of_feasible_dual_variables(order, l1_ratio):
    X, y = data()
    problem = make_objective(X, y, 4, None, order, True, False)
    problem.set_strength(0.02, l1_ratio)
    coefs = 0.1 * np.random.default_rng(1).standard_normal((9, 4))
    # Not with the best intercept, which a point has.
    point = problem.at(coefs)._replace(coefs=coefs, Z=problem.scores(coefs))
    gap = problem.gap(point)
    W = coefs[:-1]
    expected = duality_gap(
        X,
        one_hot(y),
        W.T,
        coefs[-1] - X.mean(axis=0) @ W,
        alpha=0.02,
        l1_ratio=l1_ratio,
        order=order,
    )
    assert gap == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("order", [1.0, 2.0])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_gap_bounds_the_distance_to_the_optimum_wherever_it_stops(order, l1_ratio):
    X, y = data(noise=0.3)
    how = {"alpha": 0.01, "l1_ratio": l1_ratio, "entmax_alpha": order}
    best = SparsemaxClassifier(**how, tol=1e-11).fit(X, y).objective_
    for steps in (1, 2, 3, 5):
        for solver in ("prox-newton",) if l1_ratio else ("lbfgs", "newton-cg"):
            model = SparsemaxClassifier(**how, solver=solver, max_iter=steps, tol=1e-9)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X, y)
            assert model.dual_gap_ >= model.objective_ - best - 1e-10


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("l1_ratio", L1_RATIOS)
def test_same_optimum_as_a_conic_solver(order, l1_ratio):
    X, y = data(n=30, p=4, n_classes=3)
    weight = np.linspace(1, 3, 30)
    how = {"alpha": 0.05, "l1_ratio": l1_ratio}
    best, coef = conic_optimum(X, one_hot(y), **how, order=order, weight=weight)
    model = SparsemaxClassifier(**how, entmax_alpha=order, tol=1e-10)
    model.fit(X, y, sample_weight=weight)
    assert model.objective_ == pytest.approx(best, abs=1e-7)
    if l1_ratio < 1:
        np.testing.assert_allclose(model.coef_, coef, atol=2e-4)


@pytest.mark.parametrize("solver", ["auto", "lbfgs", "newton-cg"])
def test_order_one_is_logistic_regression(solver):
    X, y = load_iris(return_X_y=True)
    alpha = 0.01
    peer = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-10, max_iter=10**4)
    peer.fit(X, y)
    model = SparsemaxClassifier(alpha, entmax_alpha=1.0, solver=solver, tol=1e-13).fit(
        X, y
    )
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-5)


def test_two_classes_penalise_two_vectors():
    X, y = data(n_classes=2)
    alpha = 0.05
    peer = LogisticRegression(C=2 / (alpha * len(y)), tol=1e-10, max_iter=10**4)
    peer.fit(X, y)
    model = SparsemaxClassifier(alpha, entmax_alpha=1.0, tol=1e-13).fit(X, y)
    assert model.coef_.shape == (2, X.shape[1])
    np.testing.assert_allclose(
        model.coef_[1] - model.coef_[0], peer.coef_[0], atol=1e-5
    )
    np.testing.assert_allclose(
        model.decision_function(X), peer.decision_function(X), atol=1e-5
    )


def test_two_classes_have_a_closed_form():
    X, y = data(n_classes=2)
    model = SparsemaxClassifier().fit(X, y)
    t = model.decision_function(X)
    P = model.predict_proba(X)
    np.testing.assert_allclose(P[:, 1], np.clip((t + 1) / 2, 0, 1), atol=1e-14)
    np.testing.assert_array_equal(model.predict(X), (t > 0).astype(int))


@pytest.mark.parametrize("order", ORDERS)
def test_solvers_agree(order):
    X, y = data()
    fits = [
        SparsemaxClassifier(0.01, entmax_alpha=order, solver=solver, tol=1e-11).fit(
            X, y
        )
        for solver in ("auto", "lbfgs", "newton-cg", "prox-newton")
    ]
    for fit in fits[1:]:
        np.testing.assert_allclose(fit.coef_, fits[0].coef_, atol=1e-5)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("l1_ratio", [0.3, 1.0])
def test_largest_strength_has_a_closed_form(order, free, l1_ratio):
    X, y = data()
    Q = one_hot(y)
    reference = Q.mean(axis=0) if free else np.full(4, 0.25)
    largest = np.abs(X.T @ (Q - reference)).max() / len(y) / l1_ratio
    how = {"l1_ratio": l1_ratio, "entmax_alpha": order, "fit_intercept": free}
    above = SparsemaxClassifier(1.0001 * largest, **how).fit(X, y)
    below = SparsemaxClassifier(0.99 * largest, **how, tol=1e-9).fit(X, y)
    assert not above.coef_.any()
    assert below.coef_.any()
    if free:
        P = above.predict_proba(X)
        np.testing.assert_allclose(P, np.broadcast_to(reference, P.shape), atol=1e-9)


@pytest.mark.parametrize("order", [1.0, 2.0])
def test_conditions_of_the_l1_norm(order):
    X, y = data(p=20)
    alpha = 0.03
    model = SparsemaxClassifier(alpha, l1_ratio=1.0, entmax_alpha=order, tol=1e-12).fit(
        X, y
    )
    G = (model.predict_proba(X) - one_hot(y)).T @ X / len(y)
    used = model.coef_ != 0
    assert 0 < used.sum() < used.size / 2
    np.testing.assert_allclose(G[used], -alpha * np.sign(model.coef_[used]), atol=1e-5)
    assert np.abs(G[~used]).max() <= alpha + 1e-5


@pytest.mark.parametrize("l1_ratio", [0.0, 0.7])
def test_weights_are_repetitions(l1_ratio):
    X, y = data()
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    weight[:4] = 1
    model = SparsemaxClassifier(0.02, l1_ratio=l1_ratio, tol=1e-11)
    coef = model.fit(X, y, sample_weight=weight).coef_
    repeated = model.fit(np.repeat(X, weight, axis=0), np.repeat(y, weight)).coef_
    np.testing.assert_allclose(coef, repeated, atol=1e-5)


def test_class_weights_are_sample_weights():
    X, y = data()
    wanted = {0: 1.0, 1: 2.0, 2: 0.5, 3: 1.0}
    mine = SparsemaxClassifier(class_weight=wanted).fit(X, y, np.arange(60.0))
    weight = np.arange(60.0) * [wanted[label] for label in y]
    np.testing.assert_allclose(
        mine.coef_, SparsemaxClassifier().fit(X, y, weight).coef_, atol=1e-12
    )
    balanced = SparsemaxClassifier(class_weight="balanced").fit(X, y)
    weight = 1 / np.bincount(y)[y]
    np.testing.assert_allclose(
        balanced.coef_, SparsemaxClassifier().fit(X, y, weight).coef_, atol=1e-8
    )


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("free", [True, False])
def test_standardize_is_scaling(l1_ratio, free):
    X, y = data()
    weight = np.linspace(1, 2, len(y))
    scaler = StandardScaler(with_mean=free).fit(X, sample_weight=weight)
    if not free:
        scaler.scale_ = np.sqrt(np.average(X**2, axis=0, weights=weight))
    how = {"alpha": 0.02, "l1_ratio": l1_ratio, "fit_intercept": free, "tol": 1e-11}
    other = SparsemaxClassifier(**how).fit(scaler.transform(X), y, weight)
    model = SparsemaxClassifier(**how, standardize=True).fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, other.coef_ / scaler.scale_, atol=1e-6)
    assert model.objective_ == pytest.approx(other.objective_, abs=1e-10)


@pytest.mark.parametrize("storage", [sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_sparse_data(storage, standardize, l1_ratio):
    X, y = data(p=12)
    X[np.abs(X) < 1] = 0.0
    how = {"alpha": 0.02, "l1_ratio": l1_ratio, "standardize": standardize}
    dense = SparsemaxClassifier(**how, tol=1e-10).fit(X, y)
    model = SparsemaxClassifier(**how, tol=1e-10).fit(storage(X), y)
    assert model.objective_ == pytest.approx(dense.objective_, abs=1e-9)
    P = model.predict_proba(storage(X))
    np.testing.assert_allclose(P, dense.predict_proba(X), atol=1e-5)
    if l1_ratio < 1.0:
        # A common shift of a feature's coefficients may leave l1 norm and loss alone.
        np.testing.assert_allclose(model.coef_, dense.coef_, atol=1e-5)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_sparse_data_are_never_densified(standardize, l1_ratio):
    rng = np.random.default_rng(0)
    X = sparse.random_array((500, 20_000), density=1e-3, format="csr", rng=rng)
    y = rng.integers(3, size=500)
    model = SparsemaxClassifier(0.02, l1_ratio=l1_ratio, standardize=standardize)
    model.fit(X, y)
    tracemalloc.start()
    model.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500 * 20_000 * 8 / 2


@pytest.mark.parametrize("order_of_memory", "CF")
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_float32(order_of_memory, l1_ratio):
    X, y = data(n=300)
    X = np.asarray(X, np.float32, order=order_of_memory)
    model = SparsemaxClassifier(0.01, l1_ratio=l1_ratio).fit(X, y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float32
    assert model.predict_proba(X).dtype == np.float32
    how = {"alpha": 0.01, "l1_ratio": l1_ratio}
    coef, intercept = model.coef_.astype(float), model.intercept_.astype(float)
    exact = SparsemaxClassifier(**how, tol=1e-12).fit(X.astype(float), y)
    lost = objective(X.astype(float), one_hot(y), coef, intercept, **how)
    lost -= exact.objective_
    assert lost <= model.dual_gap_ + 1e-9
    assert model.dual_gap_ <= model.dual_gap_tol_


def test_separable_data_need_no_penalty():
    X, y = data(noise=0.0)
    model = SparsemaxClassifier(0.0).fit(X, y)
    assert model.loss_ == pytest.approx(0.0, abs=1e-10)
    assert np.abs(model.coef_).max() < 1e3
    scores = model.decision_function(X)
    right = scores[np.arange(len(y)), y]
    scores[np.arange(len(y)), y] = -np.inf
    assert (right - scores.max(axis=1)).min() > 1 - 1e-4
    assert (model.predict_proba(X) == one_hot(y)).mean() > 0.9


def test_without_penalty_the_gap_is_the_loss():
    X, y = data(noise=3.0)
    with pytest.warns(ConvergenceWarning, match="the gap is the loss itself"):
        model = SparsemaxClassifier(0.0).fit(X, y)
    assert model.dual_gap_ == pytest.approx(model.loss_)
    G = (model.predict_proba(X) - one_hot(y)).T @ X / len(y)
    assert np.abs(G).max() < 1e-6


def test_missed_tolerance_warns_and_keeps_the_best():
    X, y = data()
    model = SparsemaxClassifier(1e-4, solver="lbfgs", max_iter=2)
    with pytest.warns(ConvergenceWarning, match=r"alpha=0.0001.*gap is .*asked were"):
        model.fit(X, y)
    assert model.dual_gap_ > model.dual_gap_tol_
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_warm_start_has_nothing_left_to_do(l1_ratio):
    X, y = data()
    model = SparsemaxClassifier(0.01, l1_ratio=l1_ratio, warm_start=True).fit(X, y)
    before = model.n_iter_
    assert before > 0
    assert model.fit(X, y).n_iter_ <= 1
    assert model.fit(X[:, :3], y).coef_.shape == (4, 3)


def test_labels_of_any_kind():
    X, y = data()
    names = np.array(["d", "a", "c", "b"])[y]
    model = SparsemaxClassifier().fit(X, names)
    assert list(model.classes_) == ["a", "b", "c", "d"]
    assert model.score(X, names) == SparsemaxClassifier().fit(X, y).score(X, y) > 0.6
    order = np.argsort(["d", "a", "c", "b"])
    np.testing.assert_allclose(
        model.coef_, SparsemaxClassifier().fit(X, y).coef_[order], atol=1e-7
    )


@pytest.mark.parametrize("order", [1.5, 2.0])
def test_probabilities_and_supports(order):
    X, y = data()
    model = SparsemaxClassifier(0.1, entmax_alpha=order, support_scale=2.0).fit(X, y)
    scores = X @ model.coef_.T + model.intercept_
    P = model.predict_proba(X)
    np.testing.assert_allclose(P, entmax(scores, order), atol=1e-12)
    as_csr = model.sparse_proba(X)
    np.testing.assert_allclose(as_csr.toarray(), P, atol=1e-14)
    assert as_csr.nnz == np.count_nonzero(P)
    assert 0.1 < (P == 0).mean() < 0.9
    support = model.predict_support(X)
    np.testing.assert_array_equal(support, entmax(2 * scores, order) > 0)
    assert support.dtype == bool
    assert (support.sum(axis=1) >= 1).all()
    as_csr = model.predict_support(X, output="csr")
    np.testing.assert_array_equal(as_csr.toarray(), support)
    with pytest.raises(ParameterError, match="output must be 'dense' or 'csr'"):
        model.predict_support(X, output="coo")


def sets(seed=0, **how):
    return make_multilabel_classification(
        80, 10, n_classes=5, random_state=seed, return_indicator="dense", **how
    )


def test_sets_of_labels():
    X, Y = sets(allow_unlabeled=False)
    how = {"alpha": 0.02, "l1_ratio": 0.2, "standardize": True, "tol": 1e-9}
    model = SparsemaxClassifier(**how, support_scale=2.5).fit(X, Y)
    assert list(model.classes_) == [0, 1, 2, 3, 4]
    Xs = StandardScaler().fit_transform(X)
    scale = X.std(axis=0)
    W, b = model.coef_ * scale, model.intercept_ + model.coef_ @ X.mean(axis=0)
    Q = Y / Y.sum(axis=1, keepdims=True)
    gap = duality_gap(Xs, Q, W, b, alpha=0.02, l1_ratio=0.2)
    assert gap <= model.dual_gap_tol_ + 1e-12
    scores = model.decision_function(X)
    np.testing.assert_array_equal(model.predict(X), sparsemax(2.5 * scores) > 0)
    assert model.predict(X).dtype == np.int64
    np.testing.assert_array_equal(model.predict_proba(X), sparsemax(scores))
    assert model.score(X, Y) == (model.predict(X) == Y).all(axis=1).mean()
    again = SparsemaxClassifier(**how).fit(X, sparse.csr_array(Y))
    np.testing.assert_array_equal(again.coef_, model.coef_)


def test_two_columns_of_sets_keep_both_scores():
    X, Y = sets(allow_unlabeled=False)
    Y = np.column_stack([Y[:, 0], 1 - Y[:, 0]])
    Y[:5] = 1
    assert SparsemaxClassifier().fit(X, Y).decision_function(X).shape == (80, 2)


def test_rows_without_labels_are_left_out_and_counted():
    X, Y = sets()
    empty = Y.sum(axis=1) == 0
    assert 0 < empty.sum() < 40
    weight = np.linspace(1, 2, len(X))
    with pytest.warns(UserWarning, match=rf"{empty.sum()} of 80 rows of y have no lab"):
        model = SparsemaxClassifier().fit(X, Y, weight)
    other = SparsemaxClassifier().fit(X[~empty], Y[~empty], weight[~empty])
    np.testing.assert_array_equal(model.coef_, other.coef_)
    with pytest.raises(ValueError, match="a label in some row; got 80 rows without"):
        SparsemaxClassifier().fit(X, np.zeros_like(Y))


def test_wrong_input_is_named():
    X, y = data()
    with pytest.raises(ValueError, match="at least 2 classes; got one class"):
        SparsemaxClassifier().fit(X, np.ones(len(y)))
    with pytest.raises(
        ParameterError, match=r"entmax_alpha must be .*\[1, 2\]; got 0.5"
    ):
        SparsemaxClassifier(entmax_alpha=0.5).fit(X, y)
    for solver in ("lbfgs", "newton-cg"):
        with pytest.raises(ParameterError, match="solver must be 'auto' or 'prox-newt"):
            SparsemaxClassifier(l1_ratio=0.5, solver=solver).fit(X, y)
    with pytest.raises(ParameterError, match="class_weight must be None where y holds"):
        SparsemaxClassifier(class_weight="balanced").fit(*sets(allow_unlabeled=False))
    with pytest.raises(ValueError, match="NaN"):
        SparsemaxClassifier().fit(np.where(X > 2, np.nan, X), y)
    with pytest.raises(ValueError, match="Unknown label type"):
        SparsemaxClassifier().fit(X, X[:, 0])


def test_scores_of_huge_size():
    X, y = data()
    model = SparsemaxClassifier(0.01).fit(1e6 * X, y)
    P = model.predict_proba(1e6 * X)
    assert np.isfinite(P).all()
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_classes_with_weights_of_zero(order, l1_ratio):
    X, y = data()
    how = {"l1_ratio": l1_ratio, "entmax_alpha": order, "alpha": 0.01}
    model = SparsemaxClassifier(**how).fit(X, y, sample_weight=y != 2)
    assert len(model.classes_) == 4
    other = SparsemaxClassifier(**how).fit(X[y != 2], y[y != 2])
    assert model.objective_ == pytest.approx(other.objective_, abs=1e-6)
    assert not (model.predict(X) == 2).any()
