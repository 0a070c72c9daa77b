"""
How many nonzeros a few measurements bear
=========================================

A signal of 256 entries is measured 64 times, by a Gaussian matrix. Up to some number of
nonzeros greedy methods find it exactly, beyond they do not. Where the transition lies
depends on the method and on the amplitudes.
"""

# %%
# Success against the number of nonzeros
# --------------------------------------
#
# A draw counts as a success if the relative error is below 1e-5. "adptnst" is not told
# the number of nonzeros; its support grows until the residual is gone.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sparsestat.recovery import hard_thresholding

m, n, n_trials = 64, 256, 50
sizes = np.arange(4, 33, 4)
solvers = {
    "adptnst": "#D55E00",
    "nst": "#E69F00",
    "htp": "#0072B2",
    "cosamp": "#009E73",
    "omp": "#444444",
}


def draw(rng, n_nonzero, amplitudes):
    """A matrix with unit columns, and a signal."""
    A = rng.standard_normal((m, n))
    A /= np.linalg.norm(A, axis=0)
    x = np.zeros(n)
    support = rng.choice(n, n_nonzero, replace=False)
    if amplitudes == "flat":
        x[support] = rng.choice([-1.0, 1.0], n_nonzero)
    else:
        x[support] = rng.standard_normal(n_nonzero)
    return A, x


def rates(solver, amplitudes):
    """Share of draws that are recovered, for each size, and mean steps of those."""
    found, steps = [], []
    for size in sizes:
        rng = np.random.default_rng(size)
        hits, taken = 0, []
        for _ in range(n_trials):
            A, x = draw(rng, size, amplitudes)
            known = None if solver == "adptnst" else size
            result = hard_thresholding(A, A @ x, known, solver=solver)
            if np.linalg.norm(result.x - x) < 1e-5 * np.linalg.norm(x):
                hits += 1
                taken.append(result.n_iter)
        found.append(hits / n_trials)
        steps.append(np.mean(taken) if taken else np.nan)
    return found, steps


figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
steps = {}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # cycles, beyond the transition
    for ax, amplitudes in zip(axes, ["Gaussian", "flat"], strict=True):
        for solver, color in solvers.items():
            share, steps[amplitudes, solver] = rates(solver, amplitudes)
            ax.plot(sizes, share, "o-", color=color, label=solver, markersize=4)
        ax.set(title=f"{amplitudes} amplitudes", xlabel="nonzeros")
        ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("share of signals found")
axes[0].legend(frameon=False, fontsize=9)

# %%
# Finitely many steps
# -------------------
#
# Steps on signals that are found. "adptnst" and "omp" add a nonzero a step, and take
# about as many steps as there are; the others exchange many at once and take fewer. A
# support determines the next one, so that the search ends where one repeats.

for solver in solvers:
    taken = ", ".join(f"{k:.0f}" for k in steps["Gaussian", solver] if k == k)
    print(f"{solver:<8} mean steps at {sizes[0]}, {sizes[1]}, ... nonzeros: {taken}")
plt.show()
