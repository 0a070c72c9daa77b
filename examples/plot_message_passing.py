"""
Messages on hard matrices
=========================

Message passing replaces the inverses of sparse Bayesian learning by products with X.
Undamped it asks for a matrix of independent entries, and diverges on others. Here four
families of matrices are made worse step by step. Damped messages on rotated rows follow
expectation maximisation by inverses all the way, in a fraction of its time.
"""

# %%
# Four families
# -------------
#
# A mean that is not zero, columns that correlate, a large condition number, and a low
# rank.

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sparsestat.bayes import SparseBayesianRegression
from sparsestat.metrics import nmse

M, N, K = 60, 120, 12


def shifted(rng, mean):
    return rng.standard_normal((M, N)) + mean


def correlated(rng, rho):
    X = rng.standard_normal((M, N))
    for j in range(1, N):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    return X


def conditioned(rng, condition):
    left, _, right = np.linalg.svd(rng.standard_normal((M, N)), full_matrices=False)
    return (left * np.geomspace(1, 1 / condition, M)) @ right


def deficient(rng, share):
    rank = round(share * M)
    return rng.standard_normal((M, rank)) @ rng.standard_normal((rank, N))


families = {
    "mean of the entries": (shifted, [0.01, 0.1, 0.5, 1.0]),
    "correlation of columns": (correlated, [0.3, 0.6, 0.9, 0.95]),
    "condition number": (conditioned, [1e1, 1e2, 1e3, 1e4]),
    "rank / rows": (deficient, [0.95, 0.9, 0.8, 0.6]),
}

# %%
# Three ways to fit
# -----------------
#
# All know the variance of the noise, 60 dB below the signal.

methods = {
    "em, by inverses": {"solver": "em", "max_iter": 400},
    "messages": {"solver": "gamp"},
    "messages, undamped": {"solver": "gamp", "damping": 1.0, "max_iter": 100},
}
n_draws = 3
seconds = dict.fromkeys(methods, 0.0)
figure, axes = plt.subplots(2, 2, figsize=(8, 6), sharey=True, layout="constrained")
for ax, (title, (matrix, strengths)) in zip(axes.flat, families.items(), strict=True):
    decibels = np.empty((len(methods), len(strengths), n_draws))
    for i, strength in enumerate(strengths):
        for seed in range(n_draws):
            rng = np.random.default_rng(seed)
            X = matrix(rng, strength)
            X *= np.sqrt(N) / np.linalg.norm(X)
            coef = np.zeros(N)
            coef[rng.choice(N, K, replace=False)] = rng.standard_normal(K)
            noise = 1e-6 * np.mean((X @ coef) ** 2)
            y = X @ coef + np.sqrt(noise) * rng.standard_normal(M)
            for j, (name, parameters) in enumerate(methods.items()):
                model = SparseBayesianRegression(
                    noise_variance=noise, fit_intercept=False, **parameters
                )
                start = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    model.fit(X, y)
                seconds[name] += time.perf_counter() - start
                decibels[j, i, seed] = 10 * np.log10(nmse(coef, model.coef_))
    for j, name in enumerate(methods):
        line = np.median(decibels[j], axis=1)
        ax.plot(range(len(strengths)), line, "osv"[j] + "-", color=f"C{j}", label=name)
    ax.set_xticks(range(len(strengths)), [f"{s:g}" for s in strengths])
    ax.set_xlabel(title)
figure.supylabel("normalised squared error / dB")
axes[0, 0].legend(frameon=False, loc="center left")
plt.show()

n_fits = n_draws * sum(len(strengths) for _, strengths in families.values())
for name, total in seconds.items():
    print(f"{name}: {1e3 * total / n_fits:.0f} ms a fit")
