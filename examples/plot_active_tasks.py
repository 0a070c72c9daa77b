"""
Asking the tasks that help
==========================

A target of which there are 25 samples, and thirty related tasks that sell theirs. Which
of them help is not known before samples are bought. We buy in rounds, the more of a
task, the larger its share in the target's model so far, and see when that pays.
"""

# %%
# Tasks
# -----
#
# All coefficients lie in three directions of twenty. The first three tasks have large
# ones, so they tell the most of those directions; the target is a sum of these three.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.linear_model import ActiveMultiTaskRegressor

rng = np.random.default_rng(0)
n_features, n_tasks = 20, 30
directions = np.linalg.qr(rng.standard_normal((n_features, 3)))[0]
weights = 0.5 * rng.standard_normal((3, n_tasks))
weights[:, :3] = 2.0 * np.linalg.qr(rng.standard_normal((3, 3)))[0]
shares = np.array([0.6, -0.5, 0.4])
target = directions @ weights[:, :3] @ shares


def task(coef):
    """A function that draws samples of a task."""

    def draw(n_samples, random_state):
        X = random_state.standard_normal((n_samples, n_features))
        return X, X @ coef + 0.5 * random_state.standard_normal(n_samples)

    return draw


sources = [task(coef) for coef in (directions @ weights).T]

# %%
# Three ways to draw
# ------------------
#
# "l1" and "l2" draw by what represents the target with the least norm of that name, but
# for three tenths of the samples, which all tasks share alike; "uniform" draws alike
# throughout. Each budget is spent six times, with other samples of the target too. The
# risk is the mean squared error of a prediction, without the noise.

strategies = ("l1", "l2", "uniform")
budgets = (150, 300, 600, 1200)
risk = np.empty((3, len(budgets), 6))
relevance = np.zeros((3, len(budgets), n_tasks))
for at in np.ndindex(risk.shape):
    strategy, budget, seed = strategies[at[0]], budgets[at[1]], at[2]
    X, y = task(target)(25, np.random.RandomState(seed))
    model = ActiveMultiTaskRegressor(
        sources, 3, budget=budget, strategy=strategy, tol=1e-3, random_state=seed
    ).fit(X, y)
    risk[at] = np.sum((model.coef_ - target) ** 2)
    relevance[at[:2]] += np.abs(model.relevance_) / 6

mean, error = risk.mean(axis=2), risk.std(axis=2, ddof=1) / np.sqrt(6)
for i, strategy in enumerate(strategies):
    row = zip(mean[i], error[i], strict=True)
    print(f"{strategy:8}", "  ".join(f"{m:.2f} ± {e:.2f}" for m, e in row))

# %%
# Relevance, and what it buys
# ---------------------------
#
# Left: mean relevance of each task after 600 samples, beside the representation of
# least l1 norm by the true weights, which is that by the first three. Right: mean risk,
# with its standard error.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
colours = ("#0072B2", "#D55E00", "#444444")
numbers = np.arange(1, n_tasks + 1)
for i in (0, 1):
    axes[0].bar(
        numbers + 0.4 * i - 0.2,
        relevance[i, 2],
        width=0.4,
        color=colours[i],
        label=strategies[i],
    )
axes[0].plot(numbers[:3], np.abs(shares), "k_", markersize=14, label="true")
axes[0].set(xlabel="task", ylabel="mean absolute relevance")
for i, strategy in enumerate(strategies):
    axes[1].errorbar(
        np.array(budgets) * 1.03 ** (i - 1),
        mean[i],
        error[i],
        color=colours[i],
        marker="o",
        markersize=4,
        capsize=2,
        label=strategy,
    )
axes[1].set(xscale="log", yscale="log", xlabel="samples bought", ylabel="target risk")
axes[1].minorticks_off()
axes[1].set_xticks(budgets, [str(budget) for budget in budgets])
for ax in axes:
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# "l1" puts most on the right three tasks, some on others too, and less on all than is
# true, as weights that few samples tell are shrunk; "l2" spreads. With 300 samples it
# pays to draw where it helps; with many, the ways hardly differ. With 150 nothing is
# gained: a first round of 21 samples does not tell which of thirty tasks help, and "l1"
# stakes the rest on a guess. Where samples are few for their noise, "l2" is the safer
# choice.
