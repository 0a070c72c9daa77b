"""
Grades of a disease in their order
==================================

How diabetes has progressed a year later is often known as a grade only: mild, moderate,
marked or severe. Grades have an order, but no distances. Which few of ten measurements
tell the grade?
"""

# %%
# A path of sizes, proved
# -----------------------
#
# Quarters of the measured progression are the grades, an ordered categorical of pandas,
# whose order the model takes. One coefficient for each feature moves all patients along
# one scale, and thresholds cut the scale into grades. With ten features a branch and
# bound proves every size.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.datasets import load_diabetes
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from sparsestat.linear_model import (
    BestSubsetClassifier,
    BestSubsetOrdinal,
    BestSubsetRegressor,
)
from sparsestat.plotting import SubsetSizeDisplay

X, progression = load_diabetes(return_X_y=True, as_frame=True)
names = ["mild", "moderate", "marked", "severe"]
grade = pd.qcut(progression, 4, labels=names)
model = BestSubsetOrdinal(np.arange(9), solver="exact").fit(X, grade)
for size, row in model.to_frame().iterrows():
    proof = "proved" if row["optimal"] else ""
    print(f"{size} {row['loss']:.4f} {proof} {', '.join(row['support'])}")

# %%
# What grades keep of the measurement
# -----------------------------------
#
# Least squares on the progression itself chooses the same five features, and the same
# two and three: four grades keep what is needed to find them.

measured = BestSubsetRegressor(np.arange(9)).fit(X, progression)
for size, row in measured.to_frame().iloc[1:6].iterrows():
    same = row["support"] == model.to_frame().loc[size, "support"]
    print(f"{size} {', '.join(row['support'])}{' (the same)' if same else ''}")

# %%
# One scale, four grades
# ----------------------
#
# Left: the criterion, and what is proved. Right: the probabilities of the grades along
# the scale of the chosen subset, one above the other, and as dots their shares among
# the patients of each tenth. A boundary crosses one half at its threshold.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
SubsetSizeDisplay.from_estimator(model, ax=axes[0])
scale = X @ model.coef_
at = np.linspace(scale.min(), scale.max(), 200)
below = expit(model.thresholds_ - at[:, None]).T
edges = [np.zeros(len(at)), *below, np.ones(len(at))]
tenths = pd.qcut(scale, 10, labels=False)
shares = pd.crosstab(tenths, grade, normalize="index").cumsum(axis=1)
colors = plt.get_cmap("viridis")(np.linspace(0.15, 0.9, 4))
for name, color, low, high in zip(names, colors, edges[:-1], edges[1:], strict=True):
    axes[1].fill_between(at, low, high, color=color, alpha=0.5, lw=0, label=name)
    if name != "severe":
        axes[1].plot(scale.groupby(tenths).mean(), shares[name], "o", color=color)
axes[1].axhline(0.5, color="k", ls=":", lw=1)
axes[1].set(xlabel="scale", ylabel="probability", ylim=(0, 1))
axes[1].margins(x=0)
axes[1].legend(reverse=True, loc="upper right")

# %%
# Beside classes without an order
# -------------------------------
#
# Without the order each grade but one has coefficients of its own. More of them, of
# fewer features, predict worse. The grades are numbers here: cross-validation of
# probabilities numbers classes itself, in the order of their labels.

y = grade.cat.codes.to_numpy()
folds = StratifiedKFold(5, shuffle=True, random_state=0)
for name, classifier in (
    ("ordered", BestSubsetOrdinal()),
    ("unordered", BestSubsetClassifier()),
):
    proba = cross_val_predict(classifier, X, y, cv=folds, method="predict_proba")
    rank = np.linalg.matrix_rank(np.atleast_2d(classifier.fit(X, y).coef_))
    k = classifier.n_nonzero_coefs_
    print(f"{name}: {k} features, {rank * k} coefficients, "
          f"log-loss {log_loss(y, proba):.3f}")  # fmt: skip
plt.show()
