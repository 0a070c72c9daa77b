"""Linear models: paths, cross-validation, single fits, cold start, memory.

==== =========================================================================
A    path, n=500, p=5000, correlation 0.5, 50 spikes
B    path, n=1000, p=10000, correlation 0.9, 100 spikes
C    path, n=5000, p=1000, correlation 0.5, 50 spikes
D    path, sparse, n=2000, p=20000, density 0.005, 50 spikes
E    group Lasso paths, n=500, p=5000, groups of ten, 50 strengths, to 1/10 and 1/100
F    logistic regression, path, n=1000, p=5000, 20 spikes
G    cross-validation, n=400, p=2000, 5 folds
H    cold start: imports and first fits
I    big float32 designs, tall and wide, with peak memory
J    confidence intervals, 200 x 400 and 300 x 1000
L    total variation of a line of 100000 points
M    microarrays golub and gravier
N    path of the minimax concave penalty on the problem of A, gamma 3
O    SLOPE paths, 500 x 5000 and 1000 x 200
P    proportional hazards, path, n=1000, p=5000, half of the samples censored
Q    medians, path, n=300, p=1000, heavy tails
R    square-root Lasso, path, n=500, p=5000 and n=5000, p=500
S    single fits, shapes from 200 x 200 to 20000 x 2000, three strengths each
T    multi-task Lasso paths, n=300, p=3000, 20 tasks, 50 strengths, to 1/10 and 1/30
U    Huber's loss, paths, 500 x 5000 and 5000 x 500, heavy tails
V    classifiers at equal relative certificates: digits, 60000 x 784, sparse
==== =========================================================================
"""

from functools import partial

import numpy as np

from benchmarks.linear_model._cold_start import cold_start_case
from benchmarks.linear_model._cross_validation import cross_validation_case
from benchmarks.linear_model._generate import (
    ar1,
    ar1_slope,
    classes,
    cohort,
    digits,
    grouped,
    heavy_tails,
    labelled,
    sparse_gaussian,
    tasks,
)
from benchmarks.linear_model._intervals import intervals_case
from benchmarks.linear_model._line import line_case
from benchmarks.linear_model._microarray import microarray
from benchmarks.linear_model._paths import path_case
from benchmarks.linear_model._single_fits import single_fits_case

TITLE = "Linear models"

_float32 = {"dtype": np.float32}
_quick_wide = partial(ar1, 60, 300, n_spikes=5, n_alphas=20)
_quick_tall = partial(ar1, 400, 60, n_spikes=5, n_alphas=20)
# a certificate of float32 coefficients cannot be expected below 1e-5
_float32_targets = (1e-3, 1e-4, 1e-5)
_largest_gram = 2**29

