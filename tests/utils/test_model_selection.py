"""The rule that prefers the smaller of two good candidates."""

from functools import partial

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sparsestat.datasets import make_hyperspectral
from sparsestat.preprocessing import BadBandRemover
from sparsestat.unmixing import NFINDR
from sparsestat.utils.model_selection import smallest_within_one_se


def results(scores, sizes, name="param_n_components", scoring="score", **others):
    splits = {
        f"split{i}_test_{scoring}": np.array(column)
        for i, column in enumerate(np.transpose(scores))
    }
    return {name: np.ma.array(sizes), **splits, **others}


def test_smallest_that_is_as_good_as_the_best():
    # Standard error of the best: std([1, 2, 3], ddof=1) / sqrt(3) = 0.577.
    scores = [[0.0, 0.0, 0.0], [1.5, 1.5, 1.5], [1.0, 2.0, 3.0], [1.0, 2.0, 2.9]]
    assert smallest_within_one_se(results(scores, [1, 2, 4, 3])) == 1
    scores[1] = [1.4, 1.4, 1.4]
    assert smallest_within_one_se(results(scores, [1, 2, 4, 3])) == 3
    # The best of those that have the size.
    assert smallest_within_one_se(results(scores, [1, 2, 3, 3])) == 2


def test_failed_candidates_and_single_splits():
    scores = [[np.nan, 1.0], [0.5, 0.5], [0.5, 0.5]]
    assert smallest_within_one_se(results(scores, [1, 3, 2])) == 2
    assert smallest_within_one_se(results([[1.0], [1.5]], [1, 2])) == 1
    with pytest.raises(ValueError, match="no candidate"):
        smallest_within_one_se(results([[np.nan]], [1]))


def test_names():
    found = results([[1.0, 1.0], [1.0, 1.0]], [2, 1], name="param_step__max_depth")
    assert smallest_within_one_se(found, parameter="max_depth") == 1
    with pytest.raises(ValueError, match="'n_components', which fits none"):
        smallest_within_one_se(found)
    two = results([[1.0]], [1], param_pca__n_components=[1])
    with pytest.raises(ValueError, match="fits param_n_components, param_pca__n"):
        smallest_within_one_se(two)
    several = results([[1.0, 1.0]], [1], scoring="rmse")
    assert smallest_within_one_se(several, scoring="rmse") == 0
    with pytest.raises(ValueError, match="scoring must name a score"):
        smallest_within_one_se(several)


@pytest.mark.parametrize("seed", range(5))
def test_number_of_endmembers_is_found(seed):
    scene = make_hyperspectral(
        48, 48, endmembers=5, max_purity=1.0, n_bad_bands=20, random_state=seed
    )
    pipeline = make_pipeline(BadBandRemover(), NFINDR(denoise=True, abundance="nnls"))
    search = GridSearchCV(
        pipeline,
        {"nfindr__n_components": range(3, 9)},
        refit=partial(smallest_within_one_se, parameter="n_components"),
    ).fit(scene.X)
    assert search.best_params_ == {"nfindr__n_components": 5}
    assert search.best_estimator_[-1].n_components_ == 5
