"""Designs of the linear-model benchmarks, NumPy only and reproducible to the bit."""

from __future__ import annotations

import numpy as np

from benchmarks._certify_blocks import GROUP_SIZE
from benchmarks._certify_robust import THRESHOLD
from benchmarks._certify_slope import bh_lambdas
from benchmarks._problem import Problem, alpha_grid


def ar1(
    n_samples: int,
    n_features: int,
    *,
    rho: float = 0.5,
    n_spikes: int = 50,
    snr: float = 3.0,
    n_alphas: int = 100,
    eps: float = 1e-2,
    dtype: type = np.float64,
    seed: int = 0,
) -> Problem:
    """Gaussian rows with correlation ``rho**|i - j|`` and spikes of size one.

    Parameters
    ----------
    n_samples, n_features : int
        Shape of the design.
    rho : float, default=0.5
        Correlation of neighbouring columns.
    n_spikes : int, default=50
        Nonzero coefficients, +1 or -1 at random places.
    snr : float, default=3.0
        Variance of the signal over that of the noise.
    n_alphas, eps : int and float
        Grid, from ``alpha_max`` to ``eps * alpha_max``.
    dtype : type, default=numpy.float64
        Dtype of the design and the target.
    seed : int, default=0
        Seed of ``numpy.random.default_rng``.

    Returns
    -------
    Problem
        Columns centred and scaled by their population standard deviation, in
        Fortran order; target centred and scaled likewise.
    """
    rng = np.random.default_rng(seed)
    X = np.empty((n_samples, n_features), dtype=dtype, order="F")
    column = rng.standard_normal(n_samples)
    X[:, 0] = column
    innovation = (1 - rho**2) ** 0.5
    for j in range(1, n_features):
        column = rho * column + innovation * rng.standard_normal(n_samples)
        X[:, j] = column
    coef = _spikes(rng, n_features, n_spikes, 1.0)
    support = np.flatnonzero(coef)
    signal = X[:, support].astype(np.float64) @ coef[support]
    y = signal + signal.std() / snr**0.5 * rng.standard_normal(n_samples)
    return standardised(X, y, n_alphas=n_alphas, eps=eps)


