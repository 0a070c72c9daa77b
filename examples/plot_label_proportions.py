"""
Shares of topics in documents
=============================

A document about few of many topics is a mixture with most shares equal to zero. Which
model recovers the shares from word counts: one whose predictions are never zero, or one
with exact zeros? The simulation of Martins and Astudillo (2016), section 4.1, with as
many words as topics.
"""

# %%
# Softmax and sparsemax are the two ends of ``entmax_alpha`` of one estimator. For each
# length of the documents 1200 train them, 200 choose the strength of the penalty, and
# 1000 others count: by the mean squared error of the shares, summed over topics, and by
# the Jensen-Shannon divergence.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import rel_entr

from sparsestat.datasets import make_label_proportions
from sparsestat.linear_model import LabelProportionRegressor

LENGTHS = {10: [200, 400, 600, 1000, 1400, 2000], 50: [200, 1000, 2000]}
ALPHAS = 10.0 ** np.arange(-2, -6, -1)
ORDERS = {"softmax": 1.0, "sparsemax": 2.0}
COLORS = {"softmax": "#D55E00", "sparsemax": "#0072B2"}


def errors(Y, P):
    """Jensen-Shannon divergence and squared error, means over samples."""
    middle = 0.5 * (Y + P)
    divergence = 0.5 * (rel_entr(Y, middle) + rel_entr(P, middle)).sum(axis=1)
    return divergence.mean(), ((Y - P) ** 2).sum(axis=1).mean()


def chosen(order, X, Y):
    """The fit that is best on the samples for choosing, from the strongest penalty."""
    model = LabelProportionRegressor(
        entmax_alpha=order, standardize=True, warm_start=True, tol=1e-3
    )
    best = np.inf
    for alpha in ALPHAS:
        model.set_params(alpha=alpha).fit(X[:1200], Y[:1200])
        divergence = errors(Y[1200:1400], model.predict(X[1200:1400]))[0]
        if divergence < best:
            best, P = divergence, model.predict(X[1400:])
    return P


found = {}
for n_classes, lengths in LENGTHS.items():
    for proportions in ("uniform", "mixed"):
        for length in lengths:
            data = make_label_proportions(
                2400, n_classes, length=length, proportions=proportions, random_state=0
            )
            X = data.data / data.data.sum(axis=1, keepdims=True)
            for name, order in ORDERS.items():
                P = chosen(order, X, data.target)
                key = n_classes, proportions, name
                found.setdefault(key, []).append(errors(data.target[1400:], P))

# %%
# With 200 words noise hides which topics are absent: the models are level, with mixed
# shares softmax is even ahead. The longer the documents, the more exact zeros help.

figure, axes = plt.subplots(2, 4, figsize=(12, 5.6), sharex=True, layout="constrained")
panels = [(k, proportions) for k in LENGTHS for proportions in ("uniform", "mixed")]
for column, (n_classes, proportions) in zip(axes.T, panels, strict=True):
    for name, color in COLORS.items():
        values = np.array(found[n_classes, proportions, name])
        for axis, line in zip(column, values.T, strict=True):
            axis.plot(LENGTHS[n_classes], line, "o-", ms=4, color=color, label=name)
            axis.spines[["top", "right"]].set_visible(False)
    for axis in column:
        axis.set_ylim(bottom=0)
    column[0].set_title(f"{n_classes} topics, {proportions} shares", fontsize=10)
    column[1].set_xlabel("mean words of a document")
axes[0, 0].set_ylabel("Jensen-Shannon divergence")
axes[1, 0].set_ylabel("squared error")
axes[0, 0].legend(frameon=False)
plt.show()

# %%
# In figures, for the longest documents:

for (n_classes, proportions, name), values in found.items():
    divergence, squares = values[-1]
    print(
        f"{n_classes} topics, {proportions:8} {name:10} "
        f"divergence {divergence:.4f}  squared error {squares:.4f}"
    )
