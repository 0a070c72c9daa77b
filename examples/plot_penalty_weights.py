"""
Weights of the penalty
======================

``penalty_weights`` say how much each feature has to pay: nothing (0, it is certain to
matter), more or less than others, or everything (inf, it must not enter). Two uses on
data with a known truth: the adaptive Lasso, and features known in advance.
"""

# %%
# 120 samples of 400 correlated features, eight of which matter.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.datasets import make_sparse_regression
from sparsestat.linear_model import LassoCV
from sparsestat.metrics import support_precision, support_recall
from sparsestat.plotting import CrossValidationDisplay

data = make_sparse_regression(
    120, 400, n_nonzero_coefs=8, correlation=0.6, snr=4.0, random_state=3
)
X, y, truth = data.data, data.target, data.coef

# %%
# The Lasso, with the strength that predicts best and with the one-standard-error rule.

least = LassoCV(cv=5).fit(X, y)
simple = LassoCV(cv=5, alpha_rule="1se").fit(X, y)
CrossValidationDisplay.from_estimator(least)
plt.tight_layout()

# %%
# The adaptive Lasso divides each weight by the size of a first guess, so that what
# looked important is shrunk less and the rest more.

size = np.abs(least.coef_)
adaptive = LassoCV(
    cv=5, penalty_weights=1.0 / (size + 1e-3 * size.max()), alpha_rule="1se"
).fit(X, y)

# %%
# Knowing two features of the truth (weight 0), and that half of the others are out of
# question (weight inf), helps as well.

weights = np.ones(400)
weights[np.flatnonzero(truth)[:2]] = 0.0
outside = np.flatnonzero(truth == 0)
weights[outside[::2]] = np.inf
informed = LassoCV(cv=5, penalty_weights=weights, alpha_rule="1se").fit(X, y)

models = {
    "Lasso, best mean": least,
    "Lasso, one standard error": simple,
    "adaptive Lasso": adaptive,
    "informed Lasso": informed,
}
print(f"{'':28}{'features':>10}{'precision':>11}{'recall':>8}")
for name, model in models.items():
    print(
        f"{name:28}{np.count_nonzero(model.coef_):10d}"
        f"{support_precision(truth, model.coef_):11.2f}"
        f"{support_recall(truth, model.coef_):8.2f}"
    )

# %%
# Coefficients of the truth (rings) and of each fit:

fig, axes = plt.subplots(4, 1, figsize=(8, 8), sharex=True, layout="constrained")
where = np.flatnonzero(truth)
for ax, (name, model) in zip(axes, models.items(), strict=True):
    ax.vlines(np.arange(400), 0, model.coef_, color="#0072b2", lw=1.2)
    ax.plot(where, truth[where], "o", mfc="none", color="#d55e00", ms=6)
    ax.axhline(0, color="0.5", lw=0.5)
    ax.set_ylabel("coefficient")
    ax.set_title(name, fontsize=10, loc="left")
axes[-1].set_xlabel("feature")
plt.show()
