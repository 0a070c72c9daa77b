"""Documents on topics in known shares."""

import numpy as np
import pytest
from scipy.stats import poisson

from sparsestat.datasets import make_label_proportions
from sparsestat.utils.validation import ParameterError


@pytest.mark.parametrize("proportions", ["uniform", "mixed"])
def test_shares(proportions):
    dataset = make_label_proportions(
        3000, 4, proportions=proportions, length=50, random_state=0
    )
    np.testing.assert_allclose(dataset.target.sum(axis=1), 1.0)
    sizes = (dataset.target > 0).sum(axis=1)
    expected = poisson(1).pmf(np.arange(1, 5))
    found = np.bincount(sizes, minlength=5)[1:] / 3000
    np.testing.assert_allclose(found, expected / expected.sum(), atol=0.03)
    equal = np.ptp(np.where(dataset.target > 0, dataset.target, np.nan), axis=1)
    several = sizes > 1
    spread = np.array([np.ptp(row[row > 0]) for row in dataset.target[several]])
    assert np.isnan(equal[several]).any()
    assert (spread == 0).all() == (proportions == "uniform")
    first = np.bincount(dataset.target[sizes == 1].argmax(axis=1), minlength=4)
    np.testing.assert_allclose(first / first.sum(), dataset.class_prior, atol=0.04)


def test_words_come_from_the_mixture():
    dataset = make_label_proportions(400, 5, n_features=30, length=5000, random_state=1)
    assert dataset.data.shape == (400, 30)
    lengths = dataset.data.sum(axis=1)
    assert lengths.mean() == pytest.approx(5000, rel=0.01)
    assert lengths.std() == pytest.approx(5000**0.5, rel=0.15)
    expected = dataset.target @ dataset.word_distributions
    np.testing.assert_allclose(dataset.data / lengths[:, None], expected, atol=0.02)
    np.testing.assert_allclose(dataset.word_distributions.sum(axis=1), 1.0)


def test_seeds():
    short = make_label_proportions(50, 6, length=100, random_state=3)
    long = make_label_proportions(50, 6, length=900, random_state=3)
    np.testing.assert_array_equal(short.target, long.target)
    np.testing.assert_array_equal(short.word_distributions, long.word_distributions)
    X, y = make_label_proportions(50, 6, length=100, random_state=3, return_X_y=True)
    np.testing.assert_array_equal(X, short.data)
    np.testing.assert_array_equal(y, short.target)
    assert not np.array_equal(
        short.target, make_label_proportions(50, 6, random_state=4).target
    )


def test_wrong_parameters_are_named():
    for name, value in [("n_classes", 1), ("n_labels", 0), ("proportions", "equal")]:
        with pytest.raises(ParameterError, match=f"label_proportions: {name} must"):
            make_label_proportions(**{name: value})


def test_many_labels():
    target = make_label_proportions(20, 3, n_labels=1e4, random_state=0).target
    np.testing.assert_allclose(target, 1 / 3)
