"""Real wide designs: gene expression with the class as a target of plus, minus one.

The files are not part of the project; each is an ``.npz`` with ``X`` and labels ``y``
in the folder ``microarray`` of the data home: the variable ``SPARSESTAT_DATA``, else
``shared/data`` beside the checkout.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from benchmarks._case import Skip
from benchmarks._problem import Problem
from benchmarks._runner import ROOT
from benchmarks.linear_model._generate import standardised


def microarray(name: str, n_alphas: int = 100, max_features: int | None = None):
    """Read a two-class study; standardised float64, target centred and scaled."""
    home = os.environ.get("SPARSESTAT_DATA")
    folder = Path(home) if home else ROOT.parent / "shared" / "data"
    path = folder / "microarray" / f"{name}.npz"
    if not path.exists():
        raise Skip(f"microarray/{name}.npz is not in the data folder (SPARSESTAT_DATA)")
    with np.load(path) as data:
        X = np.asfortranarray(data["X"][:, :max_features], dtype=np.float64)
        labels = data["y"]
    y = np.where(labels == np.unique(labels)[0], -1.0, 1.0)
    problem: Problem = standardised(X, y, n_alphas=n_alphas)
    return problem
