"""A growing set of features with its Gram matrix, coefficients and Cholesky factor."""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.certificate import stationarity
from sparsestat.optim.cholesky import solve
from sparsestat.optim.design import columns
from sparsestat.optim.face_newton import minimise_on_gram, settle
from sparsestat.optim.moments import gram_block
from sparsestat.optim.penalties import restrict
from sparsestat.optim.problem import LeastSquares

__all__ = ["GramWorkingSet"]

# Columns are kept beside their Gram matrix while they are this small.
_COLUMN_BYTES = 1 << 26
_FIRST_CAPACITY = 128
# Passes that find most signs of a fit.
_PASSES = 20
# Calls after which q = c - G w is computed afresh, against drift.
_RESYNCHRONISE = 16
# Calls after which coordinate descent alone is tried again where it was not enough.
_RETRY = 16


class GramWorkingSet:
    """Features under consideration, in order of entry, and the state of their fit.

    Parameters
    ----------
    problem : LeastSquares
    gram : ndarray of shape (n_features, n_features), default=None
        Whole Gram matrix: start with all features.

    Attributes
    ----------
    features : ndarray of shape (size,)
        Feature indices.
    w, q : ndarray of shape (size,)
        Coefficients and correlations with the residual.
    inside : ndarray of shape (n_features,), bool
        Members of the set.
    spread : ndarray of shape (size,)
        Norms of all features, only if the set began with everything.
    """

    def __init__(self, problem: LeastSquares, gram: np.ndarray | None = None) -> None:
        self.problem = problem
        self.inside = np.zeros(len(problem.excluded), bool)
        self.size = 0
        self.n_active = 0
        self.gap = np.inf
        self._calls = self._passes_failed = 0
        self._local: NamedTuple | None = None
        if gram is not None:
            self._take_all(gram)
        else:
            self._allocate(_FIRST_CAPACITY)
            self._find_unpenalised()

    @property
    def features(self) -> np.ndarray:
        return self._features[: self.size]

    @property
    def w(self) -> np.ndarray:
        return self._w[: self.size]

    @property
    def q(self) -> np.ndarray:
        return self._q[: self.size]

    def add(self, new: np.ndarray) -> None:
        """Add features at coefficient zero."""
        if len(new) == 0:
            return
        start, stop = self.size, self.size + len(new)
        if stop > len(self._w):
            self._allocate(max(stop, len(self._w) * 3 // 2))
        problem = self.problem
        self._features[start:stop] = new
        if self._columns is not None:
            rows = columns(problem.design, new, slice(None))
            rows *= problem.root
            self._columns[start:stop] = rows
            block = rows @ self._columns[:stop].T
            self._c[start:stop] = rows @ problem.target
        else:
            block = gram_block(
                problem.design, problem.root**2, new, self._features[:stop]
            )
            self._c[start:stop] = problem.correlations(problem.target, new)
        support = np.flatnonzero(self._w[:start])
        fitted = block[:, support] @ self._w[support]
        self._q[start:stop] = self._c[start:stop] - fitted
        self._gram[start:stop, :stop] = block
        self._gram[:start, start:stop] = block[:, :start].T
        self.inside[new] = True
        self.size, self._local = stop, None
        self._find_unpenalised()

    def settle(self, penalty: NamedTuple) -> bool:
        """Come near the signs by coordinate descent; returns whether that is of use."""
        settle(self.local(penalty), self._gram, self.w, self.q, _PASSES)
        return True

    def minimise(self, penalty: NamedTuple, target: float, max_rounds: int) -> int:
        """Solve on the set to a duality gap of `target`; returns the rounds taken."""
        m = self.size
        self._calls += 1
        if self._calls % _RESYNCHRONISE == 0:
            support = np.flatnonzero(self.w)
            self.q[:] = self._c[:m] - self.w[support] @ self._gram[support, :m]
        self.n_active, n_rounds, self.gap = minimise_on_gram(
            self.local(penalty),
            self._unpenalised,
            self._gram,
            self._c[:m],
            self.w,
            self.q,
            self._active,
            self.n_active,
            self._factor,
            self._ridge[:m],
            self.problem.y2,
            target,
            max_rounds,
            self._passes_failed % _RETRY == 0,
        )
        enough = self.n_active == 0 and self.w.any()
        self._passes_failed = 0 if enough else self._passes_failed + 1
        return n_rounds

    def support(self) -> tuple[np.ndarray, np.ndarray]:
        """Features with nonzero coefficients, and these."""
        nonzero = np.flatnonzero(self.w)
        return self.features[nonzero], self.w[nonzero]

    def residual(self) -> np.ndarray:
        """target - root * X~ w."""
        nonzero = np.flatnonzero(self.w)
        if self._columns is None:
            return self.problem.residual(self.features[nonzero], self.w[nonzero])
        if 2 * len(nonzero) > self.size:
            return self.problem.target - self.w @ self._columns[: self.size]
        return self.problem.target - self.w[nonzero] @ self._columns[nonzero]

    def normal_solver(self, features: np.ndarray):
        """What solves the normal equations of features, if they are the support.

        With the factor that Newton steps left, where it holds just these; None where
        there is none and the features are not the support.
        """
        n = self.n_active
        active = self._active[:n]
        order = np.argsort(self._features[active])
        if np.array_equal(self._features[active][order], np.sort(features)):
            if self._ridge[active].any():
                return None
            places = order[np.argsort(np.argsort(features))]

            def solve_normal(q):
                x = np.empty(n)
                x[places] = q
                solve(self._factor, n, x)
                return x[places]

            return solve_normal
        return None

    def explained(self) -> float:
        """Part of the target's square norm that the fit removes."""
        return float((self._c[: self.size] + self.q) @ self.w)

    def fitted(self) -> float:
        """Product of the target and the fit."""
        return float(self._c[: self.size] @ self.w)

    def violation(self, penalty: NamedTuple) -> float:
        """Largest violated optimality condition on the set."""
        diagonal = self._gram.diagonal()[: self.size]
        return stationarity(self.local(penalty), self.w, self.q, diagonal)

    def local(self, penalty: NamedTuple) -> NamedTuple:
        """The penalty of the features in the set."""
        if self._local is None:
            self._local = restrict(penalty, self.features)
        return self._local._replace(alpha=penalty.alpha)

    def warm_start(self, features: np.ndarray, coef: np.ndarray) -> None:
        """Set coefficients of features that are in the set."""
        position = np.empty(len(self.inside), np.int64)
        position[self.features] = np.arange(self.size)
        self.w[position[features]] = coef
        self._calls = -1  # q is computed before the next step

    def _take_all(self, gram: np.ndarray) -> None:
        problem = self.problem
        members = np.flatnonzero(~problem.excluded)
        if len(members) < len(gram):
            gram = gram[np.ix_(members, members)]
        self._allocate(len(members), gram)
        self._columns = None
        self._features[:] = members
        self._c[:] = problem.correlations(problem.target, None)[members]
        self._q[:] = self._c
        self.inside[members] = True
        self.size = len(members)
        self.spread = np.sqrt(self._gram.diagonal())
        self._find_unpenalised()

    def _find_unpenalised(self) -> None:
        wanted = self.problem.unpenalised
        found = np.isin(self.features, wanted) if len(wanted) else ()
        self._unpenalised = np.flatnonzero(found)

    def _allocate(self, capacity: int, gram: np.ndarray | None = None) -> None:
        """Room for more features; what is there is kept."""
        m, n = self.size, len(self.problem.root)
        factor = np.empty((capacity, capacity))
        if gram is None:
            gram = np.empty((capacity, capacity))
        if m:
            gram[:m, :m] = self._gram[:m, :m]
            active = self.n_active
            factor[:active, :active] = self._factor[:active, :active]
        self._gram, self._factor = gram, factor
        for name, dtype in (
            ("_features", np.int64),
            ("_active", np.int64),
            ("_w", np.float64),
            ("_q", np.float64),
            ("_c", np.float64),
            ("_ridge", np.float64),
        ):
            array = np.zeros(capacity, dtype)
            if m:
                array[:m] = getattr(self, name)[:m]
            setattr(self, name, array)
        if m == 0:
            self._columns = np.empty((0, n))
        keep = self._columns is not None and 8 * capacity * n <= _COLUMN_BYTES
        if keep:
            kept = np.empty((capacity, n))
            kept[:m] = self._columns[:m]
            self._columns = kept
        else:
            self._columns = None
