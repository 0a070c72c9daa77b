"""Sparse covariance structures, certified by duality gaps or stationarity."""

from sparsestat.covariance._graphical_lasso import GraphicalLasso
from sparsestat.covariance._graphical_lasso_cv import GraphicalLassoCV
from sparsestat.covariance._path import graphical_lasso_path

__all__ = ["GraphicalLasso", "GraphicalLassoCV", "graphical_lasso_path"]