def grouped(
    n_samples: int,
    n_features: int,
    *,
    n_groups: int = 10,
    snr: float = 3.0,
    n_alphas: int = 50,
    eps: float = 0.1,
    seed: int = 0,
) -> Problem:
    """Return a target of whole groups, their coefficients +1 or -1; design of `ar1`.

    Parameters
    ----------
    n_samples, n_features : int
        Shape of the design; groups have `GROUP_SIZE` neighbours.
    n_groups : int, default=10
        Groups that matter.
    snr, n_alphas, eps, seed
        As for `ar1`.

    Returns
    -------
    Problem
        Its largest strength is the smallest that leaves all groups at zero.
    """
    X = ar1(n_samples, n_features, seed=seed).X
    rng = np.random.default_rng(seed)
    coef = np.zeros((n_features // GROUP_SIZE, GROUP_SIZE))
    chosen = rng.choice(len(coef), size=n_groups, replace=False)
    coef[chosen] = rng.choice([-1.0, 1.0], size=(n_groups, GROUP_SIZE))
    signal = X @ coef.ravel()
    y = signal + signal.std() / snr**0.5 * rng.standard_normal(n_samples)
    y = (y - y.mean()) / y.std()
    norms = np.linalg.norm((X.T @ y).reshape(-1, GROUP_SIZE), axis=1)
    alpha_max = norms.max() / (n_samples * GROUP_SIZE**0.5)
    return Problem(X, y, alpha_max * np.geomspace(1.0, eps, n_alphas))


def tasks(
    n_samples: int,
    n_features: int,
    n_tasks: int,
    *,
    n_rows: int = 20,
    snr: float = 3.0,
    n_alphas: int = 50,
    eps: float = 0.1,
    seed: int = 0,
) -> Problem:
    """Return targets that share `n_rows` features; design of `ar1`.

    Parameters
    ----------
    n_samples, n_features, n_tasks : int
        Shapes of the design and of the target.
    n_rows : int, default=20
        Features that matter, with Gaussian coefficients in every task.
    snr, n_alphas, eps, seed
        As for `ar1`.

    Returns
    -------
    Problem
        Its target has a column for each task.
    """
    X = ar1(n_samples, n_features, seed=seed).X
    rng = np.random.default_rng(seed)
    coef = np.zeros((n_features, n_tasks))
    chosen = rng.choice(n_features, size=n_rows, replace=False)
    coef[chosen] = rng.standard_normal((n_rows, n_tasks))
    signal = X @ coef
    noise = rng.standard_normal(signal.shape)
    Y = signal + signal.std(axis=0) / snr**0.5 * noise
    Y = np.asfortranarray((Y - Y.mean(axis=0)) / Y.std(axis=0))
    alpha_max = np.linalg.norm(X.T @ Y, axis=1).max() / n_samples
    return Problem(X, Y, alpha_max * np.geomspace(1.0, eps, n_alphas))


def cohort(
    n_samples: int,
    n_features: int,
    *,
    rho: float = 0.5,
    n_spikes: int = 20,
    spike: float = 0.5,
    n_alphas: int = 50,
    eps: float = 0.05,
    seed: int = 0,
) -> Problem:
    """Return exponential survival times, about half censored; design as in `ar1`.

    Parameters
    ----------
    n_samples, n_features : int
        Shape of the design.
    rho : float, default=0.5
        Correlation of neighbouring columns.
    n_spikes, spike : int and float
        Nonzero log hazard ratios, +spike or -spike at random places.
    n_alphas, eps : int and float
        Grid, from ``alpha_max`` to ``eps * alpha_max``.
    seed : int, default=0
        Seed of ``numpy.random.default_rng``.

    Returns
    -------
    Problem
        Target of two columns, the time and 1 for an event or 0 for censoring.
    """
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n_samples, n_features))
    X = np.asfortranarray(noise)
    for j in range(1, n_features):
        X[:, j] = rho * X[:, j - 1] + (1 - rho**2) ** 0.5 * noise[:, j]
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    coef = _spikes(rng, n_features, n_spikes, spike)
    time = rng.exponential(np.exp(-X @ coef))
    censoring = rng.exponential(2.0 * np.median(time), n_samples)
    event = time <= censoring
    time = np.minimum(time, censoring)
    order = np.argsort(time)
    hazard = np.cumsum(event[order] / np.arange(n_samples, 0, -1))
    gradient = event[order] - hazard  # at zero, where everyone at risk is alike
    alpha_max = np.abs(X[order].T @ gradient).max() / n_samples
    alphas = alpha_max * np.geomspace(1.0, eps, n_alphas)
    return Problem(X, np.column_stack([time, event.astype(np.float64)]), alphas)


def heavy_tails(
    n_samples: int,
    n_features: int,
    task: str,
    *,
    rho: float = 0.5,
    n_spikes: int = 20,
    n_alphas: int = 50,
    eps: float = 1e-2,
    seed: int = 0,
) -> Problem:
    """Return a target with noise of Student's t with 2 degrees; design as in `ar1`.

    Parameters
    ----------
    n_samples, n_features : int
        Shape of the design.
    task : {"huber_path", "quantile_path"}
        The loss whose largest strength begins the grid.
    rho, n_spikes, n_alphas, eps, seed
        As for `ar1`.

    Returns
    -------
    Problem
    """
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n_samples, n_features))
    X = np.asfortranarray(noise)
    for j in range(1, n_features):
        X[:, j] = rho * X[:, j - 1] + (1 - rho**2) ** 0.5 * noise[:, j]
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    y = X @ _spikes(rng, n_features, n_spikes, 1.0)
    y += rng.standard_t(2.0, n_samples)
    y -= np.median(y)
    u = np.clip(y, -THRESHOLD, THRESHOLD) if task == "huber_path" else np.sign(y) / 2
    alpha_max = np.abs(X.T @ u).max() / n_samples
    return Problem(X, y, alpha_max * np.geomspace(1.0, eps, n_alphas))


def labelled(
    n_samples: int,
    n_features: int,
    *,
    rho: float = 0.5,
    n_spikes: int = 20,
    n_alphas: int = 30,
    eps: float = 0.03,
    seed: int = 0,
) -> Problem:
    """Return labels of a logistic model without intercept; design as in `ar1`.

    Parameters
    ----------
    n_samples, n_features : int
        Shape of the design.
    rho : float, default=0.5
        Correlation of neighbouring columns.
    n_spikes : int, default=20
        Coefficients of 1, at random places.
    n_alphas, eps : int and float
        Grid, from ``alpha_max`` to ``eps * alpha_max``.
    seed : int, default=0
        Seed of ``numpy.random.default_rng``.

    Returns
    -------
    Problem
        Target of -1 and 1.
    """
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n_samples, n_features))
    X = np.asfortranarray(noise)
    for j in range(1, n_features):
        X[:, j] = rho * X[:, j - 1] + (1 - rho**2) ** 0.5 * noise[:, j]
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    coef = np.zeros(n_features)
    coef[rng.choice(n_features, n_spikes, replace=False)] = 1.0
    share = 1.0 / (1.0 + np.exp(-X @ coef))
    y = np.where(rng.random(n_samples) < share, 1.0, -1.0)
    alpha_max = 0.5 * np.abs(X.T @ y).max() / n_samples
    return Problem(X, y, alpha_max * np.geomspace(1.0, eps, n_alphas))


