"""Displays of hyperspectral scenes."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sparsestat.datasets import make_hyperspectral
from sparsestat.linear_model import Lasso
from sparsestat.plotting import (
    AbundanceMapDisplay,
    BandWeightDisplay,
    EndmemberDisplay,
    GuidanceMapDisplay,
)
from sparsestat.preprocessing import BadBandRemover
from sparsestat.unmixing import FCLS, NFINDR, RRLbS

plt = pytest.importorskip("matplotlib.pyplot")

TWO = np.ones((2, 2, 2))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def scene():
    return make_hyperspectral(
        20, 24, endmembers=3, n_bands=60, n_bad_bands=5, random_state=0
    )


@pytest.fixture(scope="module")
def robust(scene):
    return RRLbS(3, random_state=0).fit(np.maximum(scene.X, 0.0))


def test_maps_show_the_abundances(scene):
    model = FCLS().fit(scene.endmembers)
    names = ["soil", "tree", "water"]
    display = AbundanceMapDisplay.from_estimator(model, scene.X, (20, 24), names=names)
    found = model.transform(scene.X)
    for k, (image, ax) in enumerate(zip(display.images_, display.axes_, strict=True)):
        np.testing.assert_allclose(image.get_array().ravel(), found[:, k])
        assert image.get_clim() == (0.0, 1.0)
        assert ax.get_title() == names[k]
    assert display.colorbar_.ax.get_ylabel() == "abundance"


def test_masked_pixels_are_left_open(scene):
    mask = np.zeros((20, 24), dtype=bool)
    mask[3:, :9] = True
    model = NFINDR(3).fit(scene.X)
    pixels = scene.cube[mask]
    display = AbundanceMapDisplay.from_estimator(model, pixels, mask=mask)
    image = display.images_[0].get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(image), ~mask)


def test_maps_of_a_pipeline_on_given_axes(scene):
    pipeline = make_pipeline(BadBandRemover(), NFINDR())
    search = GridSearchCV(pipeline, {"nfindr__n_components": [2]}, cv=2).fit(scene.X)
    _, axes = plt.subplots(1, 2)
    display = AbundanceMapDisplay.from_estimator(search, scene.X, (20, 24), ax=axes)
    assert display.axes_.tolist() == axes.tolist() and display.colorbar_ is None
    big = AbundanceMapDisplay(abundance_maps=np.full((2, 2, 6), 3.0)).plot()
    assert big.images_[0].get_clim() == (0.0, 3.0)
    assert len(big.figure_.axes) == 7


def test_spectra_and_matched_references(scene):
    order = [2, 0, 1]
    display = EndmemberDisplay(
        endmembers=2.0 * scene.endmembers[order],
        wavelengths=scene.wavelengths,
        reference=scene.endmembers,
        names=["a", "b", "c"],
    ).plot()
    assert [label.get_text() for label in display.labels_] == ["c", "a", "b"]
    for line, dashed in zip(display.lines_, display.references_, strict=True):
        np.testing.assert_allclose(line.get_ydata(), dashed.get_ydata())
        assert line.get_color() == dashed.get_color()
    assert display.ax_.get_xlabel() == "wavelength (nm)"
    few = EndmemberDisplay(endmembers=scene.endmembers, reference=scene.endmembers[:1])
    assert len(few.plot().references_) == 1
    assert few.ax_.get_xlabel() == "band"


def test_bands_left_out_by_a_pipeline_break_the_lines(scene):
    pipeline = make_pipeline(BadBandRemover(), NFINDR(3)).fit(scene.X)
    good = pipeline[0].support_
    spaced = scene.wavelengths.copy()
    spaced[30:] += 500.0
    display = EndmemberDisplay.from_estimator(
        pipeline, wavelengths=spaced, reference=scene.endmembers
    )
    x = display.lines_[0].get_xdata()
    np.testing.assert_array_equal(x[~np.isnan(x)], spaced[good])
    assert np.isnan(x).sum() == 1
    y = display.lines_[0].get_ydata()
    np.testing.assert_array_equal(y[~np.isnan(x)], pipeline[-1].components_[0])


def test_channels_out_of_order_are_sorted():
    display = EndmemberDisplay(endmembers=[[3.0, 1.0, 2.0]], wavelengths=[3, 1, 2])
    np.testing.assert_array_equal(display.plot().lines_[0].get_ydata(), [1, 2, 3])


def test_weights_of_bands(scene, robust):
    display = BandWeightDisplay.from_estimator(
        robust, wavelengths=scene.wavelengths, bad_bands=scene.bad_bands
    )
    points = display.points_.get_offsets()
    np.testing.assert_allclose(points[:, 0], scene.wavelengths)
    np.testing.assert_allclose(points[:, 1], robust.band_weights_)
    marks = display.truth_.get_xdata()
    np.testing.assert_array_equal(marks, scene.wavelengths[scene.bad_bands])
    colors = display.points_.get_facecolors()
    low = robust.band_weights_ < 0.5
    assert low.any() and len(np.unique(colors[low], axis=0)) == 1
    assert not (colors[low][0] == colors[~low]).all(axis=1).any()
    assert BandWeightDisplay(band_weights=[1.0]).plot().truth_ is None


def test_guidance(robust):
    display = GuidanceMapDisplay.from_estimator(robust, (20, 24))
    np.testing.assert_array_equal(
        display.image_.get_array().ravel(), robust.guidance_map_
    )
    assert display.image_.get_clim() == (0.0, 1.0)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: AbundanceMapDisplay(abundance_maps=np.ones((4, 3))).plot(), "n_comp"),
        (lambda: AbundanceMapDisplay(abundance_maps=TWO, names="a").plot(),
         "names must have 2 entries; got 1"),
        (lambda: AbundanceMapDisplay(abundance_maps=TWO).plot([None]),
         "ax must hold axes for 2 endmembers; got 1"),
        (lambda: AbundanceMapDisplay.from_estimator(
            FCLS().fit(np.eye(2)), np.eye(2)), "image_shape must be"),
        (lambda: AbundanceMapDisplay.from_estimator(
            FCLS().fit(np.eye(2)), np.eye(2), (3, 3)), "9 rows for an image"),
        (lambda: EndmemberDisplay(endmembers=[1.0]).plot(), "endmembers must be"),
        (lambda: EndmemberDisplay(endmembers=[[1.0]], wavelengths=[1, 2]).plot(),
         "wavelengths must have an entry for each of the 1 bands"),
        (lambda: EndmemberDisplay(endmembers=[[1.0]], reference=[[1.0, 2.0]]).plot(),
         r"reference must have shape \(n_references, 1\)"),
        (lambda: BandWeightDisplay(band_weights=[[1.0]]).plot(), "band_weights must"),
        (lambda: BandWeightDisplay(band_weights=[1.0], bad_bands=[1]).plot(),
         "bad_bands must be indices of the 1 bands"),
        (lambda: GuidanceMapDisplay(guidance_map=[1.0]).plot(), "guidance_map must"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_estimators_of_another_kind_are_told():
    model = Lasso().fit(np.eye(3), np.ones(3))
    with pytest.raises(TypeError, match="components_, such as NFINDR"):
        EndmemberDisplay.from_estimator(model)
    with pytest.raises(TypeError, match="band_weights_, such as RRLbS"):
        BandWeightDisplay.from_estimator(model)
    with pytest.raises(TypeError, match="guidance_map_, such as RRLbS"):
        GuidanceMapDisplay.from_estimator(model, (1, 3))
