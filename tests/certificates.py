"""Duality gap of penalised least squares from the definition, in plain numpy.

Independent of the package: explicit centring and scaling, dense float64, dual points by
projection onto what unpenalised features leave.
"""

import numpy as np
from scipy import sparse
from scipy.optimize import nnls


def duality_gap(
    X,
    y,
    coef,
    *,
    alpha,
    l1_ratio=1.0,
    penalty_weights=None,
    positive=False,
    sample_weight=None,
    fit_intercept=True,
    standardize=False,
):
    """Gap of `coef` with its best intercept, and the objective of the null model."""
    X, y, coef, v = _prepared(
        X,
        y,
        coef,
        penalty_weights,
        positive,
        sample_weight,
        fit_intercept,
        standardize,
    )
    penalised = (v > 0) & np.isfinite(v)
    free = np.flatnonzero(v == 0)
    v = np.where(penalised, v, 0.0)
    ridge, level = alpha * (1 - l1_ratio) * v, alpha * l1_ratio * v
    residual = y - X @ coef
    primal = residual @ residual / 2 + level @ abs(coef) + ridge @ coef**2 / 2
    u = _project(X, residual, coef, free, positive)
    g = X.T @ u
    duals = [0.0]
    if l1_ratio > 0:
        size = g - ridge * coef
        size = np.maximum(size, 0) if positive else abs(size)
        largest = max((size[penalised] / level[penalised]).max(initial=0.0), 1e-300)
        norm2 = u @ u + ridge @ coef**2
        t = np.clip(y @ u / norm2, -1 / largest, 1 / largest) if norm2 > 0 else 1.0
        duals.append(t * (y @ u) - t**2 * norm2 / 2)
    if l1_ratio < 1:
        size = np.maximum(g, 0) if positive else abs(g)
        excess = np.maximum(size - level, 0)[penalised] ** 2 / (2 * ridge[penalised])
        duals.append(y @ u - u @ u / 2 - excess.sum())
    least = nnls if positive else np.linalg.lstsq
    null = y - X[:, free] @ least(X[:, free], y)[0] if len(free) else y
    return primal - max(duals), null @ null / 2


def square_root_gap(
    X,
    y,
    coef,
    *,
    alpha,
    penalty_weights=None,
    positive=False,
    sample_weight=None,
    fit_intercept=True,
    standardize=True,
):
    """The same for the square-root Lasso, smoothed below 1e-3 of the null model."""
    X, y, coef, v = _prepared(
        X,
        y,
        coef,
        penalty_weights,
        positive,
        sample_weight,
        fit_intercept,
        standardize,
    )
    penalised, free = (v > 0) & np.isfinite(v), np.flatnonzero(v == 0)
    null = np.linalg.norm(_project(X, y, np.zeros(len(v)), free, positive))
    floor = 1e-3 * null
    residual = y - X @ coef
    sigma = max(np.linalg.norm(residual), floor)
    primal = residual @ residual / (2 * sigma) + sigma / 2
    primal += alpha * (v[penalised] @ abs(coef[penalised]))
    u = _project(X, residual, coef, free, positive)
    size = X.T @ u
    size = np.maximum(size, 0) if positive else abs(size)
    bound = max((size[penalised] / v[penalised]).max(initial=0.0) / alpha, sigma)
    t = u / max(bound, np.linalg.norm(u))
    return primal - (y @ t + floor * (1 - t @ t) / 2), null


def _prepared(
    X, y, coef, penalty_weights, positive, sample_weight, fit_intercept, standardize
):
    """X, y and coef with plain inner products, and the weights of the penalty."""
    X = np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=float)
    y = np.asarray(y, dtype=float)
    n, p = X.shape
    s = np.full(n, 1.0 / n)
    if sample_weight is not None:
        s = np.asarray(sample_weight, dtype=float) / np.sum(sample_weight)
    v = np.ones(p) if penalty_weights is None else np.asarray(penalty_weights, float)
    coef = np.asarray(coef, dtype=float)
    assert not coef[np.isinf(v)].any()
    assert not positive or (coef >= 0).all()
    if fit_intercept:
        mean = s @ X
        X, y = X - mean, y - s @ y
        X[:, (s @ X**2) <= (1e-14 * n * mean) ** 2] = 0.0
    if standardize:
        scale = np.sqrt(s @ X**2)
        scale[scale == 0.0] = 1.0
        X, coef = X / scale, coef * scale
    # From here on in the inner product of the weighted samples.
    return np.sqrt(s)[:, None] * X, np.sqrt(s) * y, coef, v


