"""Sparse Bayesian learning: priors whose variances the data set to zero."""

from sparsestat.bayes._block_regression import BlockSparseBayesianRegression
from sparsestat.bayes._evidence import SparsePosterior, sbl_cost, sbl_posterior
from sparsestat.bayes._kronecker import KroneckerSparseBayesian
from sparsestat.bayes._kronecker_omp import kron_omp
from sparsestat.bayes._kronecker_posterior import KroneckerPosterior, kron_posterior
from sparsestat.bayes._multi_task import MultiTaskSparseBayesianRegression
from sparsestat.bayes._regression import SparseBayesianRegression
from sparsestat.bayes._relevance_classifier import RelevanceVectorClassifier
from sparsestat.bayes._relevance_vectors import RelevanceVectorRegression

__all__ = [
    "BlockSparseBayesianRegression",
    "KroneckerPosterior",
    "KroneckerSparseBayesian",
    "MultiTaskSparseBayesianRegression",
    "RelevanceVectorClassifier",
    "RelevanceVectorRegression",
    "SparseBayesianRegression",
    "SparsePosterior",
    "kron_omp",
    "kron_posterior",
    "sbl_cost",
    "sbl_posterior",
]
