"""
Groups and tasks: three penalties for known structure
=====================================================

Where it is known which features belong together, a penalty can use it. The group Lasso
keeps whole groups, the sparse group Lasso also drops features within them, and the
multi-task Lasso keeps the same features for several targets. Data with each of these
structures show which one to use when.
"""

# %%
# Groups, whole and in part
# -------------------------
#
# 150 samples, 80 features in groups of eight. In the first target every feature of
# groups 2 and 5 matters, in the second one only two features of each.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.linear_model import (
    GroupLassoCV,
    LassoCV,
    MultiTaskLassoCV,
    SparseGroupLassoCV,
)
from sparsestat.plotting import CoefficientPathDisplay

rng = np.random.default_rng(0)
X = rng.standard_normal((150, 80))
group = np.arange(80) // 8
whole = np.isin(group, [2, 5]) * rng.choice([-1.0, 1.0], 80) * rng.uniform(0.5, 1, 80)
part = np.where(np.arange(80) % 8 < 2, 2 * whole, 0.0)
noise = 2 * rng.standard_normal(150)
settings = {"alphas": 50, "eps": 1e-2, "cv": 5}
models = {
    "Lasso": LassoCV(**settings),
    "group Lasso": GroupLassoCV(feature_groups=group, **settings),
    "sparse group Lasso": SparseGroupLassoCV(
        feature_groups=group, l1_ratio=0.5, **settings
    ),
}
for structure, truth in {"whole groups": whole, "parts of groups": part}.items():
    print(structure)
    for name, model in models.items():
        model.fit(X, X @ truth + noise)
        error = np.linalg.norm(model.coef_ - truth) / np.linalg.norm(truth)
        print(
            f"  {name:19} error {error:.2f}, {np.count_nonzero(model.coef_)} features"
        )

# %%
# Colours are groups. The group Lasso lets all features of a group in at once; with the
# sparse group Lasso each comes at its own strength.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, (name, truth) in zip(
    axes, {"group Lasso": whole, "sparse group Lasso": part}.items(), strict=True
):
    model = models[name].fit(X, X @ truth + noise)
    CoefficientPathDisplay.from_estimator(model, n_labels=4, ax=ax)
    ax.set_title(name, loc="left", fontsize=10)

# %%
# Several tasks
# -------------
#
# Four targets depend on the same five features, each with its own coefficients. A curve
# is the norm of a feature's coefficients over the tasks.

coefs = np.zeros((4, 80))
coefs[:, ::16] = rng.standard_normal((4, 5))
Y = X @ coefs.T + 2 * rng.standard_normal((150, 4))
tasks = MultiTaskLassoCV(**settings).fit(X, Y)
alone = np.array([LassoCV(**settings).fit(X, y).coef_ for y in Y.T])
for name, found in {"multi-task Lasso": tasks.coef_, "a Lasso each": alone}.items():
    error = np.linalg.norm(found - coefs) / np.linalg.norm(coefs)
    print(f"{name}: error {error:.2f}, {found.any(axis=0).sum()} features")

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
CoefficientPathDisplay.from_estimator(tasks, n_labels=5, ax=ax)
plt.show()

# %%
# Use the group Lasso where a group matters as a whole, such as the columns of one
# categorical variable; the sparse group Lasso where a few of its features may do, such
# as the genes of a pathway; and the multi-task Lasso where several targets share their
# features. Without such knowledge the Lasso assumes the least.
