"""
Selecting features without moving rows
======================================

Twenty hospitals, each with two hundred rows and four hundred features. The rows may not
leave. What has to be sent so that the best subset of features is the one of all rows?
"""

# %%
# Four ways
# ---------
#
# "gram" sends all second moments, p (p + 1) / 2 numbers from each place, and is exact.
# "surrogate" sends gradients, and second moments of the few features that the largest
# places propose. The naive way averages the subsets that each place finds alone; the
# cautious one keeps features that at least half of the places find.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.datasets import make_shards
from sparsestat.linear_model import DistributedBestSubsetRegressor
from sparsestat.metrics import support_precision, support_recall
from sparsestat.plotting import CommunicationDisplay

data = make_shards(
    4000, 400, n_shards=20, n_nonzero_coefs=10, heterogeneity=0.3, random_state=0
)
models = {
    name: DistributedBestSubsetRegressor(algorithm=name).fit(data.shards)
    for name in ("gram", "surrogate")
}
for name, model in models.items():
    print(f"{name}: {model.n_nonzero_coefs_} features, {model.n_rounds_} rounds")
    for row in model.communication_:
        print(
            f"    {row['purpose']:<14} {row['up_floats_per_shard']:>7} numbers from a "
            f"shard, {row['up_bytes_total'] / 1e3:>8.1f} kB in all"
        )
same = np.array_equal(models["gram"].support_, models["surrogate"].support_)
print("the same features:", same)

# %%
# Local fits, averaged
# --------------------
#
# Two hundred rows are few: each place finds false features of its own, and their
# average has them all.


local = np.array(
    [
        DistributedBestSubsetRegressor(criterion="gic").fit([shard]).coef_
        for shard in data.shards
    ]
)
often = (local != 0).mean(axis=0) >= 0.5
coefs = {name: model.coef_ for name, model in models.items()}
coefs["average of local fits"] = local.mean(axis=0)
coefs["features of most local fits"] = np.where(often, local.mean(axis=0), 0.0)
for name, coef in coefs.items():
    precision = support_precision(data.coef, coef)
    recall = support_recall(data.coef, coef)
    print(f"{name:<28} precision {precision:.2f}, recall {recall:.2f}")

# %%
# Error against communication
# ---------------------------

local_bytes = 16 * np.count_nonzero(local)  # an index and a value for each feature
pooled = DistributedBestSubsetRegressor().fit(data.data, data.target)
errors = [np.linalg.norm(coef - data.coef) for coef in coefs.values()]
figure, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
CommunicationDisplay(
    bytes_total=[*(m.bytes_total_ for m in models.values()), local_bytes, local_bytes],
    errors=errors,
    names=list(coefs),
    n_rounds=[*(m.n_rounds_ for m in models.values()), 1, 1],
    pooled_error=np.linalg.norm(pooled.coef_ - data.coef),
    error_name="distance of the coefficients from the truth",
).plot(ax=ax)

# %%
# The more places, the fewer rows in each
# ---------------------------------------
#
# Twenty thousand rows, in ever more places. What is found from pooled moments does not
# depend on their number; local fits do, and a place alone has less and less to go by.
# Errors are those of least squares on the true features, times so much.

counts, draws = [5, 20, 100], 5
ratios = {name: [] for name in ("surrogate", "average of local fits", "one place")}
for m in counts:
    found = {name: [] for name in ratios}
    for seed in range(draws):
        data = make_shards(20_000, 200, n_shards=m, random_state=seed)
        truth = np.flatnonzero(data.coef)
        oracle = np.linalg.lstsq(data.data[:, truth], data.target)[0]
        base = np.linalg.norm(oracle - data.coef[truth])
        model = DistributedBestSubsetRegressor(criterion="gic", algorithm="surrogate")
        one = DistributedBestSubsetRegressor(
            criterion="gic", solver="swap", refine=None, max_nonzero_coefs=30
        )
        local = np.array([one.fit([shard]).coef_ for shard in data.shards])
        coefs = [model.fit(data.shards).coef_, local.mean(axis=0), local[0]]
        for name, coef in zip(ratios, coefs, strict=True):
            found[name].append(np.linalg.norm(coef - data.coef) / base)
    for name, values in found.items():
        ratios[name].append(np.mean(values))

figure, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
colors = ["#D55E00", "#009E73", "#CC79A7"]
for (name, values), color in zip(ratios.items(), colors, strict=True):
    ax.loglog(counts, values, "o-", color=color, label=name)
    print(f"{name:<24}", " ".join(f"{value:6.2f}" for value in values))
ax.axhline(1.0, color="0.6", linestyle="--", zorder=0)
ax.set(xlabel="places", ylabel="error / that of the oracle")
ax.set_xticks(counts, [str(m) for m in counts], minor=False)
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)

# %%
# The account grows with the number of features: "gram" with its square, "surrogate"
# more slowly, as only the largest places send all of their second moments.

sent = {"gram": [], "surrogate": []}
sizes = [100, 200, 400, 800]
for p in sizes:
    shards = make_shards(4000, p, n_shards=20, random_state=1).shards
    for name, found in sent.items():
        model = DistributedBestSubsetRegressor(algorithm=name, max_nonzero_coefs=20)
        model.fit(shards)
        found.append(model.bytes_total_ / 20)

figure, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for (name, found), color in zip(sent.items(), ["#0072B2", "#D55E00"], strict=True):
    ax.loglog(sizes, found, "o-", color=color, label=name)
ax.set(xlabel="features", ylabel="bytes for each shard")
ax.set_xticks(sizes, [str(p) for p in sizes], minor=False)
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
plt.show()
