"""
Confidence intervals
====================

Which coefficients are certain, and how certain? With more features than samples least
squares cannot tell, and the Lasso, biased as it is, does not. ``DebiasedLasso``
corrects the Lasso and gives an interval and a p-value for every coefficient. We look at
one draw, count over many draws how often the intervals hold the truth, and see what
goes wrong with the obvious alternative.
"""

# %%
# One draw
# --------
#
# 120 samples of 200 features, neighbours correlated by 0.5. Six coefficients are 1, all
# others zero; the noise has a standard deviation of 1.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import t
from sklearn.linear_model import LinearRegression

from sparsestat.linear_model import (
    DebiasedLasso,
    DebiasedLogisticRegression,
    LassoCV,
)
from sparsestat.plotting import CoefficientIntervalDisplay


def draw(seed, n_samples=120, n_features=200, n_signals=6):
    """Correlated features, a few coefficients of one, noise of one."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    for j in range(1, n_features):
        X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
    coef = np.zeros(n_features)
    coef[rng.choice(n_features, n_signals, replace=False)] = 1.0
    return X, X @ coef + rng.standard_normal(n_samples), coef


X, y, truth = draw(0)
model = DebiasedLasso().fit(X, y)
print(f"truth: features {np.flatnonzero(truth)}")
print(f"adjusted p-value below 0.05: {np.flatnonzero(model.adjusted_pvalues_ < 0.05)}")

figure, axes = plt.subplots(figsize=(8, 5.4), layout="constrained")
display = CoefficientIntervalDisplay.from_estimator(model, n_features=16, ax=axes)
axes.plot(
    truth[display.features_],
    np.arange(16),
    "|",
    color="#D55E00",
    markersize=14,
    markeredgewidth=1.6,
)
axes.set_title("Clearest of 200 coefficients (strokes: the truth)", loc="left")

# %%
# Thick lines hold each coefficient by itself with a probability of 95 %, so that of the
# 194 irrelevant features about ten leave zero out by chance. Thin lines hold *all*
# coefficients at once with that probability; they decide where many are looked at. The
# hollow marks are the Lasso's shrunk coefficients, which are what predicts best.
#
# Do the intervals hold the truth?
# --------------------------------
#
# The obvious alternative takes the features that the Lasso selects and quotes the
# intervals of least squares on them. But the same samples have chosen the features:
# those that look good by chance are kept, and nothing at all is said of the ones left
# out.


def naive_intervals(X, y):
    """Least squares on what the Lasso selects; nothing for the rest."""
    support = np.flatnonzero(LassoCV(cv=5, alphas=30, eps=0.01).fit(X, y).coef_)
    least = LinearRegression().fit(X[:, support], y)
    centred = X[:, support] - X[:, support].mean(axis=0)
    dof = len(y) - len(support) - 1
    variance = np.sum((y - least.predict(X[:, support])) ** 2) / dof
    error = np.sqrt(variance * np.linalg.inv(centred.T @ centred).diagonal())
    reach = t.ppf(0.975, dof) * error
    return support, np.column_stack([least.coef_ - reach, least.coef_ + reach])


def holds(intervals, coef):
    """Which intervals contain their coefficients."""
    return (intervals[:, 0] <= coef) & (coef <= intervals[:, 1])


rows = {"signals": [], "others": [], "all at once": []}
naive = {"signals": [], "others": []}
for seed in range(40):
    X, y, truth = draw(seed)
    model = DebiasedLasso().fit(X, y)
    held = holds(model.conf_int_, truth)
    rows["signals"].append(held[truth != 0].mean())
    rows["others"].append(held[truth == 0].mean())
    together = holds(model.conf_int(simultaneous=True), truth)
    rows["all at once"].append(together.all())
    support, intervals = naive_intervals(X, y)
    held = holds(intervals, truth[support])
    naive["signals"].append(held[truth[support] != 0].mean())
    naive["others"].append(held[truth[support] == 0].mean())

figure, axes = plt.subplots(figsize=(7.5, 3.4), layout="constrained")
axes.axvline(0.95, color="#444444", linewidth=0.8, linestyle="--")
for offset, (name, values, color) in enumerate(
    [
        ("debiased Lasso", rows, "#0072B2"),
        ("least squares on the Lasso's selection", naive, "#D55E00"),
    ]
):
    for place, key in enumerate(rows):
        if key in values:
            axes.plot(
                np.mean(values[key]),
                place + 0.16 * (2 * offset - 1),
                "o",
                color=color,
                label=name if place == 0 else None,
            )
axes.set_yticks(range(3), ["six signals", "irrelevant features", "all 200 at once"])
axes.set_ylim(2.6, -0.6)
axes.set_xlim(0, 1.02)
axes.set_xlabel("share of intervals that hold the truth, over 40 draws (asked: 0.95)")
axes.legend(frameon=False, loc="lower left")
axes.spines[["top", "right"]].set_visible(False)

# %%
# Classes
# -------
#
# The same for a logistic regression: 400 samples, of which only the class is known.
# Each coefficient is a change of the logarithm of the odds.

rng = np.random.default_rng(1)
X, _, truth = draw(1, n_samples=400, n_features=100)
y = rng.random(400) < 1 / (1 + np.exp(-X @ truth))
model = DebiasedLogisticRegression().fit(X, y)

figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
display = CoefficientIntervalDisplay.from_estimator(model, n_features=12, ax=axes)
axes.plot(
    truth[display.features_],
    np.arange(12),
    "|",
    color="#D55E00",
    markersize=14,
    markeredgewidth=1.6,
)
axes.set_title("Changes of log odds, clearest of 100 (strokes: the truth)", loc="left")

# %%
# Classes tell less than numbers do: with three times the samples and half the features
# the intervals are wider than above. The marks are those of the relaxed Lasso, a fit
# with a tenth of the penalty on the features that the Lasso selects. From the Lasso
# itself the correction would not get far: its probabilities are too close to one half,
# where the loss is curved most.

plt.show()
