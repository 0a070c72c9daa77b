"""The multi-label table of the sparsemax paper, and its label proportions."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from sparsestat.datasets import get_data_home, make_label_proportions
from sparsestat.linear_model import LabelProportionRegressor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def table():
    path = Path(__file__).parents[2] / "examples" / "multilabel_table.py"
    spec = importlib.util.spec_from_file_location("multilabel_table", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["emotions", "scene"])
def test_published_scores(table, name):
    """Scene to the last digit, but for logistic regression; Emotions within two."""
    folder = Path(get_data_home(), "multilabel")
    if not (folder / f"{name}.npz").is_file():
        pytest.skip(f"{name}.npz is not in the data folder")
    (split,) = next(s for s in table.splits(folder) if s[0].source == name)
    rows = [table.evaluate(method, split) for method in table.METHODS]
    assert all(word.endswith(": met") for word in table.verdicts(name, rows)), rows


@pytest.mark.parametrize("n_classes", [10, 50])
@pytest.mark.parametrize("proportions", ["uniform", "mixed"])
def test_sparse_shares_of_long_documents(n_classes, proportions):
    """Sparsemax halves or nearly halves the divergence of softmax."""
    found = make_label_proportions(
        2400, n_classes, length=2000, proportions=proportions, random_state=0
    )
    X, Y = found.data / found.data.sum(axis=1, keepdims=True), found.target
    divergences = []
    for order in (1.0, 2.0):
        model = LabelProportionRegressor(
            entmax_alpha=order, standardize=True, warm_start=True, tol=1e-3
        )
        best = np.inf
        for alpha in (1e-3, 1e-4, 1e-5):
            P = model.set_params(alpha=alpha).fit(X[:1200], Y[:1200]).predict(X[1200:])
            each = jensenshannon(Y[1200:], P, axis=1) ** 2
            if each[:200].mean() < best:
                best, rest = each[:200].mean(), each[200:].mean()
        divergences.append(rest)
    assert divergences[1] < 0.75 * divergences[0]
