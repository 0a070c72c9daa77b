"""Best subsets of features, from second moments of the data alone."""

from sparsestat.optim.subset.exact import SubsetResult, exact_subset
from sparsestat.optim.subset.path import SubsetPath, subset_path
from sparsestat.optim.subset.problem import (
    GramSource,
    MatrixSource,
    SubsetProblem,
    make_problem,
    problem_of_design,
)

__all__ = [
    "GramSource",
    "MatrixSource",
    "SubsetPath",
    "SubsetProblem",
    "SubsetResult",
    "exact_subset",
    "make_problem",
    "problem_of_design",
    "subset_path",
]
