"""Data of this folder's tests."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data():
    """Sixty samples of thirty features, three of which matter."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 30))
    y = X[:, :3] @ [2.0, -1.0, 1.0] + rng.standard_normal(60) + 2.0
    return X, y