def digits() -> Problem:
    """Return scikit-learn's handwritten digits in [0, 1], at three strengths."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return Problem(np.asfortranarray(X / 16.0), y, np.array([1e-1, 1e-2, 1e-3]))


def classes(
    n_samples: int,
    n_features: int,
    n_classes: int,
    *,
    density: float | None = None,
    spread: float | None = None,
    seed: int = 0,
) -> Problem:
    """Return classes drawn from a multinomial logistic model, at one strength.

    Parameters
    ----------
    n_samples, n_features, n_classes : int
        Sizes.
    density : float, optional
        Share of nonzero entries of a sparse design.
    spread : float, optional
        Standard deviation of the coefficients; by default that of scores is three.
    seed : int, default=0
        Seed of ``numpy.random.default_rng``.

    Returns
    -------
    Problem
        Target of integers.
    """
    from scipy.sparse import csc_matrix, random_array

    rng = np.random.default_rng(seed)
    shape = n_samples, n_features
    if density is None:
        X = np.asfortranarray(rng.standard_normal(shape))
    else:
        X = csc_matrix(random_array(shape, density=density, rng=rng))
    spread = 3.0 / n_features**0.5 if spread is None else spread
    scores = X @ (spread * rng.standard_normal((n_features, n_classes)))
    y = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    return Problem(X, y, np.array([1e-3]))


def sparse_gaussian(
    n_samples: int,
    n_features: int,
    *,
    density: float = 0.005,
    n_spikes: int = 50,
    spike: float = 3.0,
    snr: float = 3.0,
    n_alphas: int = 50,
    eps: float = 1e-2,
    seed: int = 0,
) -> Problem:
    """Return sparse columns of normal entries at random rows; target as in `ar1`."""
    from scipy.sparse import csc_matrix

    rng = np.random.default_rng(seed)
    counts = rng.binomial(n_samples, density, size=n_features)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    rows = [
        np.sort(rng.choice(n_samples, size=count, replace=False)) for count in counts
    ]
    indices = np.concatenate(rows).astype(np.int32)
    data = rng.standard_normal(len(indices))
    X = csc_matrix((data, indices, indptr), shape=(n_samples, n_features))
    signal = X @ _spikes(rng, n_features, n_spikes, spike)
    y = signal + signal.std() / snr**0.5 * rng.standard_normal(n_samples)
    y = (y - y.mean()) / y.std()
    return Problem(X, y, alpha_grid(X, y, n_alphas=n_alphas, eps=eps))


def ar1_slope(n_samples: int, n_features: int, *, eps: float = 0.1, **options):
    """`ar1` with a grid from the smallest strength at which SLOPE is zero."""
    problem = ar1(n_samples, n_features, eps=eps, **options)
    sizes = np.sort(np.abs(problem.X.T @ problem.y))[::-1] / n_samples
    top = (np.cumsum(sizes) / np.cumsum(bh_lambdas(n_features))).max()
    return problem._replace(alphas=problem.alphas / problem.alphas[0] * top)


def standardised(
    X: np.ndarray, y: np.ndarray, *, n_alphas: int = 100, eps: float = 1e-2
) -> Problem:
    """Centre and scale `X` (in place, column by column) and `y`; add the grid."""
    for j in range(X.shape[1]):
        column = X[:, j].astype(np.float64)
        column -= column.mean()
        scale = column.std()
        X[:, j] = column / scale if scale > 0 else 0.0
    y = ((y - y.mean()) / y.std()).astype(X.dtype)
    return Problem(X, y, alpha_grid(X, y, n_alphas=n_alphas, eps=eps))


def _spikes(
    rng: np.random.Generator, n_features: int, n_spikes: int, size: float
) -> np.ndarray:
    coef = np.zeros(n_features)
    support = rng.choice(n_features, size=n_spikes, replace=False)
    coef[support] = size * rng.choice([-1.0, 1.0], size=n_spikes)
    return coef
