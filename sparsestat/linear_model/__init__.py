"""Sparse linear models, certified by duality gaps."""

from sparsestat.linear_model._cv import ElasticNetCV, LassoCV
from sparsestat.linear_model._elastic_net import ElasticNet
from sparsestat.linear_model._ic import LassoIC
from sparsestat.linear_model._lasso import Lasso
from sparsestat.linear_model._path import enet_path, lasso_path

__all__ = [
    "ElasticNet",
    "ElasticNetCV",
    "Lasso",
    "LassoCV",
    "LassoIC",
    "enet_path",
    "lasso_path",
]