CASES = [
    path_case("A", "Wide, 500 x 5000", partial(ar1, 500, 5_000), _quick_wide),
    path_case(
        "B",
        "Wide, strongly correlated, 1000 x 10000",
        partial(ar1, 1_000, 10_000, rho=0.9, n_spikes=100),
        partial(_quick_wide, rho=0.9),
    ),
    path_case("C", "Tall, 5000 x 1000", partial(ar1, 5_000, 1_000), _quick_tall),
    path_case(
        "D",
        "Sparse, 2000 x 20000, density 0.005",
        partial(sparse_gaussian, 2_000, 20_000),
        partial(
            sparse_gaussian, 200, 500, density=0.05, n_spikes=5, n_alphas=20, seed=0
        ),
    ),
    *(
        path_case(
            f"E.{ratio}",
            f"Groups of ten, 500 x 5000, down to 1/{ratio}",
            partial(grouped, 500, 5_000, eps=1 / ratio),
            partial(grouped, 60, 300, n_groups=2, n_alphas=10),
            task="group_path",
        )
        for ratio in (10, 100)
    ),
    cross_validation_case(
        "G",
        "Cross-validation, 400 x 2000",
        partial(ar1, 400, 2_000),
        _quick_wide,
    ),
    cold_start_case("H", "Cold start"),
    path_case(
        "I.tall",
        "Big and tall, float32, 200000 x 300",
        partial(ar1, 200_000, 300, **_float32),
        partial(_quick_tall, **_float32),
        targets=_float32_targets,
        gram_cap=8 * 300**2,
    ),
    path_case(
        "I.wide",
        "Big and wide, float32, 300 x 200000",
        partial(ar1, 300, 200_000, **_float32),
        partial(_quick_wide, **_float32),
        targets=_float32_targets,
        gram_cap=_largest_gram,
    ),
    path_case(
        "M.golub",
        "Microarray golub, 72 x 7129",
        partial(microarray, "golub"),
        partial(microarray, "golub", n_alphas=20, max_features=300),
    ),
    path_case(
        "M.gravier",
        "Microarray gravier, 168 x 2905",
        partial(microarray, "gravier"),
        partial(microarray, "gravier", n_alphas=20, max_features=300),
    ),
    path_case(
        "F",
        "Logistic regression, 1000 x 5000",
        partial(labelled, 1_000, 5_000),
        partial(labelled, 100, 200, n_spikes=5, n_alphas=10, eps=0.2),
        task="logistic_path",
    ),
    path_case(
        "N",
        "Minimax concave penalty, 500 x 5000 (gap: violated stationarity)",
        partial(ar1, 500, 5_000),
        _quick_wide,
        task="mcp_path",
    ),
    path_case(
        "P",
        "Proportional hazards, 1000 x 5000",
        partial(cohort, 1_000, 5_000),
        partial(cohort, 100, 200, n_spikes=5, n_alphas=10, eps=0.2),
        task="cox_path",
    ),
    path_case(
        "O.wide",
        "SLOPE path, 500 x 5000, 50 strengths",
        partial(ar1_slope, 500, 5_000, n_alphas=50),
        partial(ar1_slope, 60, 300, n_spikes=5, n_alphas=20),
        task="slope_path",
    ),
    path_case(
        "O.tall",
        "SLOPE path, 1000 x 200, 100 strengths",
        partial(ar1_slope, 1_000, 200, n_spikes=20, eps=1e-3),
        partial(ar1_slope, 200, 40, n_spikes=5, n_alphas=20),
        task="slope_path",
    ),
    path_case(
        "R.wide",
        "Square-root Lasso, 500 x 5000, 20 strengths",
        partial(ar1, 500, 5_000, n_spikes=20, n_alphas=20, eps=0.3),
        partial(ar1, 60, 300, n_spikes=5, n_alphas=5, eps=0.5),
        task="sqrt_path",
    ),
    path_case(
        "R.tall",
        "Square-root Lasso, 5000 x 500, 20 strengths",
        partial(ar1, 5_000, 500, n_spikes=20, n_alphas=20, eps=0.03),
        partial(ar1, 200, 40, n_spikes=5, n_alphas=5, eps=0.3),
        task="sqrt_path",
    ),
    intervals_case("J.many", "Confidence intervals, 150 x 120", 150, 120, 200),
    intervals_case("J.small", "Confidence intervals, 200 x 400", 200, 400, 20),
    intervals_case("J.wide", "Confidence intervals, 300 x 1000", 300, 1_000, 10),
    path_case(
        "Q",
        "Median regression, 300 x 1000, 20 strengths",
        partial(heavy_tails, 300, 1_000, "quantile_path", n_alphas=20, eps=0.1),
        partial(heavy_tails, 60, 100, "quantile_path", n_spikes=5, n_alphas=5, eps=0.2),
        task="quantile_path",
    ),
    path_case(
        "U.wide",
        "Huber regression, 500 x 5000",
        partial(heavy_tails, 500, 5_000, "huber_path", n_alphas=30, eps=0.1),
        partial(heavy_tails, 60, 300, "huber_path", n_spikes=5, n_alphas=10),
        task="huber_path",
    ),
    path_case(
        "U.tall",
        "Huber regression, 5000 x 500",
        partial(heavy_tails, 5_000, 500, "huber_path"),
        partial(heavy_tails, 300, 60, "huber_path", n_spikes=5, n_alphas=10),
        task="huber_path",
    ),
    line_case("L", "Total variation of a line of 100000 points"),
    *(
        path_case(
            f"T.{ratio}",
            f"Twenty tasks, 300 x 3000, down to 1/{ratio}",
            partial(tasks, 300, 3_000, 20, eps=1 / ratio),
            partial(tasks, 40, 100, 3, n_rows=3, n_alphas=10),
            task="multi_task_path",
        )
        for ratio in (10, 30)
    ),
    path_case(
        "V.digits",
        "Sparsemax beside logistic regression, digits, three strengths",
        digits,
        partial(classes, 60, 10, 3),
        task="class_fits",
    ),
    path_case(
        "V.tall",
        "Sparsemax beside logistic regression, 60000 x 784, 10 classes",
        partial(classes, 60_000, 784, 10),
        partial(classes, 100, 12, 3),
        task="class_fits",
    ),
    path_case(
        "V.sparse",
        "Sparsemax beside logistic regression, sparse, 10000 x 100000, 20 classes",
        partial(classes, 10_000, 100_000, 20, density=1e-3, spread=5.0),
        partial(classes, 100, 200, 3, density=0.05, spread=5.0),
        task="class_fits",
        gram_cap=1,
    ),
    single_fits_case("S", "Single fits over shapes and strengths"),
]
