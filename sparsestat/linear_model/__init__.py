"""Sparse linear models, certified by duality gaps or stationarity."""

from sparsestat.linear_model._active_tasks import ActiveMultiTaskRegressor
from sparsestat.linear_model._adaptive import AdaptiveLasso, AdaptiveLassoCV
from sparsestat.linear_model._best_subset import (
    BestSubsetRegressor,
    MultiTaskBestSubset,
    best_subset_path,
)
from sparsestat.linear_model._best_subset_classifier import BestSubsetClassifier
from sparsestat.linear_model._best_subset_cox import BestSubsetCox
from sparsestat.linear_model._best_subset_glm import BestSubsetGLM
from sparsestat.linear_model._best_subset_ordinal import BestSubsetOrdinal
from sparsestat.linear_model._cox import SparseCoxRegressor
from sparsestat.linear_model._cox_cv import SparseCoxRegressorCV, cox_path
from sparsestat.linear_model._cv import ElasticNetCV, LassoCV
from sparsestat.linear_model._debiased import DebiasedLasso
from sparsestat.linear_model._debiased_classes import (
    DebiasedGammaRegressor,
    DebiasedLogisticRegression,
    DebiasedPoissonRegressor,
)
from sparsestat.linear_model._distributed_classifier import (
    DistributedBestSubsetClassifier,
)
from sparsestat.linear_model._distributed_subset import DistributedBestSubsetRegressor
from sparsestat.linear_model._elastic_net import ElasticNet
from sparsestat.linear_model._fused_lasso import FusedLasso, FusedLassoCV
from sparsestat.linear_model._gamma import (
    SparseGammaRegressor,
    SparseGammaRegressorCV,
)
from sparsestat.linear_model._glm_path import glm_path
from sparsestat.linear_model._group_lasso import GroupLasso, SparseGroupLasso
from sparsestat.linear_model._group_lasso_cv import GroupLassoCV, SparseGroupLassoCV
from sparsestat.linear_model._group_path import group_path
from sparsestat.linear_model._hard_thresholding import HardThresholdingRegressor
from sparsestat.linear_model._huber import (
    SparseHuberRegressor,
    SparseHuberRegressorCV,
)
from sparsestat.linear_model._ic import LassoIC
from sparsestat.linear_model._label_proportions import LabelProportionRegressor
from sparsestat.linear_model._lasso import Lasso
from sparsestat.linear_model._log_sum import LogSumRegressor, LogSumRegressorCV
from sparsestat.linear_model._logistic import (
    SparseLogisticRegression,
    SparseLogisticRegressionCV,
)
from sparsestat.linear_model._lq import LqRegressor, LqRegressorCV
from sparsestat.linear_model._mcp import MCPRegressor, MCPRegressorCV
from sparsestat.linear_model._multi_task import MultiTaskElasticNet, MultiTaskLasso
from sparsestat.linear_model._multi_task_cv import (
    MultiTaskElasticNetCV,
    MultiTaskLassoCV,
)
from sparsestat.linear_model._path import enet_path, lasso_path
from sparsestat.linear_model._poisson import (
    SparsePoissonRegressor,
    SparsePoissonRegressorCV,
)
from sparsestat.linear_model._preconditioned import PreconditionedLasso
from sparsestat.linear_model._quantile import (
    SparseQuantileRegressor,
    SparseQuantileRegressorCV,
)
from sparsestat.linear_model._relaxed import RelaxedLasso, RelaxedLassoCV
from sparsestat.linear_model._scad import SCADRegressor, SCADRegressorCV
from sparsestat.linear_model._slope import Slope, SlopeCV
from sparsestat.linear_model._sparsemax import SparsemaxClassifier
from sparsestat.linear_model._sparsemax_cv import SparsemaxClassifierCV
from sparsestat.linear_model._sparsemax_path import sparsemax_path
from sparsestat.linear_model._square_root import SqrtLasso
from sparsestat.linear_model._tsallis import TsallisMixedModel

__all__ = [
    "ActiveMultiTaskRegressor",
    "AdaptiveLasso",
    "AdaptiveLassoCV",
    "BestSubsetClassifier",
    "BestSubsetCox",
    "BestSubsetGLM",
    "BestSubsetOrdinal",
    "BestSubsetRegressor",
    "DebiasedGammaRegressor",
    "DebiasedLasso",
    "DebiasedLogisticRegression",
    "DebiasedPoissonRegressor",
    "DistributedBestSubsetClassifier",
    "DistributedBestSubsetRegressor",
    "ElasticNet",
    "ElasticNetCV",
    "FusedLasso",
    "FusedLassoCV",
    "GroupLasso",
    "GroupLassoCV",
    "HardThresholdingRegressor",
    "LabelProportionRegressor",
    "Lasso",
    "LassoCV",
    "LassoIC",
    "LogSumRegressor",
    "LogSumRegressorCV",
    "LqRegressor",
    "LqRegressorCV",
    "MCPRegressor",
    "MCPRegressorCV",
    "MultiTaskBestSubset",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "PreconditionedLasso",
    "RelaxedLasso",
    "RelaxedLassoCV",
    "SCADRegressor",
    "SCADRegressorCV",
    "Slope",
    "SlopeCV",
    "SparseCoxRegressor",
    "SparseCoxRegressorCV",
    "SparseGammaRegressor",
    "SparseGammaRegressorCV",
    "SparseGroupLasso",
    "SparseGroupLassoCV",
    "SparseHuberRegressor",
    "SparseHuberRegressorCV",
    "SparseLogisticRegression",
    "SparseLogisticRegressionCV",
    "SparsePoissonRegressor",
    "SparsePoissonRegressorCV",
    "SparseQuantileRegressor",
    "SparseQuantileRegressorCV",
    "SparsemaxClassifier",
    "SparsemaxClassifierCV",
    "SqrtLasso",
    "TsallisMixedModel",
    "best_subset_path",
    "cox_path",
    "enet_path",
    "glm_path",
    "group_path",
    "lasso_path",
    "sparsemax_path",
]
