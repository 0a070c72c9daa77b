"""The published methods as settings of ours, and those that expand the product."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# As in the authors' programs: 150 iterations, a relative change of 1e-4.
_STOP = {"max_iter": 150, "tol_step": 1e-4, "tol": 1e-12}
_PRUNE = (1e-2, 1e-1, 1e-2)


def channel_methods() -> dict[str, dict]:
    """Parameters of `KroneckerSparseBayesian` for the channel, by name.

    Those of the published methods start from ones in the units of the scene and prune
    as the authors' programs do.
    """
    ones = [np.ones(18)] * 3
    am = {"solver": "am", "init": ones, "inner_tol": 1e-4, **_STOP}
    coupled = {**am, "prune_tol": _PRUNE, "max_inner": 10}
    svd = {"solver": "svd", "init": ones, "prune_tol": (1e-4, 1e-4, 0.0), **_STOP}
    return {
        "sparsestat, mm": {},
        "sparsestat, mm, coupled 0.8": {"coupling": (0.8, 0.0, 0.8)},
        "SVD-KroSBL": svd,
        "AM-KroSBL": {**am, "prune_tol": (1e-2, 1e-1, 1e-3)},
        "PC-KroSBL, 0.8": {**coupled, "coupling": (0.8, 0.0, 0.8)},
        "PC-KroSBL, 0.5": {**coupled, "coupling": (0.5, 0.0, 0.5)},
    }


def tensor_methods() -> dict[str, Callable]:
    """Functions of a data set to its coefficients, by name; noise variances known."""
    return {
        "sparsestat, mm": _ours(),
        "SVD-KroSBL": _ours(solver="svd", prune_tol=1e-3, **_STOP),
        "AM-KroSBL": _ours(solver="am", prune_tol=1e-2, **_STOP),
        "KSBL": _ours(solver="am", prune_tol=1e-2, max_inner=1, **_STOP),
        "Kronecker OMP": _pursuit,
        "oracle least squares": _oracle,
    }


def restarted_methods() -> dict[str, Callable]:
    """Ours from one or several starts, beside the published ones."""
    from sparsestat.bayes import KroneckerSparseBayesian

    def best_of(n):
        def fit(data):
            model = KroneckerSparseBayesian(
                noise_variance=data.noise_variance, n_init=n, random_state=0
            )
            return model.fit(data.factors, data.target).coef_

        return fit

    published = tensor_methods()
    return {
        "sparsestat, mm": best_of(1),
        "sparsestat, mm, n_init=4": best_of(4),
        "sparsestat, mm, n_init=8": best_of(8),
        **{name: published[name] for name in ("SVD-KroSBL", "AM-KroSBL")},
    }


def dense_methods() -> dict[str, Callable]:
    """The same for methods that form the product of the factors."""
    return {"SBL, expanded": dense_sbl, "PC-SBL, expanded": dense_pattern_coupled}


def _ours(**parameters) -> Callable:
    from sparsestat.bayes import KroneckerSparseBayesian

    def fit(data):
        sizes = [factor.shape[1] for factor in data.factors]
        if parameters:
            parameters["init"] = [np.ones(n) for n in sizes]
        model = KroneckerSparseBayesian(
            noise_variance=data.noise_variance, **parameters
        )
        return model.fit(data.factors, data.target).coef_

    return fit


def _pursuit(data):
    from sparsestat.bayes import kron_omp

    return kron_omp(data.factors, data.target, 10, tol=1e-2).ravel()


def _oracle(data):
    """Least squares on the true support."""
    core = data.target
    for mode, (factor, support) in enumerate(
        zip(data.factors, data.supports, strict=True)
    ):
        inverse = np.linalg.pinv(factor[:, support])
        core = np.moveaxis(np.tensordot(inverse, core, (1, mode)), 0, mode)
    coef = np.zeros([len(support) for support in data.supports])
    coef[np.ix_(*data.supports)] = core
    return coef.ravel()


def dense_sbl(data, max_iter: int = 20):
    """Expectation maximisation with the expanded matrix, a few iterations."""
    A, y, noise = _expanded(data), data.target.ravel(), data.noise_variance
    g = np.ones(A.shape[1])
    for _ in range(max_iter):
        mean, variance = _dense_moments(A, y, g, noise)
        g = mean**2 + variance
    return _dense_moments(A, y, g, noise)[0]


def dense_pattern_coupled(data, max_iter: int = 20):
    """Pattern-coupled precisions along the flat index, as published."""
    A, y, noise, eta = _expanded(data), data.target.ravel(), data.noise_variance, 0.9
    precision = np.ones(A.shape[1])
    for _ in range(max_iter + 1):
        mean, variance = _dense_moments(A, y, 1.0 / _spread(precision, eta), noise)
        precision = 1.0 / (0.5 * _spread(mean**2 + variance, eta) + 1e-4)
        precision[precision > 1e3 * precision.min()] = 1e10
    return mean


def _spread(values, eta):
    out = values.copy()
    out[1:] += eta * values[:-1]
    out[:-1] += eta * values[1:]
    return out


def _expanded(data):
    A = np.ones((1, 1))
    for factor in data.factors:
        A = np.kron(A, factor)
    return A


def _dense_moments(A, y, g, noise):
    C = (A * g) @ A.T
    C[np.diag_indices(len(C))] += noise
    solved = np.linalg.solve(C, A)
    r = g * np.einsum("ij,ij->j", A, solved)
    return g * (solved.T @ y), g * np.maximum(1.0 - r, 0.0)
