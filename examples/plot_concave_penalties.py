"""
Shrink the noise, not the signal
================================

The Lasso shrinks every coefficient by about alpha, large ones too. To fit them it has
to choose a small alpha, and that lets noise in. A concave penalty charges large
coefficients nothing more: we look at penalties and their thresholding functions, at two
paths, and at what is found in repeated draws.
"""

# %%
# Penalties
# ---------
#
# With one feature of unit variance the solution is a function of its correlation z with
# the target: the *proximal operator*. Above, the price of a coefficient; below, the
# coefficient that comes out, beside the line of no shrinkage. MCP and SCAD meet it;
# powers below one jump.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.datasets import make_sparse_regression
from sparsestat.linear_model import LassoCV, LassoIC, MCPRegressorCV
from sparsestat.metrics import estimation_error, support_precision, support_recall
from sparsestat.optim.penalties import L1, MCP, SCAD, LogSum, Lq, prepare, prox, value
from sparsestat.plotting import CoefficientPathDisplay

penalties = {
    "l1": (L1(1.0), "#444444"),
    "MCP, gamma = 3": (MCP(1.0, 3.0), "#0072B2"),
    "SCAD, gamma = 3.7": (SCAD(1.0, 3.7), "#D55E00"),
    "power 1/2": (Lq(0.8, 0.5), "#009E73"),
    "log-sum, epsilon = 1": (LogSum(1.2, 1.0), "#CC79A7"),
}
sizes = np.linspace(-5, 5, 1001)
figure, (above, below) = plt.subplots(
    2, 1, figsize=(7, 7), sharex=True, layout="constrained"
)
for name, (penalty, color) in penalties.items():
    penalty = prepare(penalty, 1)
    above.plot(sizes, [value(penalty, w, 0) for w in sizes], color=color, label=name)
    solution = np.array([prox(penalty, z, 1.0, 0) for z in sizes])
    solution[1:][np.abs(np.diff(solution)) > 0.3] = np.nan  # no line across a jump
    below.plot(sizes, solution, color=color)
below.plot(sizes, sizes, ":", color="#999999", linewidth=1)
above.set_ylabel("penalty")
below.set(xlabel="coefficient without penalty", ylabel="coefficient")
above.legend(loc="upper center", ncols=2, frameon=False, fontsize=9)
for ax in (above, below):
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Two paths
# ---------
#
# 150 samples of 500 features, neighbours correlated by 0.5, eight of which matter. The
# Lasso's coefficients creep up while noise enters; those of the MCP reach least squares
# early and stay. Both strengths are chosen by cross-validation.


def draw(seed):
    """150 samples of 500 features, neighbours correlated by 0.5."""
    return make_sparse_regression(
        150, 500, n_nonzero_coefs=8, snr=4.0, random_state=seed
    )


data = draw(0)
models = {
    "Lasso": LassoCV(eps=0.02).fit(data.data, data.target),
    "MCP": MCPRegressorCV(eps=0.02).fit(data.data, data.target),
}
figure, axes = plt.subplots(2, 1, figsize=(8, 7.4), sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    path = CoefficientPathDisplay.from_estimator(model, n_labels=8, ax=ax)
    ax.legend(handles=[path.alpha_line_], loc="lower left", frameon=False, fontsize=9)
    found = np.count_nonzero(model.coef_)
    ax.set_title(f"{name}: {found} features at the chosen strength", loc="left")

# %%
# A minimum of a penalty that is not convex comes without a proof that it is the best.
# The fit says what it knows: no single coefficient can be improved, to the tolerance.

mcp = models["MCP"]
print(f"stationarity {mcp.stationarity_:.1e}, asked for {mcp.stationarity_tol_:.1e}")

# %%
# What is found
# -------------
#
# Means over six draws. BIC with the MCP needs no folds; with the Lasso it has to
# balance shrinkage against false features.

rows = {}
for seed in range(6):
    drawn = draw(seed)
    X, y = drawn.data, drawn.target
    for name, fit in {
        "Lasso, cross-validated": LassoCV(eps=0.02).fit(X, y),
        "Lasso, BIC": LassoIC("bic", eps=0.02, random_state=0).fit(X, y),
        "MCP, cross-validated": MCPRegressorCV(eps=0.02).fit(X, y),
        "MCP, BIC": MCPRegressorCV(eps=0.02, criterion="bic", random_state=0).fit(X, y),
    }.items():
        rows.setdefault(name, []).append(
            (
                np.count_nonzero(fit.coef_),
                support_precision(drawn.coef, fit.coef_),
                support_recall(drawn.coef, fit.coef_),
                estimation_error(drawn.coef, fit.coef_),
            )
        )
print(f"{'':28}{'features':>9}{'precision':>11}{'recall':>8}{'error':>7}")
for name, values in rows.items():
    size, precision, recall, error = np.mean(values, axis=0)
    print(f"{name:28}{size:9.1f}{precision:11.2f}{recall:8.2f}{error:7.2f}")
plt.show()
