"""
From an ENVI file to abundance maps
===================================

The whole way of a hyperspectral image: read it, find the bands of noise, count the
materials, unmix, look at maps and spectra, save them. The scene is drawn, so that the
truth is known at the end.
"""

# %%
# The file
# --------
#
# Five materials in blocks of pixels that a moving mean mixes at their borders. The
# light changes over the image, 20 of 224 bands are mostly noise, and a corner was not
# measured. It is written as an ENVI file, the way an instrument would deliver it.

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from spectral.io import envi

from sparsestat.datasets import make_hyperspectral, read_cube

scene = make_hyperspectral(
    64,
    64,
    endmembers=5,
    max_purity=1.0,
    n_bad_bands=20,
    illumination=0.3,
    random_state=3,
)
cube = scene.cube.astype(np.float32)
cube[:9, :13] = -1.0

folder = TemporaryDirectory()
path = Path(folder.name, "scene.hdr")
metadata = {
    "wavelength": scene.wavelengths.tolist(),
    "wavelength units": "Nanometers",
    "data ignore value": -1,
}
envi.save_image(str(path), cube, metadata=metadata)

image = read_cube(path)
waves = image.wavelengths
measured = ~np.isnan(image.cube).any(axis=2)
print(image.cube.shape, f"{waves[0]:.0f} to {waves[-1]:.0f} nm")
print(f"{np.count_nonzero(~measured)} pixels are missing")

# %%
# Bands of noise
# --------------
#
# What a band holds beyond the prediction from all others is taken for its noise.
# ``BadBandRemover`` keeps bands of 10 dB and more; it also knows where water vapour
# takes the light.

from sparsestat.preprocessing import BadBandRemover
from sparsestat.unmixing import cube_to_pixels

X = cube_to_pixels(image.cube, measured)
remover = BadBandRemover(wavelengths=waves).fit(X)
good = remover.support_
water = (remover.snr_db_ >= remover.min_snr_db) & ~good

figure, ax = plt.subplots(figsize=(7.5, 3), layout="constrained")
for chosen, color, label in (
    (good, "#0072B2", "kept"),
    (water, "#56B4E9", "water vapour"),
    (~good & ~water, "#D55E00", "mostly noise"),
):
    ax.plot(waves[chosen], remover.snr_db_[chosen], ".", color=color, label=label)
ax.axhline(remover.min_snr_db, color="#BBBBBB", linewidth=0.8, zorder=0)
ax.set(xlabel="wavelength (nm)", ylabel="signal to noise (dB)")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
print(f"{good.sum()} of {len(good)} bands are kept")
print("bad bands that are kept:", np.intersect1d(np.flatnonzero(good), scene.bad_bands))

# %%
# How many materials
# ------------------
#
# Two counts come from the eigenvalues of the scene. Cross-validation asks how well
# every other band is predicted from the rest, in pixels that had no part in the search
# for endmembers; the smallest number whose error is within one standard error of the
# least is taken.

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sparsestat.unmixing import NFINDR, hfc, hysime
from sparsestat.utils.model_selection import smallest_within_one_se

print("hysime:", hysime(X[:, good]), " hfc:", hfc(X[:, good]))

numbers = range(2, 10)
search = GridSearchCV(
    make_pipeline(BadBandRemover(wavelengths=waves), NFINDR()),
    {"nfindr__n_components": numbers},
    refit=smallest_within_one_se,
).fit(X)
chosen = search.best_params_["nfindr__n_components"]
print("cross-validation:", chosen)

errors = -search.cv_results_["mean_test_score"]
spread = search.cv_results_["std_test_score"] / np.sqrt(search.n_splits_ - 1)
figure, ax = plt.subplots(figsize=(5.5, 3), layout="constrained")
ax.errorbar(numbers, errors, spread, color="#0072B2", marker="o", capsize=3)
ax.axvline(chosen, color="#D55E00", linewidth=1.0, zorder=0)
ax.set(xlabel="endmembers", ylabel="error of held-out bands")
ax.set_ylim(bottom=0.0)
ax.spines[["top", "right"]].set_visible(False)

# %%
# Endmembers and abundances
# -------------------------
#
# One call from the image to the maps. Missing pixels have no part in it. Abundances are
# non-negative and divided by their sum, which takes the changing light out. Dashed are
# the true spectra.

from sparsestat.metrics import unmixing_report
from sparsestat.plotting import AbundanceMapDisplay, EndmemberDisplay
from sparsestat.unmixing import unmix

pipeline = make_pipeline(
    BadBandRemover(wavelengths=waves), NFINDR(chosen, denoise=True)
)
result = unmix(image.cube, extractor=pipeline, wavelengths=waves)

materials = ["clay", "grass", "gravel", "roof", "sand"]
report = unmixing_report(
    scene.endmembers[:, result.bands],
    result.endmembers,
    scene.abundance_maps[measured],
    result.abundance_maps[measured],
    names=materials,
)
order = report["match"].iloc[:-1].to_numpy()

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
EndmemberDisplay(
    endmembers=result.endmembers[order],
    wavelengths=waves[result.bands],
    reference=scene.endmembers[:, result.bands],
    names=materials,
).plot(ax)
AbundanceMapDisplay(
    abundance_maps=result.abundance_maps[:, :, order], names=materials
).plot()
report.round(3)

# %%
# What does not fit
# -----------------
#
# The root mean squared error of each pixel should look like noise. Strong structure
# would tell of a material that is missing; the faint blocks here are those of the two
# materials whose purest pixels still hold a little of others.

figure, ax = plt.subplots(figsize=(4.2, 3.4), layout="constrained")
ax.set_facecolor("#BBBBBB")
drawn = ax.imshow(result.rmse, cmap="magma", vmin=0.0)
ax.set(xticks=[], yticks=[])
figure.colorbar(drawn, label="error of the pixel")

# %%
# Saving
# ------
#
# Maps are images like any other, and read back as such.

maps = result.abundance_maps[:, :, order].astype(np.float32)
saved = Path(folder.name, "abundances.hdr")
envi.save_image(
    str(saved), np.nan_to_num(maps, nan=-1.0),
    metadata={"band names": materials, "data ignore value": -1},
)  # fmt: skip
again = read_cube(saved).cube
print("read back:", again.shape, np.array_equal(again, maps, equal_nan=True))
folder.cleanup()
