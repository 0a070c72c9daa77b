"""The engine: designs, datafits, penalties, solvers and certificates."""

from sparsestat.optim.design import make_design
from sparsestat.optim.path import path
from sparsestat.optim.solution import PathSolution, Solution

__all__ = ["PathSolution", "Solution", "make_design", "path"]
