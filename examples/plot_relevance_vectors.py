"""
Relevance vectors
=================

A kernel machine that keeps few samples, says how uncertain it is, and needs no strength
of a penalty: the evidence decides which kernels are worth their variance. Left, a
function from noisy values; right, probabilities of two classes.
"""

# %%
# A function from noisy values
# ----------------------------
#
# Of a hundred kernels a handful is kept. The band is twice the predictive deviation,
# that of the noise included, which is learnt along.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from sparsestat.bayes import RelevanceVectorClassifier, RelevanceVectorRegression

rng = np.random.default_rng(0)
x = np.linspace(-10, 10, 100)[:, None]
truth = np.sinc(x.ravel() / np.pi)
y = truth + 0.1 * rng.standard_normal(100)
regression = RelevanceVectorRegression(gamma=0.1).fit(x, y)
mean, std = regression.predict(x, return_std=True)
print(f"{len(regression.relevance_)} of 100 kernels are kept")
print(f"deviation of the noise: {regression.noise_variance_**0.5:.3f}, in truth 0.1")

# %%
# Two classes
# -----------
#
# Relevance vectors are typical of their class, unlike support vectors, which lie at the
# margin. Probabilities are averaged over the posterior, hence less extreme than those
# of the most probable coefficients. Far from all samples kernels are zero, and only the
# intercept speaks: there, they mean little.

X, label = make_moons(200, noise=0.3, random_state=0)
classifier = RelevanceVectorClassifier().fit(X, label)
print(f"{len(classifier.relevance_)} of 200 samples are relevance vectors")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.fill_between(x.ravel(), mean - 2 * std, mean + 2 * std, alpha=0.2, lw=0)
left.plot(x, truth, "k--", lw=1, label="truth")
left.plot(x, mean, label="mean")
left.plot(x, y, ".", color="0.5", ms=4, label="samples")
left.plot(
    regression.relevance_vectors_, y[regression.relevance_], "o", color="C3",
    mfc="none", ms=9, label="relevance vectors",
)  # fmt: skip
left.set(xlabel="x", ylabel="y")
left.legend(fontsize="small")

grid = np.stack(
    np.meshgrid(np.linspace(-2, 3, 120), np.linspace(-1.5, 2, 120)), axis=-1
)
p = classifier.predict_proba(grid.reshape(-1, 2))[:, 1].reshape(120, 120)
levels = np.linspace(0, 1, 11)
shades = right.contourf(grid[..., 0], grid[..., 1], p, levels, cmap="RdBu_r", alpha=0.6)
right.contour(grid[..., 0], grid[..., 1], p, [0.5], colors="k", linewidths=1)
right.scatter(*X.T, c=label, cmap="RdBu_r", s=10, edgecolors="k", linewidths=0.3)
right.plot(*classifier.relevance_vectors_.T, "o", color="k", mfc="none", ms=11)
right.set(xlabel="first feature", ylabel="second feature")
figure.colorbar(shades, ax=right, label="probability of the second class")
plt.show()
