"""
Best subsets of interactions, proved
====================================

Which of ten measurements, their squares and products say how diabetes progresses? Of
the 64 candidates there are 10 to the 11 ways to take ten. A search by exchanges finds a
good subset in milliseconds; leaps and bounds then prove that there is none better, or
say how much better one could be.
"""

# %%
# Sixty-four candidates
# ---------------------
#
# The square of a binary column says nothing new and is left out. Names of products are
# those of scikit-learn.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sparsestat.linear_model import BestSubsetRegressor, LassoCV
from sparsestat.plotting import SubsetSizeDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True)
products = PolynomialFeatures(2, include_bias=False).set_output(transform="pandas")
Z = products.fit_transform(X).drop(columns="sex^2")
Z = StandardScaler().set_output(transform="pandas").fit_transform(Z)
print(Z.shape)

# %%
# A path of sizes
# ---------------
#
# With ``solver="exact"`` all sizes are proved, which takes a second or two. The number
# of subsets does not matter, only how much the worse ones are worse.

model = BestSubsetRegressor(
    solver="exact", max_nonzero_coefs=8, early_stopping=False
).fit(Z, y)
print(f"{model.n_nodes_} nodes")
frame = model.to_frame()
for size, row in frame.iterrows():
    proof = (
        "proved" if row["optimal"] else f"within {row['rss'] / row['lower_bound']:.3f}"
    )
    print(f"{size:2d} {row['rss']:10.0f} {proof:7} {', '.join(row['support'])}")

# %%
# A search that is stopped
# ------------------------
#
# Left: every size is proved. Right: the same path after 20,000 nodes. The small sizes
# are proved by then; a bar below each other mark shows how far its criterion could fall
# at most. The subsets are the same: the search spends its time on the proof.

stopped = BestSubsetRegressor(
    solver="exact", max_nonzero_coefs=8, early_stopping=False, max_nodes=20_000
).fit(Z, y)
figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, fitted, title in zip(
    axes, (model, stopped), ("finished", "after 20,000 nodes"), strict=True
):
    SubsetSizeDisplay.from_estimator(fitted, ax=ax)
    ax.set_title(title, loc="left")
    ax.set_ylim(model.criterion_.min() - 60, model.criterion_[2] + 20)
print(f"gap of the stopped search at k = {stopped.n_nonzero_coefs_}: "
      f"{stopped.optimality_gap_:.1%}")  # fmt: skip

# %%
# Beside the Lasso
# ----------------
#
# The Lasso has to let many small coefficients in before it leaves the large ones alone.

lasso = LassoCV().fit(Z, y)
residual = y - lasso.predict(Z)
print(f"Lasso: {np.count_nonzero(lasso.coef_)} features, {residual @ residual:.0f}")
residual = y - model.predict(Z)
print(f"best subset: {model.n_nonzero_coefs_} features, {residual @ residual:.0f}")
plt.show()
