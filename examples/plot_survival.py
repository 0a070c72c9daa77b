"""
Survival with many features
===========================

Three hundred patients, a thousand measurements, and for half of the patients only the
knowledge that they were well when last seen. We choose a sparse proportional hazards
model by cross-validation, and see what it says about patients it has not met.
"""

# %%
# A cohort
# --------
#
# Four of the features multiply the hazard of a Weibull distribution, by up to two per
# standard deviation; neighbouring features are correlated. Patients leave the study at
# random times.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from sparsestat.linear_model import SparseCoxRegressorCV
from sparsestat.metrics import concordance_index, support_precision, support_recall

rng = np.random.default_rng(0)
n, p = 600, 1000
X = rng.standard_normal((n, p))
for j in range(1, p):
    X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
coef = np.zeros(p)
coef[[100, 300, 500, 700]] = [0.7, -0.7, 0.5, -0.5]
time = (rng.exponential(np.exp(-X @ coef))) ** (1 / 1.5)
censoring = rng.exponential(1.5, n)
y = np.empty(n, [("event", bool), ("years", float)])
y["event"], y["years"] = time <= censoring, 5.0 * np.minimum(time, censoring)
X, X_new, y, y_new = train_test_split(X, y, test_size=0.5, random_state=0)
print(f"{y['event'].mean():.0%} of the events were seen")

# %%
# The strength
# ------------
#
# The loss of a fold is the deviance that its patients add to the others'. One standard
# error above the least, few features are left.

model = SparseCoxRegressorCV(alpha_rule="1se", alphas=40, eps=0.15).fit(X, y)
print(f"features:    {np.flatnonzero(model.coef_)}")
print(f"recall:      {support_recall(coef, model.coef_):.2f}")
print(f"precision:   {support_precision(coef, model.coef_):.2f}")
print(f"certificate: gap {model.dual_gap_:.1e}, asked {model.dual_gap_tol_:.1e}")
assert model.dual_gap_ <= model.dual_gap_tol_

mean = model.deviance_path_.mean(axis=1)
error = model.deviance_path_.std(axis=1, ddof=1) / np.sqrt(5)
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.fill_between(model.alphas_, mean - error, mean + error, color="#0072B2", alpha=0.2)
axes.plot(model.alphas_, mean, color="#0072B2")
axes.axvline(model.alpha_, color="#444444", linestyle="--", linewidth=1)
axes.annotate(
    "one standard error",
    (model.alpha_, axes.get_ylim()[1]),
    xytext=(5, -12),
    textcoords="offset points",
    size=9,
)
axes.set(xscale="log", xlabel="alpha", ylabel="deviance of held-out patients")
axes.minorticks_off()
axes.set_xticks([0.1, 0.2, 0.3], ["0.1", "0.2", "0.3"])
axes.spines[["top", "right"]].set_visible(False)

# %%
# New patients
# ------------
#
# A third with the lowest predicted hazards, a third in between, a third with the
# highest. Smooth: the mean of the curves that the model predicts for them. Thin: what
# happened to them, by the estimator of Kaplan and Meier, which knows nothing of the
# features.


def kaplan_meier(y):
    """Times of events, and the share that survives them."""
    times = np.unique(y["years"][y["event"]])
    at_risk = (y["years"][:, None] >= times).sum(axis=0)
    died = (y["years"][:, None] == times)[y["event"]].sum(axis=0)
    return times, np.cumprod(1.0 - died / at_risk)


risk = model.predict(X_new)
print(f"concordance with new patients: {concordance_index(y_new, risk):.2f}")
thirds = np.digitize(risk, np.quantile(risk, [1 / 3, 2 / 3]))
grid = np.linspace(0.0, 15.0, 200)
names = ("low", "medium", "high")
colours = ("#009E73", "#E69F00", "#D55E00")

figure, axes = plt.subplots(figsize=(7, 4.4), layout="constrained")
for third, (name, colour) in enumerate(zip(names, colours, strict=True)):
    chosen = thirds == third
    curves = model.predict_survival_function(X_new[chosen], grid)
    axes.plot(grid, curves.mean(axis=0), color=colour, label=f"{name} hazard")
    times, share = kaplan_meier(y_new[chosen])
    axes.step(
        np.append(0.0, times),
        np.append(1.0, share),
        where="post",
        color=colour,
        linewidth=0.9,
        alpha=0.8,
    )
axes.set(xlim=(0, 15), ylim=(0, 1.02), xlabel="years", ylabel="share without the event")
axes.legend(frameon=False, title="predicted")
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The order is right. The penalty shrinks coefficients towards zero, so the predicted
# curves lie closer together than the true ones; a second, less penalised fit on the
# chosen features spreads them.
