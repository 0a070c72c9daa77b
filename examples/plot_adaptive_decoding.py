"""
Adaptive decoding: how many tokens are worth keeping?
=====================================================

A language model's next-token distribution has a long tail that sampling had better
leave out. Top-k keeps k tokens however sure the model is. Bregman decoding finds the
closest sparse distribution at a price per token, so the number follows the
distribution.
"""

# %%
# A distribution and its decodings
# --------------------------------
#
# Zipf's law over 50000 tokens. A divergence of order one renormalises, as top-k does;
# orders above one lift the small probabilities that are kept, those below one the
# large.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.activations import bregman_decode, min_p, sample, top_k, top_p
from sparsestat.plotting import DecoderDisplay


def zipf(exponent, n_tokens=50_000):
    """Probabilities that fall as a power of the rank."""
    p = np.arange(1.0, n_tokens + 1.0) ** -exponent
    return p / p.sum()


figure, axes = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained")
p = zipf(1.1)
DecoderDisplay.from_decoders(
    p,
    {
        "top-k": lambda p: top_k(p, 50),
        "top-p 0.5": lambda p: top_p(p, 0.5),
        "min-p 0.05": lambda p: min_p(p, 0.05),
        "Bregman, order 1": lambda p: bregman_decode(p, penalty=0.005)[0],
    },
    ax=axes[0],
)
axes[0].set_title("decoders")
DecoderDisplay.from_decoders(
    p,
    {
        f"{kind}, order {alpha:g}": lambda p, kind=kind, alpha=alpha: bregman_decode(
            p, alpha=alpha, kind=kind, k=12
        )[0]
        for kind, alpha in [
            ("primal", 0.5),
            ("primal", 1),
            ("primal", 2),
            ("dual", 1.5),
        ]
    },
    ax=axes[1],
)
axes[1].set_title("twelve tokens, four divergences")

# %%
# The number of tokens follows the entropy
# ----------------------------------------
#
# From nearly certain to nearly flat distributions: top-k is blind to the difference,
# top-p runs into the tail, Bregman decoding grows until no further token is worth its
# price.

exponents = np.linspace(0.3, 3.0, 40)
P = np.array([zipf(s) for s in exponents])
entropy = -(P * np.log(P)).sum(axis=1)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.9), sharey=True, layout="constrained")
for penalty, color in [(0.03, "#56B4E9"), (0.01, "#0072B2"), (0.003, "#332288")]:
    sizes = bregman_decode(P, penalty=penalty)[1]
    axes[0].plot(entropy, sizes, color=color, label=f"Bregman, penalty {penalty:g}")
axes[0].plot(
    entropy, (top_p(P, 0.9) > 0).sum(axis=1), "--", color="#D55E00", label="top-p 0.9"
)
axes[0].plot(
    entropy, (min_p(P, 0.05) > 0).sum(axis=1), "--", color="#009E73", label="min-p 0.05"
)
axes[0].axhline(50, color="#BBBBBB", ls="--", label="top-k 50")
for alpha, color in [
    (0.8, "#D55E00"),
    (1.0, "#0072B2"),
    (1.5, "#009E73"),
    (2.0, "#CC79A7"),
]:
    sizes = bregman_decode(P, alpha=alpha, penalty=0.003)[1]
    axes[1].plot(entropy, sizes, color=color, label=f"primal, order {alpha:g}")
axes[1].set_title("order of the divergence, penalty 0.003")
axes[0].set_title("decoders")
axes[0].set_ylabel("tokens kept")
for ax in axes:
    ax.set(xlabel="entropy in nats", yscale="log")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize="small", frameon=False)

# %%
# The cost is convex in the number of tokens
# ------------------------------------------
#
# That is why the best number is found by bisection, and with certainty: divergence plus
# price, for every k, and the minimum that the decoder returns. A dot marks it.

figure, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
counts = np.arange(1, 200)
divergence = -np.log(np.cumsum(p)[counts - 1])
for penalty, color in [(0.02, "#56B4E9"), (0.01, "#0072B2"), (0.005, "#332288")]:
    k = bregman_decode(p, penalty=penalty)[1]
    cost = divergence + penalty * counts
    assert k == counts[cost.argmin()]
    ax.plot(counts, cost, color=color, label=f"penalty {penalty:g}")
    ax.plot(k, cost[k - 1], "o", color=color)
ax.set(xlabel="tokens kept", ylabel="divergence + penalty k")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)

# %%
# Drawing tokens
# --------------
#
# Decoders return sparse rows on request, and samples are drawn on the support alone.

Q, sizes = bregman_decode(P, penalty=0.01, output="csr")
tokens = sample(Q, size=5, random_state=0)
for row in (0, 20, 39):
    print(f"entropy {entropy[row]:5.2f}: {sizes[row]:3d} tokens, drawn {tokens[row]}")
plt.show()
