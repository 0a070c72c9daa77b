"""
Unmixing a scene with bad bands
===============================

Every pixel of a hyperspectral image is a mixture of a few spectra. Detectors and water
vapour spoil some of the bands, and least squares squares what is wrong with them. We
draw a scene by the protocol of the papers, 22 of whose 224 bands hold as much noise as
signal, and unmix it with three losses.
"""

# %%
# The scene
# ---------
#
# Five materials, 64 x 64 pixels, none of them pure, 30 dB in the good bands.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.datasets import make_hyperspectral
from sparsestat.metrics import abundance_rmse, match_endmembers, spectral_angle
from sparsestat.plotting import BandWeightDisplay
from sparsestat.unmixing import ConstrainedNMF, CorrentropyNMF, RRLbS

scene = make_hyperspectral(n_bad_bands=22, random_state=0)
X = np.maximum(scene.X, 0.0)  # reflectance is not negative, noise may be
good = np.setdiff1d(np.arange(X.shape[1]), scene.bad_bands)

# %%
# Three losses
# ------------
#
# All start from the same endmembers: N-FINDR on the bands whose signal stands out of
# the noise. Plain factorisation loses them again, since the bad bands dominate its
# loss. The two robust losses weigh bands by their residuals, and by their noise where
# that stands out. Endmembers are told up to their order, so that each is matched with
# the nearest true one.

models = {
    "least squares": ConstrainedNMF(5, normalize=True, max_iter=1000),
    "CorrentropyNMF": CorrentropyNMF(5, normalize=True),
    "RRLbS": RRLbS(5, normalize=True),
}
order = {}
for name, model in models.items():
    model.fit(X)
    order[name] = match_endmembers(scene.endmembers, model.components_)
    angles = spectral_angle(scene.endmembers, model.components_[order[name]])
    error = abundance_rmse(scene.abundances, model.abundances_[:, order[name]])
    print(
        f"{name:15s} angle {np.degrees(angles.diagonal().mean()):5.1f} degrees, "
        f"abundances {error:.3f}, {model.n_iter_} iterations"
    )

# %%
# Endmembers and weights
# ----------------------
#
# What the weights say about the bands is a by-product: the bad ones can be told without
# looking at them.

colors = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]
figure, axes = plt.subplots(
    2, 3, figsize=(10, 5.4), layout="constrained", sharex=True, height_ratios=[2, 1]
)
for (name, model), column in zip(models.items(), axes.T, strict=True):
    # Unmixed endmembers have the brightness of the brightest pixels: scale to compare.
    found = model.components_[order[name]]
    scale = (scene.endmembers * found).sum(axis=1) / (found**2).sum(axis=1)
    for k, color in enumerate(colors):
        shown = np.full(X.shape[1], np.nan)
        shown[good] = scale[k] * found[k, good]
        column[0].plot(scene.wavelengths, scene.endmembers[k], color=color, alpha=0.35)
        column[0].plot(scene.wavelengths, shown, color=color, lw=1)
    column[0].set_title(name)
    BandWeightDisplay.from_estimator(
        model,
        wavelengths=scene.wavelengths,
        bad_bands=scene.bad_bands,
        ax=column[1],
    )
    column[1].set(ylim=(-0.05, 1.15), title="")
    column[0].spines[["top", "right"]].set_visible(False)
axes[0, 0].set_ylabel("reflectance")

# %%
# The true spectra are pale, what was found is drawn on top, in the good bands.
#
# Abundances, and how pure a pixel is
# -----------------------------------
#
# RRLbS also learns a guidance map: pixels whose abundances are sparse are made sparser,
# and those that are mixed are left alone. It follows the largest true abundance.

shape = scene.abundance_maps.shape[:2]
figure, axes = plt.subplots(3, 6, figsize=(10, 5), layout="constrained")
rows = {
    "truth": scene.abundances,
    **{
        name: models[name].abundances_[:, order[name]]
        for name in ("least squares", "RRLbS")
    },
}
for (name, abundances), row in zip(rows.items(), axes, strict=True):
    for k in range(5):
        row[k].imshow(abundances[:, k].reshape(shape), vmin=0, vmax=1, cmap="viridis")
    row[0].set_ylabel(name)
    purity = abundances.max(axis=1)
    if name == "RRLbS":
        purity = models[name].guidance_map_
        r = np.corrcoef(purity, scene.abundances.max(axis=1))[0, 1]
        print(f"correlation of the map with the largest true abundance: {r:.2f}")
    row[5].imshow(purity.reshape(shape), vmin=0, vmax=1, cmap="magma")
axes[0, 5].set_title("largest")
axes[2, 5].set_title("guidance map", fontsize="medium")
for k in range(5):
    axes[0, k].set_title(f"material {k + 1}", color=colors[k])
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])

# %%
# Robust, sparse, plain
# ---------------------
#
# How much is due to the penalty, and how much to the loss? Where bad bands hold a third
# as much noise as signal, the papers' order can be seen: endmembers of VCA, which takes
# all bands as they are, plain factorisation from the robust start, a penalty that wants
# sparse abundances, and that with a robust loss. All make ten iterations, in which sums
# are exactly one: many more, and plain factorisation takes to the bad bands. Lines are
# medians of four scenes.

from sparsestat.unmixing import VCA

shared = {"sum_to_one": "simplex", "max_iter": 10, "tol": 1.0}
sparse = {**shared, "alpha": 0.05}
methods = {
    "VCA": VCA(5, random_state=0),
    "plain": ConstrainedNMF(5, **shared),
    "sparse": ConstrainedNMF(5, **sparse),
    "CorrentropyNMF": CorrentropyNMF(5, **sparse),
    "RRLbS": RRLbS(5, **sparse),
}
ratios = [10, 20, 30, 40]
results = {name: np.empty((len(ratios), 4, 2)) for name in methods}
for i, snr_db in enumerate(ratios):
    for seed in range(4):
        drawn = make_hyperspectral(
            n_bad_bands=20, bad_band_snr_db=5.0, snr_db=snr_db, random_state=seed
        )
        pixels = np.maximum(drawn.X, 0.0)
        for name, model in methods.items():
            found = model.fit_transform(pixels)
            match = match_endmembers(drawn.endmembers, model.components_)
            angles = spectral_angle(drawn.endmembers, model.components_[match])
            results[name][i, seed] = (
                np.degrees(angles.diagonal().mean()),
                abundance_rmse(drawn.abundances, found[:, match]),
            )

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.2), layout="constrained")
shades = ["#999999", "#E69F00", "#56B4E9", "#D55E00", "#009E73"]
for ax, column, label in zip(
    axes, (0, 1), ("mean angle (degrees)", "error of abundances"), strict=True
):
    for (name, values), shade in zip(results.items(), shades, strict=True):
        middle = np.median(values[:, :, column], axis=1)
        ax.plot(ratios, middle, color=shade, marker="o", ms=4, label=name)
    ax.set(xlabel="decibels in good bands", ylabel=label, xticks=ratios)
    ax.set_ylim(bottom=0.0)
    ax.spines[["top", "right"]].set_visible(False)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right", frameon=False)
plt.show()
