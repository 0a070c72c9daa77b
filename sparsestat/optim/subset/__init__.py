"""Best subsets of features, from second moments alone or from likelihoods."""

from sparsestat.optim.subset._many_classes import make_likelihood_problem
from sparsestat.optim.subset._newton import LikelihoodProblem, Point
from sparsestat.optim.subset.branch import BranchResult, branch_and_bound
from sparsestat.optim.subset.exact import SubsetResult, exact_subset
from sparsestat.optim.subset.general import LikelihoodPath, likelihood_path
from sparsestat.optim.subset.likelihood import (
    HazardLikelihood,
    Likelihood,
    OrdinalLikelihood,
    SampleLikelihood,
    SoftmaxLikelihood,
)
from sparsestat.optim.subset.path import SubsetPath, subset_path
from sparsestat.optim.subset.problem import (
    GramSource,
    MatrixSource,
    SubsetProblem,
    make_problem,
    problem_of_design,
)

__all__ = [
    "BranchResult",
    "GramSource",
    "HazardLikelihood",
    "Likelihood",
    "LikelihoodPath",
    "LikelihoodProblem",
    "MatrixSource",
    "OrdinalLikelihood",
    "Point",
    "SampleLikelihood",
    "SoftmaxLikelihood",
    "SubsetPath",
    "SubsetProblem",
    "SubsetResult",
    "branch_and_bound",
    "exact_subset",
    "likelihood_path",
    "make_likelihood_problem",
    "make_problem",
    "problem_of_design",
    "subset_path",
]