def _project(X, residual, coef, free, positive):
    """Part of the residual that is feasible for unpenalised features."""
    chosen = list(free)
    if positive:
        chosen = [j for j in free if coef[j] > 0]
    while True:
        basis, singular, _ = np.linalg.svd(X[:, chosen], full_matrices=False)
        basis = basis[:, singular > 1e-10 * singular.max(initial=0.0)]
        u = residual - basis @ (basis.T @ residual)
        u -= basis @ (basis.T @ u)
        wrong = [j for j in free if j not in chosen and X[:, j] @ u > 1e-15]
        if not wrong:
            return u
        chosen += wrong


def assert_certified(model, X, y, *, alpha=None, tol=None, sample_weight=None):
    """Whether a fitted estimator meets its tolerance, by the independent gap."""
    gap, null = duality_gap(
        X,
        y,
        model.coef_,
        alpha=model.alpha if alpha is None else alpha,
        l1_ratio=getattr(model, "l1_ratio", 1.0),
        penalty_weights=model.penalty_weights,
        positive=model.positive,
        sample_weight=sample_weight,
        fit_intercept=model.fit_intercept,
        standardize=model.standardize,
    )
    tol = model.tol if tol is None else tol
    rounding = 1e-12 * max(null, 1e-300)
    assert gap <= tol * null + rounding, (gap, tol * null)
    assert model.dual_gap_ <= model.dual_gap_tol_
    np.testing.assert_allclose(model.dual_gap_tol_, tol * null, rtol=1e-6)


def blocks_gap(A, b, coef, sets, shared, single=None, free=(), ridge=None):
    """Gap of |b - A w|^2 / 2 + sum_j single_j |w_j| + sum_g pen_g(w_g).

    pen_g(w) = shared_g |w| + ridge_g |w|^2 / 2. `sets` hold the members of each group;
    the coefficients in `free` have no price.
    """
    single = np.zeros(A.shape[1]) if single is None else single
    sizes = np.array([np.linalg.norm(coef[g]) for g in sets])
    rows = A if ridge is None else _with_ridge(A, sets, ridge)
    target = np.append(b, np.zeros(len(rows) - len(b)))
    residual = target - rows @ coef
    primal = residual @ residual / 2 + single @ abs(coef) + shared @ sizes
    u = residual
    if len(free):
        basis = np.linalg.qr(rows[:, free])[0]
        for _ in range(2):
            u = u - basis @ (basis.T @ u)
    g = abs(rows.T @ u)
    largest = max(
        _dual_norm(g[members], v, single[members])
        for v, members in zip(shared, sets, strict=True)
    )
    norm2 = u @ u
    t = np.clip(target @ u / norm2, -1 / largest, 1 / largest) if norm2 > 0 else 1.0
    dual = t * (target @ u) - t**2 * norm2 / 2
    if ridge is not None:
        u = u[: len(b)]
        g = A.T @ u
        excess = np.maximum([np.linalg.norm(g[m]) for m in sets] - shared, 0.0)
        dual = max(dual, b @ u - u @ u / 2 - np.sum(excess**2 / (2 * ridge)))
    return primal - dual


def _with_ridge(A, sets, ridge):
    """Squared penalties as rows of data."""
    more = np.zeros(A.shape[1])
    for members, r in zip(sets, ridge, strict=True):
        more[members] = np.sqrt(r)
    return np.vstack([A, np.diag(more)])


def _dual_norm(g, shared, single):
    """Smallest t with |(g - t single)_+| <= t shared, by bisection from above."""
    low, high = 0.0, 1.0
    while np.linalg.norm(np.maximum(g - high * single, 0)) > high * shared:
        high *= 2.0
    for _ in range(100):
        t = (low + high) / 2
        too_small = np.linalg.norm(np.maximum(g - t * single, 0)) > t * shared
        low, high = (t, high) if too_small else (low, t)
    return high
