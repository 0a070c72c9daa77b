"""
Sparse posteriors: what lies between softmax and argmax
=======================================================

Softmax gives every class some probability. Sparsemax and entmax project scores onto
the simplex, so that classes out of question get exactly zero. Here is the geometry, and
what becomes of the posteriors of a classifier.
"""

# %%
# Geometry
# --------
#
# Scores of three classes, without their mean, fill a plane, and the simplex is a
# triangle in it. Each arrow goes from scores to their probabilities. Shades tell how
# many classes are in the support: softmax has all three everywhere; sparsemax has whole
# regions with two, the edges, and with one, the corners. A corner is reached once a
# score leads by :math:`1 / (\alpha - 1)`.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.activations import entmax

# Corners of the triangle, at unit distances, and the plane's coordinates.
corners = np.array(
    [[-0.5, -np.sqrt(3) / 6], [0.5, -np.sqrt(3) / 6], [0, np.sqrt(3) / 3]]
)
x, y = np.meshgrid(np.linspace(-1.15, 1.15, 400), np.linspace(-0.95, 1.25, 400))
plane = np.stack([x, y], axis=-1)


def to_scores(points):
    """Scores with a mean of zero at points of the plane."""
    return 2 * points @ corners.T


starts = np.random.default_rng(3).uniform([-1.1, -0.9], [1.1, 1.2], (28, 2))
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for ax, alpha in zip(axes, [1.0, 1.5, 2.0], strict=True):
    support = (entmax(to_scores(plane), alpha) > 0).sum(axis=-1)
    ax.contourf(
        x, y, support, [0, 1.5, 2.5, 3.5], colors=["#f6c9a8", "#dce9f5", "#fff"]
    )
    ax.fill(*corners.T, fill=False, edgecolor="#22303c", linewidth=1.5)
    ends = entmax(to_scores(starts), alpha) @ corners
    ax.quiver(
        *starts.T, *(ends - starts).T, angles="xy", scale_units="xy", scale=1,
        color="#0072B2", width=0.005, alpha=0.7,
    )  # fmt: skip
    ax.plot(*ends.T, "o", color="#D55E00", markersize=4)
    title = {1.0: "softmax", 1.5: "1.5-entmax", 2.0: "sparsemax"}[alpha]
    ax.set_title(f"{title}, alpha = {alpha:g}")
    ax.set_aspect("equal")
    ax.set_axis_off()

# %%
# Along a line of scores
# ----------------------
#
# The score of a rises, that of d falls, b and c stay. The bars below the axes show
# where a class is in the support. Sparsemax is piecewise linear; 1.5-entmax is smooth
# where a class comes in.

from sparsestat.plotting import SimplexMapDisplay

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
for ax, alpha in zip(axes, [1.0, 1.5, 2.0], strict=True):
    SimplexMapDisplay.from_map(
        lambda Z, alpha=alpha: entmax(Z, alpha),
        [0.0, 0.3, -0.4, 0.0],
        [1.0, 0.0, 0.0, -1.0],
        class_names=["a", "b", "c", "d"],
        ax=ax,
    )
    ax.set_title(f"alpha = {alpha:g}")
    ax.set_xlabel("")
    if alpha > 1.0:
        ax.set_ylabel("")

# %%
# Posteriors of digits
# --------------------
#
# Each map has its own loss, a Fenchel-Young loss, whose gradient is the map less the
# target. Ten lines fit a linear classifier by any of them.

from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from sparsestat.activations import fenchel_young_loss

X, labels = load_digits(return_X_y=True)
X = np.column_stack([scale(X), np.ones(len(X))])
X_train, X_test, y_train, y_test = train_test_split(
    X, labels, test_size=0.5, random_state=0
)


def fit(alpha, penalty=0.01):
    """Coefficients that minimise the mean loss and half the squared norm."""

    def objective(w):
        W = w.reshape(X.shape[1], 10)
        losses, grad = fenchel_young_loss(X_train @ W, y_train, alpha, return_grad=True)
        value = losses.mean() + penalty / 2 * w @ w
        return value, (X_train.T @ grad / len(X_train) + penalty * W).ravel()

    start = np.zeros(X.shape[1] * 10)
    return minimize(objective, start, jac=True, method="L-BFGS-B").x.reshape(-1, 10)


orders = [1.0, 1.25, 1.5, 1.75, 2.0]
posteriors = {alpha: entmax(X_test @ fit(alpha), alpha) for alpha in orders}
for alpha, P in posteriors.items():
    size = (P > 0).sum(axis=1)
    print(
        f"alpha {alpha:<5g} accuracy {(P.argmax(axis=1) == y_test).mean():.3f}   "
        f"classes per digit {size.mean():5.2f}   certain {np.mean(size == 1):.2f}   "
        f"truth in the support {np.mean(P[np.arange(len(P)), y_test] > 0):.3f}"
    )

# %%
# All are about as accurate, but sparse posteriors single out the digits that are in
# doubt, and name the few classes that they might be.

P = posteriors[2.0]
doubtful = np.argsort(-(P > 0).sum(axis=1), kind="stable")[:6]
images = load_digits().images
shuffled = train_test_split(images, test_size=0.5, random_state=0)[1]
figure, axes = plt.subplots(2, 6, figsize=(10, 3.4), layout="constrained")
for (above, below), i in zip(axes.T, doubtful, strict=True):
    above.imshow(shuffled[i], cmap="gray_r")
    above.set_axis_off()
    above.set_title(f"a {y_test[i]}", fontsize=10)
    below.bar(range(10), posteriors[1.0][i], color="#BBBBBB", label="softmax")
    below.bar(range(10), P[i], width=0.45, color="#0072B2", label="sparsemax")
    below.set(xticks=range(10), yticks=[], ylim=(0, 1))
    below.tick_params(labelsize=7)
    below.spines[["top", "right", "left"]].set_visible(False)
axes[1, 0].legend(fontsize=7, frameon=False)
plt.show()
