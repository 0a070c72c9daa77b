"""hidimstat: the desparsified Lasso, a scikit-learn Lasso for every feature.

It runs in the virtual environment whose Python the variable
``SPARSESTAT_HIDIMSTAT_PYTHON`` names, else in this one.
"""

from __future__ import annotations

import os
import sys

from benchmarks._peers import distribution_versions

NAME = "hidimstat"
TOLERANCES = [1e-4]


def interpreter() -> str:
    """Python that has it."""
    return os.environ.get("SPARSESTAT_HIDIMSTAT_PYTHON", sys.executable)


def versions() -> dict[str, str]:
    """Versions of what runs."""
    return distribution_versions("hidimstat", "scikit-learn", "numpy", "scipy")


def options(task: str, n_samples: int, n_features: int, sparse: bool) -> dict:
    """Its defaults."""
    return {"default": {}}


def intervals(X, y, threads: int):
    """Lower and upper ends of 95 % intervals of all coefficients."""
    from hidimstat import DesparsifiedLasso

    model = DesparsifiedLasso(confidence=0.95, n_jobs=threads)
    model.fit(X, y).importance(X, y)
    return model.confidence_bound_min_, model.confidence_bound_max_
