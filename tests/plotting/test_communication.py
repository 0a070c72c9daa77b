"""Errors against bytes as they are drawn."""

import numpy as np
import pytest

from sparsestat.datasets import make_shards
from sparsestat.linear_model import DistributedBestSubsetRegressor, Lasso
from sparsestat.plotting import CommunicationDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_a_point_for_each_method():
    data = make_shards(300, 20, n_nonzero_coefs=3, random_state=0)
    models = {
        name: DistributedBestSubsetRegressor(3, algorithm=name).fit(data.shards)
        for name in ("gram", "columns")
    }
    display = CommunicationDisplay.from_estimators(
        models, data.coef, pooled_error=0.1, marker_kw={"markersize": 3}
    )
    assert len(display.points_) == 2
    for point, model in zip(display.points_, models.values(), strict=True):
        np.testing.assert_allclose(point.get_xdata(), model.bytes_total_)
        error = np.linalg.norm(model.coef_ - data.coef)
        np.testing.assert_allclose(point.get_ydata(), error)
        assert point.get_markersize() == 3
    np.testing.assert_allclose(display.pooled_.get_ydata(), 0.1)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[0] == "all rows in one place"
    assert texts[1] == f"gram, {models['gram'].n_rounds_} rounds"


def test_errors():
    with pytest.raises(
        ValueError, match=r"one shape \(n_methods,\).*\(2,\) and \(1,\)"
    ):
        CommunicationDisplay(bytes_total=[1, 2], errors=[1.0]).plot()
    model = Lasso().fit(np.eye(3), np.ones(3))
    with pytest.raises(Exception, match="bytes_total_"):
        CommunicationDisplay.from_estimators({"Lasso": model}, np.zeros(3))
