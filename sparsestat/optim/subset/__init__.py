"""Best subsets of features, from second moments of the data alone."""

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
    "SubsetProblem",
    "make_problem",
    "problem_of_design",
]
