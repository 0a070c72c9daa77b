"""
Steps, images and profiles: the fused Lasso
===========================================

Where features have neighbours, neighbours often share their coefficient. The fused
Lasso pays for each change, so that fits are piecewise constant. We denoise a long
signal, an image on the graph of its pixels, and find which wavelengths of a spectrum
matter.
"""

# %%
# A long signal
# -------------
#
# 100 000 points with 40 steps. With the identity as X the fused Lasso is a denoiser;
# for a line its proximal operator is exact in linear time, so once compiled a certified
# fit takes a fraction of a second. Stronger penalties merge more steps and shrink those
# that stay.

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse import eye_array

from sparsestat.linear_model import FusedLasso, FusedLassoCV, LassoCV
from sparsestat.plotting import SegmentDisplay

rng = np.random.default_rng(0)
n = 100_000
borders = np.sort(rng.choice(n, 40, replace=False))
truth = np.cumsum(np.isin(np.arange(n), borders) * rng.normal(0, 1.5, n))
signal = truth + rng.standard_normal(n)

model = FusedLasso(150 / n, tv_ratio=1.0, fit_intercept=False)
start = perf_counter()
model.fit(eye_array(n, format="csc"), signal)
print(f"{perf_counter() - start:.2f} s, {model.segments_[-1] + 1} segments")
print(f"certified gap {model.dual_gap_:.1e}, asked for {model.dual_gap_tol_:.1e}")

figure, ax = plt.subplots(figsize=(9, 3.8), layout="constrained")
display = SegmentDisplay.from_estimator(model, truth=truth, ax=ax)
shown = slice(None, None, 50)
ax.plot(
    np.arange(n)[shown], signal[shown], ".", color="#BBBBBB", markersize=2, zorder=1
)
ax.set(xlabel="position", ylabel="value")

# %%
# An image
# --------
#
# Pixels and their neighbours are a graph, given by its edges. The total variation of an
# image keeps edges sharp while it removes noise.

side = 48
rows, columns = np.mgrid[:side, :side]
image = 1.0 * ((rows - 18) ** 2 + (columns - 20) ** 2 < 130)
image[30:42, 26:44] = 2.0
noisy = image + 0.5 * rng.standard_normal(image.shape)
pixel = np.arange(side * side).reshape(side, side)
edges = np.vstack(
    [
        np.column_stack([pixel[:-1].ravel(), pixel[1:].ravel()]),
        np.column_stack([pixel[:, :-1].ravel(), pixel[:, 1:].ravel()]),
    ]
)
denoiser = FusedLasso(0.6 / side**2, tv_ratio=1.0, graph=edges, fit_intercept=False)
denoiser.fit(eye_array(side * side, format="csc"), noisy.ravel())
clean = denoiser.coef_.reshape(side, side)

figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
for ax, (title, shown) in zip(
    axes, {"truth": image, "noisy": noisy, "fused": clean}.items(), strict=True
):
    ax.imshow(shown, cmap="cividis", vmin=-0.5, vmax=2.5)
    error = np.sqrt(np.mean((shown - image) ** 2))
    ax.set_title(f"{title}, error {error:.2f}", loc="left", fontsize=10)
    ax.axis("off")

# %%
# Which part of a spectrum?
# -------------------------
#
# 80 smooth spectra of 200 wavelengths, two bands of which matter. The Lasso picks a few
# of the correlated wavelengths; the fused Lasso finds the bands.

wavelengths = np.linspace(400, 1000, 200)
spectra = np.cumsum(rng.standard_normal((80, 200)), axis=1) / 5
spectra += rng.standard_normal(spectra.shape)
bands = np.zeros(200)
bands[50:80], bands[130:145] = 0.3, -0.5
target = spectra @ bands + rng.standard_normal(80)

lasso = LassoCV(alphas=50).fit(spectra, target)
fused = FusedLassoCV(tv_ratio=0.9, alphas=50, eps=1e-3).fit(spectra, target)

figure, axes = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
axes[0].vlines(wavelengths, 0, lasso.coef_, color="#0072B2")
axes[0].plot(wavelengths, bands, color="#D55E00", linewidth=1.2)
SegmentDisplay.from_estimator(fused, positions=wavelengths, truth=bands, ax=axes[1])
axes[1].set_xlabel("wavelength in nm")
for ax, (name, fit) in zip(axes, {"Lasso": lasso, "fused": fused}.items(), strict=True):
    error = np.linalg.norm(fit.coef_ - bands) / np.linalg.norm(bands)
    ax.set_title(f"{name}: relative error {error:.2f}", loc="left", fontsize=10)
    ax.set_ylabel("coefficient")
    ax.spines[["top", "right"]].set_visible(False)
plt.show()
