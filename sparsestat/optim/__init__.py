"""The engine: designs, datafits, penalties, solvers and certificates."""

from sparsestat.optim import datafits, penalties
from sparsestat.optim.design import make_design
from sparsestat.optim.path import path, solve
from sparsestat.optim.reference import to_cvxpy
from sparsestat.optim.solution import PathSolution, Solution

__all__ = [
    "PathSolution",
    "Solution",
    "datafits",
    "make_design",
    "path",
    "penalties",
    "solve",
    "to_cvxpy",
]
