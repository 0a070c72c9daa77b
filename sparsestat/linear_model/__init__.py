"""Sparse linear models, certified by duality gaps or stationarity."""

from sparsestat.linear_model._adaptive import AdaptiveLasso, AdaptiveLassoCV
from sparsestat.linear_model._cox import (
    SparseCoxRegressor,
    SparseCoxRegressorCV,
    cox_path,
)
from sparsestat.linear_model._cv import ElasticNetCV, LassoCV
from sparsestat.linear_model._elastic_net import ElasticNet
from sparsestat.linear_model._fused_lasso import FusedLasso, FusedLassoCV
from sparsestat.linear_model._huber import (
    SparseHuberRegressor,
    SparseHuberRegressorCV,
)
from sparsestat.linear_model._ic import LassoIC
from sparsestat.linear_model._lasso import Lasso
from sparsestat.linear_model._log_sum import LogSumRegressor, LogSumRegressorCV
from sparsestat.linear_model._lq import LqRegressor, LqRegressorCV
from sparsestat.linear_model._mcp import MCPRegressor, MCPRegressorCV
from sparsestat.linear_model._path import enet_path, lasso_path
from sparsestat.linear_model._quantile import (
    SparseQuantileRegressor,
    SparseQuantileRegressorCV,
)
from sparsestat.linear_model._scad import SCADRegressor, SCADRegressorCV
from sparsestat.linear_model._slope import Slope, SlopeCV
from sparsestat.linear_model._square_root import SqrtLasso

__all__ = [
    "AdaptiveLasso",
    "AdaptiveLassoCV",
    "ElasticNet",
    "ElasticNetCV",
    "FusedLasso",
    "FusedLassoCV",
    "Lasso",
    "LassoCV",
    "LassoIC",
    "LogSumRegressor",
    "LogSumRegressorCV",
    "LqRegressor",
    "LqRegressorCV",
    "MCPRegressor",
    "MCPRegressorCV",
    "SCADRegressor",
    "SCADRegressorCV",
    "Slope",
    "SlopeCV",
    "SparseCoxRegressor",
    "SparseCoxRegressorCV",
    "SparseHuberRegressor",
    "SparseHuberRegressorCV",
    "SparseQuantileRegressor",
    "SparseQuantileRegressorCV",
    "SqrtLasso",
    "cox_path",
    "enet_path",
    "lasso_path",
]
