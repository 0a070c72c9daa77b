"""
Which features depend on which
==============================

Correlated features need not depend on each other directly. A sparse precision matrix is
a graph of direct dependence. We draw one, and look at what the l1 norm and a concave
penalty find of it.
"""

# %%
# A known graph
# -------------
#
# 40 features on a ring of rings: five communities of eight, neighbours within each
# dependent, and one link from community to community. Nearly all pairs of a community
# correlate; few depend.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.covariance import GraphicalLassoCV

rng = np.random.default_rng(0)
n_groups, size = 5, 8
p = n_groups * size
edges = []
for group in range(n_groups):
    first = group * size
    edges += [(first + j, first + (j + 1) % size) for j in range(size)]
    edges.append((first + 2, ((group + 1) * size + 5) % p))
truth = np.zeros((p, p))
for j, k in edges:
    truth[j, k] = truth[k, j] = -0.45 if (j + k) % 3 else 0.45
np.fill_diagonal(truth, np.abs(truth).sum(axis=1) + 0.15)
factor = np.linalg.cholesky(np.linalg.inv(truth))
X = rng.standard_normal((400, p)) @ factor.T
X *= np.geomspace(0.1, 10, p)  # units do not matter below

# %%
# Three estimates
# ---------------
#
# Cross-validation asks for the best predicted distribution, and takes many weak edges
# along. The extended Bayesian criterion asks for the graph. With the l1 norm it has to
# weigh shrunk true edges against false ones; a concave penalty leaves large entries
# alone.

options = {"standardize": True, "eps": 0.1, "alphas": 15}
models = {
    "l1, cross-validated": GraphicalLassoCV(**options).fit(X),
    "l1, EBIC": GraphicalLassoCV(criterion="ebic", **options).fit(X),
    "MCP, EBIC": GraphicalLassoCV(criterion="ebic", penalty="mcp", **options).fit(X),
}
angle = 2 * np.pi * np.arange(n_groups) / n_groups
inner = 2 * np.pi * np.arange(size) / size
centre = 2.4 * np.column_stack([np.cos(angle), np.sin(angle)])
ring = np.column_stack([np.cos(inner), np.sin(inner)])
places = (centre[:, None] + ring).reshape(p, 2)
true = {tuple(sorted(edge)) for edge in edges}


def found_by(model):
    """Edges of the estimated graph."""
    return {tuple(edge) for edge in np.argwhere(np.triu(model.precision_, 1)).tolist()}


figure, axes = plt.subplots(1, 3, figsize=(11, 4.4), layout="constrained")
styles = {
    "found": ("#0072B2", "-", 1.6),
    "false": ("#D55E00", "-", 0.6),
    "missed": ("#888888", ":", 1.4),
}
for ax, (name, model) in zip(axes, models.items(), strict=True):
    found = found_by(model)
    kinds = {"false": found - true, "missed": true - found, "found": found & true}
    for kind, pairs in kinds.items():
        color, line, width = styles[kind]
        for j, k in pairs:
            ax.plot(*places[[j, k]].T, line, color=color, linewidth=width, zorder=1)
        label = f"{kind} ({len(pairs)})"
        ax.plot([], [], line, color=color, linewidth=width, label=label)
    ax.scatter(*places.T, s=18, color="white", edgecolor="#333333", zorder=2)
    ax.set_title(f"{name}, alpha = {model.alpha_:.2f}", fontsize=10)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=3, frameon=False,
              fontsize=8)  # fmt: skip
    ax.set_aspect("equal")
    ax.set_axis_off()

# %%
# Strong and weak
# ---------------
#
# The l1 norm shrinks partial correlations by about the strength. Those of the concave
# penalty lie on the truth.

spread = np.sqrt(truth.diagonal())
expected = -(truth / np.outer(spread, spread))[tuple(np.transpose(sorted(true)))]
figure, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
for name, color in (("l1, EBIC", "#D55E00"), ("MCP, EBIC", "#0072B2")):
    partial = models[name].partial_correlation_[tuple(np.transpose(sorted(true)))]
    ax.plot(expected, partial, "o", color=color, markersize=4, alpha=0.7, label=name)
ax.axline((0, 0), slope=1, color="#999999", linewidth=1, linestyle=":")
ax.set(xlabel="true partial correlation", ylabel="estimate")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
for name, model in models.items():
    print(f"{name:20} log-likelihood of the samples: {model.score(X):.2f}")
plt.show()
