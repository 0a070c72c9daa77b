"""
Three measurements that tell a tumour
=====================================

Thirty measurements of cell nuclei say whether a tumour of the breast is malignant. How
few of them do, and which? The best subset of each size answers without shrinking any
coefficient; cross-validation says how many are worth having.
"""

# %%
# A path of sizes
# ---------------
#
# The best subset of each size by exchanges of features, each fitted by maximum
# likelihood. The loss is half the mean deviance.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from sparsestat.linear_model import BestSubsetClassifier, SparseLogisticRegressionCV
from sparsestat.plotting import SubsetSizeDisplay

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
folds = StratifiedKFold(5, shuffle=True, random_state=0)
model = BestSubsetClassifier(np.arange(8), solver="swap", cv=folds).fit(X, y)
for size, row in model.to_frame().iterrows():
    print(f"{size} {row['loss']:.4f} {', '.join(row['support'])}")

# %%
# How many
# --------
#
# Left: deviance on samples that were held out. It falls up to three features, and not
# beyond: coefficients that nothing shrinks grow as the classes come apart. Right: the
# two best features alone, with the line at which both classes are equally probable. The
# line is that of ``refit(2)``, another size of the path without another fit.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
SubsetSizeDisplay.from_estimator(model, ax=axes[0])
pair = model.refit(2)
first, second = pair.support_
slope = pair.coef_[0]
for label, name in enumerate(("malignant", "benign")):
    inside = y == label
    axes[1].scatter(
        X.iloc[:, first][inside], X.iloc[:, second][inside], s=10, label=name
    )
ends = np.array([X.iloc[:, second].min(), X.iloc[:, second].max()])
axes[1].plot(-(pair.intercept_[0] + slope[second] * ends) / slope[first], ends, "k")
axes[1].set(xlabel=X.columns[first], ylabel=X.columns[second])
axes[1].legend(frameon=False)

# %%
# Beside the l1 norm
# ------------------
#
# The l1 norm spreads over many features, each of them shrunk, and predicts better for
# it. Three features do without ten others at a price that can be read here.

lasso = SparseLogisticRegressionCV(standardize=True, cv=5)
for name, classifier in ("three features", BestSubsetClassifier(3)), ("l1", lasso):
    proba = cross_val_predict(classifier, X, y, cv=folds, method="predict_proba")
    used = np.count_nonzero(classifier.fit(X, y).coef_)
    print(f"{name}: {used} features, log-loss {log_loss(y, proba):.3f}")

# %%
# Data without a maximum
# ----------------------
#
# With some more features the two classes of a third of these samples can be told apart
# without error. Then the likelihood has no maximum and the path ends, as a
# warning says.

long = BestSubsetClassifier(
    solver="splicing", early_stopping=False, criterion="aic", max_nonzero_coefs=25
)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    long.fit(X.iloc[::3], y.iloc[::3])
print(f"separated with {long.n_nonzero_coefs_} features: {long.separated_}")
print(told[-1].message)
plt.show()
