"""
Recovery by evidence
====================

Sparse Bayesian learning finds a variance for each coefficient and sets most to zero. We
put it beside the Lasso and scikit-learn's automatic relevance determination, which is
the same model iterated by another step, and then tell it what the coefficients look
like.
"""

# %%
# One draw
# --------
#
# With 60 samples of 150 features the noise cannot be learnt along with the prior, which
# is what ``ARDRegression`` does; here it is the one under which rows that were held out
# are likeliest. Bars are two posterior standard deviations.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ARDRegression, LassoCV

from sparsestat.bayes import BlockSparseBayesianRegression, SparseBayesianRegression
from sparsestat.datasets import make_sparse_regression
from sparsestat.metrics import nmse

warnings.simplefilter("ignore", ConvergenceWarning)

data = make_sparse_regression(60, 150, n_nonzero_coefs=8, snr=100, random_state=1)
models = {
    "Lasso, cross-validated": LassoCV(cv=5),
    "ARDRegression": ARDRegression(),
    "SparseBayesianRegression": SparseBayesianRegression(),
}
figure, axes = plt.subplots(
    3, 1, figsize=(7, 6), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, model) in zip(axes, models.items(), strict=True):
    model.fit(data.data, data.target)
    kept = np.flatnonzero(np.abs(model.coef_) > 1e-3)
    std = getattr(model, "coef_std_", np.zeros(150))
    ax.plot(data.support, data.coef[data.support], "o", mfc="none", color="0.3")
    ax.errorbar(kept, model.coef_[kept], 2 * std[kept], fmt=".", color="C0")
    error = nmse(data.coef, model.coef_)
    title = f"{name}: {len(kept)} coefficients, error {error:.2g}"
    ax.set_title(title, loc="left", fontsize="medium")
    ax.axhline(0, color="0.7", linewidth=0.6)
axes[-1].set_xlabel("feature")
figure.supylabel("coefficient (circles: the truth)")
plt.show()

# %%
# Over the number of coefficients
# -------------------------------
#
# Medians of ten draws, the noise known to the last method only. With a handful of
# coefficients the cross-validated Lasso guards best against noise; with more of them it
# pays for shrinking all that it finds.

counts, n_draws = [2, 4, 8, 12, 16], 10
errors = {name: np.empty((len(counts), n_draws)) for name in models}
for i, count in enumerate(counts):
    for seed in range(n_draws):
        draw = make_sparse_regression(
            60, 150, n_nonzero_coefs=count, snr=100, random_state=seed
        )
        noise = np.mean(draw.noise**2)
        for name, model in models.items():
            if name.startswith("Sparse"):
                model = SparseBayesianRegression("mackay", noise_variance=noise)
            model.fit(draw.data, draw.target)
            errors[name][i, seed] = nmse(draw.coef, model.coef_)
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for name, values in errors.items():
    label = name + (", noise known" if name.startswith("Sparse") else "")
    ax.plot(counts, np.median(values, axis=1), "o-", label=label)
ax.set(yscale="log", xlabel="nonzero coefficients", ylabel="normalised squared error")
ax.set_xticks(counts)
ax.legend(frameon=False)
plt.show()

# %%
# Say what they look like
# -----------------------
#
# Two smooth stretches of 160 coefficients, 50 samples. Independent variances find
# pieces; variances that lend themselves to neighbours find where; blocks with a
# correlation within, for who knows them, find what.

rng = np.random.default_rng(2)
X, coef = rng.standard_normal((50, 160)), np.zeros(160)
coef[32:48], coef[96:112] = np.sin(np.arange(16) / 5), np.cos(np.arange(16) / 6)
y = X @ coef + 0.4 * rng.standard_normal(50)
options = {"solver": "mackay", "noise_variance": 0.16}
priors = {
    "independent": SparseBayesianRegression(**options),
    "coupled neighbours": SparseBayesianRegression(coupling=0.8, **options),
    "blocks of 16": BlockSparseBayesianRegression(16, intra="none", **options),
    "blocks that correlate": BlockSparseBayesianRegression(16, **options),
}
figure, axes = plt.subplots(
    2, 2, figsize=(8, 5), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, model) in zip(axes.flat, priors.items(), strict=True):
    model.fit(X, y)
    low, high = (model.coef_ + sign * 2 * model.coef_std_ for sign in (-1, 1))
    ax.fill_between(np.arange(160), low, high, color="C0", alpha=0.25, linewidth=0)
    ax.plot(coef, color="0.3", linewidth=1, label="truth")
    ax.plot(model.coef_, color="C0", linewidth=1, label="posterior mean")
    error = nmse(coef, model.coef_)
    ax.set_title(f"{name}: error {error:.2g}", loc="left", fontsize="medium")
axes[0, 0].legend(frameon=False, fontsize="small", loc="lower left")
figure.supxlabel("feature")
plt.show()
