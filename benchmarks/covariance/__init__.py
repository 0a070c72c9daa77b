"""Sparse inverse covariances: paths of the graphical Lasso.

==== =========================================================================
A    p=500, n=400, 20 blocks of 25 features, 8 strengths
B    p=1000, n=500, 40 blocks of 25 features, 5 strengths
==== =========================================================================

Gaps are divided by the number of features.
"""

from functools import partial

from benchmarks.covariance._generate import blocks
from benchmarks.linear_model._paths import path_case

TITLE = "Graphical models"
TARGETS = (1e-3, 1e-4, 1e-6)

CASES = [
    path_case(
        "A",
        "Graphical Lasso, 500 features in blocks of 25 (gap for each feature)",
        partial(blocks, 400, 500, n_alphas=8),
        partial(blocks, 60, 40, n_alphas=4),
        targets=TARGETS,
        task="graphical_lasso",
    ),
    path_case(
        "B",
        "Graphical Lasso, 1000 features in blocks of 25 (gap for each feature)",
        partial(blocks, 500, 1_000, n_alphas=5),
        partial(blocks, 60, 50, n_alphas=4),
        targets=TARGETS,
        task="graphical_lasso",
    ),
]
