"""
Which pixels tell the digits apart
==================================

A multinomial model of handwritten digits has 640 coefficients, one for each pixel and
digit. The l1 penalty keeps those that carry evidence, cross-validation says how many
are worth it, and a duality gap says that the solver is done.
"""

# %%
# A path and its folds
# --------------------
#
# Held-out deviance, twice the log-loss, falls as the penalty weakens. One standard
# error above the least, the model is simpler and predicts about as well.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sparsestat.linear_model import SparseLogisticRegressionCV

X, y = load_digits(return_X_y=True)
X, X_new, y, y_new = train_test_split(X / 16, y, stratify=y, random_state=0)
model = SparseLogisticRegressionCV(alphas=15, eps=0.005, cv=3, alpha_rule="1se")
model.fit(X, y)
n_used = np.diff(model.path_coef_.indptr)
print(f"accuracy:     {model.score(X_new, y_new):.3f} on new digits")
print(f"coefficients: {np.count_nonzero(model.coef_)} of {model.coef_.size}")
print(f"certificate:  gap {model.dual_gap_:.1e}, asked {model.dual_gap_tol_:.1e}")
assert model.dual_gap_ <= model.dual_gap_tol_

mean = model.deviance_path_.mean(axis=1)
error = model.deviance_path_.std(axis=1, ddof=1) / np.sqrt(3)
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.fill_between(model.alphas_, mean - error, mean + error, color="#0072B2", alpha=0.2)
axes.plot(model.alphas_, mean, "o-", markersize=4, color="#0072B2")
axes.axvline(model.alpha_, color="#444444", linestyle="--", linewidth=1)
axes.annotate(
    "one standard error",
    (model.alpha_, 5.2),
    xytext=(-4, -12),
    textcoords="offset points",
    ha="right",
)
axes.set(xscale="log", xlabel="alpha", ylabel="held-out deviance", ylim=(0, 5.2))
for alpha, height, n in list(zip(model.alphas_, mean, n_used, strict=True))[::3]:
    axes.annotate(
        str(n), (alpha, height), xytext=(0, 8), textcoords="offset points", ha="center"
    )
axes.invert_xaxis()

# %%
# Evidence, pixel by pixel
# ------------------------
#
# Red ink speaks for a digit, blue ink against it, and white pixels do not matter to it.
# A four is known by its open top, a zero by its empty centre.

figure, panels = plt.subplots(2, 5, figsize=(8, 3.6), layout="constrained")
limit = np.abs(model.coef_).max()
for digit, panel in enumerate(panels.flat):
    image = panel.imshow(
        model.coef_[digit].reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit
    )
    panel.set_title(digit, fontsize=11)
    panel.set(xticks=[], yticks=[])
figure.colorbar(image, ax=panels, label="coefficient", shrink=0.8)
plt.show()
