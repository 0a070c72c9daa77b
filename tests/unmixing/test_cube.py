"""Images to pixels and back."""

import numpy as np
import pytest

from sparsestat.unmixing import cube_to_pixels, pixels_to_cube

CUBE = np.random.default_rng(0).random((4, 5, 3))
MASK = np.random.default_rng(1).random((4, 5)) < 0.6


def test_pixels_go_row_by_row_without_a_copy():
    X = cube_to_pixels(CUBE)
    np.testing.assert_array_equal(X[5 * 2 + 3], CUBE[2, 3])
    assert np.shares_memory(X, CUBE)
    np.testing.assert_array_equal(pixels_to_cube(X, (4, 5)), CUBE)
    np.testing.assert_array_equal(cube_to_pixels(np.asfortranarray(CUBE)), X)


def test_masked_pixels_are_left_out_and_filled():
    X = cube_to_pixels(CUBE, MASK)
    assert len(X) == MASK.sum()
    back = pixels_to_cube(X, (4, 5), MASK)
    np.testing.assert_array_equal(back[MASK], CUBE[MASK])
    assert np.isnan(back[~MASK]).all()
    first = pixels_to_cube(X[:, 0].astype(np.float32), (4, 5), MASK, fill=-1.0)
    assert first.shape == (4, 5) and first.dtype == np.float32
    assert (first[~MASK] == -1.0).all()
    assert np.isnan(pixels_to_cube(np.ones(MASK.sum(), int), (4, 5), MASK)).any()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: cube_to_pixels(CUBE[0]), r"an image .* got shape \(5, 3\)"),
        (lambda: cube_to_pixels(CUBE, MASK.T), r"boolean of shape \(4, 5\)"),
        (lambda: cube_to_pixels(CUBE, MASK.astype(int)), "mask must be boolean"),
        (lambda: pixels_to_cube(np.ones((3, 2)), (4, 5)), "pixels must have 20 rows"),
        (lambda: pixels_to_cube(np.ones(3), (4, 5), MASK), "as many as the mask"),
        (lambda: pixels_to_cube(np.ones(3), (3,)), "shape must be"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
