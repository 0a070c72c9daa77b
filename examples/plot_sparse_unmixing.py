"""
Sparse unmixing with a library: pixels, scenes and images
=========================================================

When the materials of a hyperspectral scene are not known, a library of spectra stands
in for them: few of its spectra should explain each pixel. Spectra of a library are
alike, so that each pixel alone is easily mistaken. We compare sparse unmixing of each
pixel with two models in which pixels know each other.
"""

# %%
# A scene and a library
# ---------------------
#
# The library has twelve families of six spectra that hardly differ. Four spectra from
# different families are in the scene: a background, discs, a stripe, and a slope.

import matplotlib.pyplot as plt
import numpy as np

from sparsestat.metrics import signal_to_reconstruction_error
from sparsestat.unmixing import CLSUnSAL, SUnSAL, SUnSALTV

rng = np.random.default_rng(0)
x = np.linspace(0.0, 1.0, 120)
families = []
for _ in range(12):
    curve = 0.3 + 0.3 * rng.random() * x
    for centre, height in zip(rng.random(4), rng.uniform(-0.3, 0.4, 4), strict=True):
        curve = curve + height * np.exp(-(((x - centre) / rng.uniform(0.05, 0.2)) ** 2))
    dips = np.exp(-(((x - rng.random((6, 1))) / 0.08) ** 2))
    families.append(curve + rng.uniform(-0.06, 0.06, (6, 1)) * dips)
library = np.clip(np.vstack(families), 0.02, None)
likeness = np.corrcoef(library) - np.eye(len(library))
print(f"{len(library)} spectra; the closest two correlate by {likeness.max():.4f}")

side = 48
rows, columns = np.mgrid[:side, :side] / (side - 1.0)
discs = sum(
    ((rows - r) ** 2 + (columns - c) ** 2 < 0.012) * share
    for r, c, share in [(0.2, 0.2, 0.9), (0.2, 0.75, 0.6), (0.75, 0.25, 0.3)]
)
stripe = 0.7 * (np.abs(rows - columns - 0.15) < 0.06) * (discs == 0.0)
slope = 0.5 * columns * (1.0 - discs - stripe)
background = 1.0 - discs - stripe - slope
used = np.array([3, 20, 41, 68])
truth = np.zeros((side * side, len(library)))
truth[:, used] = np.stack([background, discs, stripe, slope], axis=-1).reshape(-1, 4)

clean = truth @ library
noise = np.sqrt(np.mean(clean**2) * 10.0 ** (-30.0 / 10.0))
X = clean + noise * rng.standard_normal(clean.shape)

# %%
# Three models
# ------------
#
# Strengths of the first two are chosen from three by the error of the abundances, to
# show them at their best.


def abundances_of(model):
    """Of each pixel on its own under a library, or of a scene that is fitted."""
    if "endmembers" in model.get_params():
        return model.set_params(endmembers=library).fit_transform(X)
    return model.fit(library).transform(X)


def best(estimators):
    """The estimator with the smallest error, and its abundances."""
    found = [(model, abundances_of(model)) for model in estimators]
    return max(found, key=lambda pair: signal_to_reconstruction_error(truth, pair[1]))


models = {
    "SUnSAL": best([SUnSAL(alpha) for alpha in (0.003, 0.03, 0.1)]),
    "CLSUnSAL": best([CLSUnSAL(alpha=alpha) for alpha in (0.3, 1.0, 3.0)]),
    "SUnSALTV": best([SUnSALTV(alpha=0.003, alpha_tv=0.01, image_shape=(side, side))]),
}
for name, (model, found) in models.items():
    error = signal_to_reconstruction_error(truth, found)
    gap = model.dual_gap_ if hasattr(model, "dual_gap_") else model.dual_gap(X).sum()
    gap /= 0.5 * np.sum(X**2)
    print(
        f"{name:9} alpha {model.alpha:<6} {error:5.1f} dB, "
        f"{np.count_nonzero(found.max(axis=0) > 0.01)} spectra, relative gap {gap:.0e}"
    )

# %%
# Maps
# ----
#
# Each pixel alone spreads the materials over their families. A common support puts them
# together, pixel by pixel still; the variation smooths the maps within their edges.

maps = {"truth": truth, **{name: found for name, (_, found) in models.items()}}
fig, axes = plt.subplots(
    len(maps), 4, figsize=(7.5, 6.6), sharex=True, sharey=True, layout="constrained"
)
for ax, title in zip(axes[0], ["background", "discs", "stripe", "slope"], strict=True):
    ax.set_title(title)
for row, (name, found) in zip(axes, maps.items(), strict=True):
    row[0].set_ylabel(name)
    for ax, column in zip(row, used, strict=True):
        image = ax.imshow(
            found[:, column].reshape(side, side), vmin=0, vmax=1, cmap="viridis"
        )
        ax.set_xticks([])
        ax.set_yticks([])
fig.colorbar(image, ax=axes, shrink=0.6, label="abundance")
plt.show()
