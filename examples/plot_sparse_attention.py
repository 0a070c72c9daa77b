"""
Attention with sparsemax
========================

Attention averages values with weights from the scores of queries against keys. With
softmax every position has a part; with sparsemax few have, and the others are exactly
out. Fusedmax gathers on contiguous stretches, oscarmax on clusters.
"""

# %%
# Scaled dot products, a causal mask of ``-inf``, and any map in the place of softmax:

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.activations import fusedmax, oscarmax, softmax, sparsemax


def attention(Q, K, V, mapping=sparsemax, mask=None):
    """Values averaged with weights ``mapping(Q K^T / sqrt(d))``, and the weights."""
    scores = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    weights = mapping(scores)
    return weights @ V, weights


# %%
# Which positions matter
# ----------------------
#
# A sequence of 32 positions with slowly changing keys; each position asks for what
# resembles it, among those before it.

rng = np.random.default_rng(0)
length, width = 32, 16
drift = np.cumsum(rng.standard_normal((length, width)), axis=0)
keys = 3.0 * drift / np.linalg.norm(drift, axis=1, keepdims=True)
causal = np.tri(length, dtype=bool)
maps = {
    "softmax": softmax,
    "sparsemax": sparsemax,
    "fusedmax": lambda Z: fusedmax(Z, 0.05),
    "oscarmax": lambda Z: oscarmax(Z, 0.01),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for ax, (name, mapping) in zip(axes, maps.items(), strict=True):
    _, weights = attention(keys, keys, keys, mapping, causal)
    shown = np.where(weights > 0, weights, np.nan)
    ax.imshow(shown, cmap="viridis_r", vmin=0, vmax=0.5)
    ax.set_title(f"{name}: {np.mean((weights > 0).sum(axis=1)):.1f} positions")
    ax.set(xlabel="key", xticks=[0, 31], yticks=[0, 31])
axes[0].set_ylabel("query")

# %%
# Long contexts
# -------------
#
# One key matches the query, all others are noise. However small, the weights that
# softmax leaves to the noise add up as the context grows; sparsemax drops what lags
# behind the best by enough, at any length.

lengths = 2 ** np.arange(4, 17)
kept = {name: [] for name in ("softmax", "sparsemax")}
for n in lengths:
    scores = rng.standard_normal((40, n))
    scores[:, 0] = 6.0
    for name in kept:
        kept[name].append(maps[name](scores)[:, 0].mean())
figure, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for (name, values), color in zip(kept.items(), ["#BBBBBB", "#0072B2"], strict=True):
    ax.plot(lengths, values, "o-", color=color, label=name)
ax.set(xscale="log", xlabel="length of the context", ylabel="weight of the match")
ax.set_xscale("log", base=2)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)

# %%
# Gradients
# ---------
#
# Training needs products with the Jacobian. They come from the weights alone and touch
# the support only, so whatever has no weight gets no gradient, exactly.

from sparsestat.activations import entmax_vjp

output, weights = attention(keys, keys, keys, sparsemax, causal)
grad_scores = entmax_vjp(weights, output @ keys.T, alpha=2.0)
print(f"weights that are not zero: {np.count_nonzero(weights)} of {causal.sum()}")
print(f"gradients that are not zero: {np.count_nonzero(grad_scores)}")
plt.show()
