"""Minimisation on a Gram matrix, its factor, and growing sets of features."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsestat.optim import face_newton, make_design, working_set
from sparsestat.optim.certificate import penalty_value
from sparsestat.optim.face_newton import minimise_on_gram, slide
from sparsestat.optim.moments import gram_matrix
from sparsestat.optim.penalties import L1, ElasticNet, curvature, prox
from sparsestat.optim.problem import least_squares
from sparsestat.optim.working_set import GramWorkingSet
from tests import naive
from tests.optim.problems import STORAGES, make_data, shares


class State:
    """Arguments of `minimise_on_gram` for a random problem of a given rank."""

    def __init__(self, penalty, m, rank, seed=0):
        rng = np.random.default_rng(seed)
        Z = rng.standard_normal((rank, m))
        y = rng.standard_normal(rank)
        self.penalty, self.gram, self.c, self.y2 = penalty, Z.T @ Z, Z.T @ y, y @ y
        self.w, self.q = np.zeros(m), self.c.copy()
        self.active, self.n_active = np.zeros(m, np.int64), 0
        self.factor, self.ridge = np.zeros((m, m)), np.zeros(m)
        self.free = np.flatnonzero(penalty.weights == 0.0)

    def minimise(self, penalty=None, target=0.0, max_rounds=200):
        self.penalty = self.penalty if penalty is None else penalty
        self.n_active, n_rounds, gap = minimise_on_gram(
            self.penalty, self.free, self.gram, self.c, self.w, self.q, self.active,
            self.n_active, self.factor, self.ridge, self.y2, target, max_rounds,
        )  # fmt: skip
        return n_rounds, gap

    def objective(self, w=None):
        w = self.w if w is None else w
        return w @ self.gram @ w / 2 - self.c @ w + penalty_value(self.penalty, w)

    def check(self):
        """Whether gradient and factor are those of the coefficients."""
        np.testing.assert_allclose(self.q, self.c - self.gram @ self.w, atol=1e-10)
        inside = self.active[: self.n_active]
        assert len(set(inside)) == len(inside)
        ridge = [curvature(self.penalty, 1.0, j) for j in inside]
        block = self.gram[np.ix_(inside, inside)] + np.diag(ridge)
        R = np.triu(self.factor[: self.n_active, : self.n_active])
        np.testing.assert_allclose(R.T @ R, block, atol=1e-9)


def penalty_for(m, kind, alpha, seed, n_free=0):
    weights = np.random.default_rng(seed).choice([0.5, 1.0, 2.0], m)
    weights[:n_free] = 0.0
    positive = kind.endswith("+")
    if kind.startswith("l1"):
        return L1(alpha, weights, positive)
    return ElasticNet(
        alpha, {"en": 0.5, "ridge": 0.0}[kind.rstrip("+")], weights, positive
    )


kinds = st.sampled_from(["l1", "l1+", "en", "en+", "ridge"])


@given(
    kinds,
    st.integers(1, 15),
    st.integers(2, 20),
    st.integers(0, 2),
    st.floats(0.01, 1.0),
    st.integers(0, 1000),
)
def test_minimum_is_that_of_coordinate_descent(kind, m, rank, n_free, alpha, seed):
    penalty = penalty_for(m, kind, alpha, seed, min(n_free, m, rank - 1))
    state = State(penalty, m, rank, seed)
    _, gap = state.minimise()
    state.check()
    assert gap <= 1e-9 * state.y2
    rival = naive.coordinate_descent(
        state.gram, state.c, functools.partial(prox, penalty), state.w, 20
    )
    assert state.objective() <= state.objective(rival) + 1e-10 * state.y2
    # From elsewhere, coordinate descent comes down to the same objective.
    far = naive.coordinate_descent(
        state.gram, state.c, functools.partial(prox, penalty), n_epochs=60
    )
    assert state.objective() <= state.objective(far) + 1e-10 * state.y2


@given(
    kinds, st.lists(st.floats(0.02, 2.0), min_size=2, max_size=6), st.integers(0, 99)
)
def test_state_survives_any_sequence_of_strengths(kind, alphas, seed):
    state = State(penalty_for(12, kind, 1.0, seed), 12, 8, seed)
    for alpha in alphas:
        _, gap = state.minimise(state.penalty._replace(alpha=alpha))
        state.check()
        assert gap <= 1e-9 * state.y2


@pytest.mark.parametrize("n_copies", [2, 5])
def test_duplicated_features_do_not_enter_twice(n_copies):
    state = State(L1(0.1, np.ones(4 * n_copies), False), 4 * n_copies, 30)
    first = np.tile(np.arange(4), n_copies)
    state.gram, state.c = state.gram[np.ix_(first, first)], state.c[first]
    state.q = state.c.copy()
    _, gap = state.minimise()
    assert gap <= 1e-12 * state.y2
    assert state.n_active <= 4
    state.check()


@pytest.mark.parametrize("kind", ["l1", "en"])
def test_large_faces_are_factored_at_once(kind, monkeypatch):
    def solved(block):
        monkeypatch.setattr(face_newton, "_BLOCK", block)
        state = State(penalty_for(60, kind, 0.5, 0), 60, 80)
        state.w[:] = 0.1
        state.q[:] = state.c - state.gram @ state.w
        assert state.minimise()[1] <= 1e-10 * state.y2
        state.check()
        return state.w

    np.testing.assert_allclose(solved(1), solved(1000), atol=1e-9)


def test_a_factor_of_other_curvatures_is_dropped():
    state = State(ElasticNet(1.0, 0.5, np.ones(6), False), 6, 10)
    state.minimise()
    assert state.n_active > 0
    state.minimise(state.penalty._replace(alpha=0.3))
    np.testing.assert_array_equal(state.ridge, 0.15)
    state.check()


def test_few_rounds_return_a_gap_that_holds():
    state = State(L1(0.05, np.ones(15), False), 15, 12, seed=3)
    n_rounds, gap = state.minimise(max_rounds=1)
    assert n_rounds == 1
    state.check()
    reached = state.objective()
    state.minimise()
    assert reached - state.objective() <= gap + 1e-12


def test_slide_keeps_the_fit_and_lowers_the_penalty():
    state = State(L1(0.1, np.array([1.0, 1.0, 3.0]), False), 3, 5)
    order = np.array([0, 1, 0])  # feature 2 is feature 0 again
    state.gram, state.c = state.gram[np.ix_(order, order)].copy(), state.c[order]
    state.w[:] = [1.0, -1.0, 0.5]
    state.q[:] = state.c - state.gram @ state.w
    state.active[:2], state.n_active = [0, 1], 2
    state.factor[:2, :2] = np.linalg.cholesky(state.gram[:2, :2]).T
    free, skipped = np.zeros(3, bool), np.array([False, False, True])
    before, q = state.objective(), state.q.copy()
    slide(
        state.penalty, state.gram, state.w, state.q, free, skipped, state.active, 2,
        state.factor, state.ridge,
    )  # fmt: skip
    np.testing.assert_allclose(state.w, [1.5, -1.0, 0.0], atol=1e-14)
    np.testing.assert_allclose(state.q, q, atol=1e-13)
    assert state.objective() == pytest.approx(before - 0.1 * (3.0 - 1.0) * 0.5)


def test_slides_of_unpenalised_features_stay_where_they_are():
    weights = np.array([0.0, 0.0, 1.0])
    state = State(L1(0.1, weights, False), 3, 6)
    order = np.array([0, 0, 1])
    state.gram, state.c = state.gram[np.ix_(order, order)].copy(), state.c[order]
    state.q[:] = state.c
    _, gap = state.minimise()
    assert gap <= 1e-12 * state.y2
    assert np.abs(state.w).max() < 1e3


@pytest.mark.parametrize("storage", ["F", "C", "csc", "F32"])
@pytest.mark.parametrize("keep_columns", [True, False])
@pytest.mark.parametrize(
    "weight", [None, np.arange(40) % 3.0], ids=["uniform", "weighted"]
)
def test_working_set_grows_in_any_order(storage, keep_columns, weight, monkeypatch):
    if not keep_columns:
        monkeypatch.setattr(working_set, "_COLUMN_BYTES", 0)
    monkeypatch.setattr(working_set, "_FIRST_CAPACITY", 3)
    X, y = make_data(40, 30, density=0.7)
    share = shares(weight, 40)
    given = None if weight is None else share
    penalty = L1(0.05, np.where(np.arange(30) == 7, 0.0, 1.0), False)
    design = make_design(STORAGES[storage](X), sample_weight=given, standardize=True)
    problem = least_squares(design, y, penalty, given, True)
    Z = np.sqrt(share)[:, None] * naive.transformed(X, share, True, True)
    grown = GramWorkingSet(problem)
    order = np.random.default_rng(0).permutation(30)
    for new in (order[:2], order[2:2], order[2:17], order[17:]):
        grown.add(new)
        grown.minimise(penalty, 1e-14, 100)
        A = Z[:, grown.features]
        np.testing.assert_allclose(
            grown.residual(), problem.target - A @ grown.w, atol=1e-12
        )
        np.testing.assert_allclose(grown.q, A.T @ grown.residual(), atol=1e-12)
        norm2 = grown.residual() @ grown.residual()
        assert problem.y2 - grown.explained() == pytest.approx(norm2)
        assert grown.fitted() == pytest.approx(problem.target @ (A @ grown.w))
        assert grown.violation(penalty) < 1e-7
        assert grown.gap <= 1e-14
    assert grown.inside.all()
    whole = GramWorkingSet(problem, gram_matrix(problem.design, problem.root**2))
    whole.minimise(penalty, 1e-14, 100)
    found, expected = np.zeros((2, 30))
    found[grown.features], expected[whole.features] = grown.w, whole.w
    np.testing.assert_allclose(found, expected, atol=1e-8)
    features, coef = grown.support()
    warm = GramWorkingSet(problem)
    warm.add(features)
    warm.warm_start(features, coef)
    assert warm.minimise(penalty, 1e-13, 100) == 1
    np.testing.assert_allclose(warm.w, coef, atol=1e-12)
