"""
Less shrinkage: adaptive and relaxed Lasso
==========================================

The Lasso chooses features and shrinks their coefficients by one strength. What predicts
best shrinks little, and so lets false features in. Two convex ways around this: the
relaxed Lasso refits the features chosen, in part or in whole, and the adaptive Lasso
makes features cheap that a first fit finds large.
"""

# %%
# One sample
# ----------
#
# 120 samples of 400 features, ten of which matter. All strengths are chosen by the same
# five folds. The relaxed Lasso chooses two numbers, the strength and the share phi of
# the Lasso in the mixture with least squares on its support. The weights of the
# adaptive Lasso are made anew in every fold, which has not seen what it is tested on.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.datasets import make_sparse_regression
from sparsestat.linear_model import AdaptiveLassoCV, LassoCV, RelaxedLassoCV
from sparsestat.metrics import estimation_error, support_precision, support_recall


def draw(seed):
    """120 samples of 400 features, neighbours correlated by 0.5."""
    return make_sparse_regression(
        120, 400, n_nonzero_coefs=10, snr=5.0, random_state=seed
    )


MODELS = {
    "Lasso": LassoCV(alphas=50),
    "Lasso, 1se": LassoCV(alphas=50, alpha_rule="1se"),
    "relaxed": RelaxedLassoCV(alphas=50),
    "adaptive": AdaptiveLassoCV(alphas=50, init="lasso", random_state=0),
}
data = draw(0)
fitted = {name: model.fit(data.data, data.target) for name, model in MODELS.items()}
relaxed = fitted["relaxed"]
print(f"relaxed Lasso: alpha {relaxed.alpha_:.3f}, phi {relaxed.phi_}")

# %%
# Against the truth, the coefficients of the Lasso lie between the diagonal and zero.
# Those of the other two scatter around it, and far fewer features enter that do not
# matter.

figure, axes = plt.subplots(
    1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained"
)
limit = 1.1 * np.abs(data.coef).max()
for ax, name in zip(axes, ("Lasso", "relaxed", "adaptive"), strict=True):
    coef = fitted[name].coef_
    false = (data.coef == 0) & (coef != 0)
    ax.plot([-limit, limit], [-limit, limit], color="0.8", linewidth=1, zorder=0)
    true = data.coef != 0
    ax.plot(data.coef[true], coef[true], "o", color="#0072b2", label="matter")
    ax.plot(np.zeros(false.sum()), coef[false], "x", color="#d55e00", label="do not")
    ax.set(title=f"{name}: {false.sum()} false", xlabel="true coefficient")
axes[0].set_ylabel("estimate")
axes[0].legend(loc="upper left", frameon=False)

# %%
# Twenty samples
# --------------
#
# One sample proves nothing. Over twenty, the share of true features among those chosen,
# the share of those that matter which are found, and the distance of the coefficients
# from the truth, whose norm is the root of ten:

rows = {name: [] for name in MODELS}
for seed in range(20):
    data = draw(seed)
    for name, model in MODELS.items():
        coef = model.fit(data.data, data.target).coef_
        rows[name].append(
            (
                support_precision(data.coef, coef),
                support_recall(data.coef, coef),
                estimation_error(data.coef, coef),
            )
        )
print("             precision  recall  error")
for name, found in rows.items():
    precision, recall, error = np.mean(found, axis=0)
    print(f"{name:12} {precision:9.2f} {recall:7.2f} {error:6.3f}")

# %%
# The rule of one standard error buys precision by more shrinkage, hence more error. The
# relaxed and the adaptive Lasso need no such trade: what they keep is hardly shrunk, so
# that a strong penalty predicts well. Neither can help where the signal is too weak to
# tell which features are large; phi = 1 is then the Lasso itself. For penalties that
# are not convex and go further see
# :ref:`sphx_glr_auto_examples_plot_concave_penalties.py`.
