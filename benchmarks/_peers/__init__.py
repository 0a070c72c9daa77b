"""The solvers that are measured, a file each.

A peer is a module with

- ``NAME``: how it is written in tables;
- ``TOLERANCES``: its own tolerances worth trying, from loose to tight;
- ``versions()``: ``{name: version}`` of what ran; raises ImportError if absent;
- ``options(task, n_samples, n_features, sparse)``: ``{label: keyword arguments}``,
  the settings worth trying for a task, the likeliest to win first;
- a function for each task that it can do, named as the task, e.g.
  ``lasso_path(problem, tol, **options) -> coefs``; tasks without a tolerance take an
  array and return ``{label: call}``, and their peers need no tolerances and options;
- optionally ``interpreter()``: the Python to run it with.

Modules import their library inside functions, so that the absence of one is a row
in a table and not an error.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple


class Timed(NamedTuple):
    """Result of a peer that runs elsewhere and measures itself."""

    seconds: float
    value: Any


class WithDuals(NamedTuple):
    """Coefficients together with the solver's own dual points."""

    coefs: Any
    duals: Any


class Classifiers(NamedTuple):
    """Linear classifiers for each strength, and the loss that they minimise.

    Attributes
    ----------
    loss : {"sparsemax", "softmax"}
        The map from scores to probabilities.
    coefs, intercepts : ndarray, (n_alphas, n_classes, n_features) and without the last
        Coefficients.
    """

    loss: str
    coefs: Any
    intercepts: Any


def load(name: str) -> ModuleType:
    """Return the module of a peer."""
    return importlib.import_module(f"benchmarks._peers.{name}")


def distribution_versions(*names: str) -> dict[str, str]:
    """Versions of installed distributions; ImportError if one is absent."""
    return {name: importlib.metadata.version(name) for name in names}


def own_environment(name: str, module: str, requirements: Sequence[str]) -> str:
    """Python of a virtual environment for what cannot live in this one.

    The one that the variable ``SPARSESTAT_<NAME>_PYTHON`` names, else
    ``.venv/bench-<name>``, made if `module` is not in it; ImportError if that fails.
    """
    named = os.environ.get(f"SPARSESTAT_{name.upper()}_PYTHON")
    if named:
        return named
    from benchmarks._runner import ROOT

    def run(command: list[str]) -> bool:
        return subprocess.run(command, capture_output=True).returncode == 0

    home = ROOT / ".venv" / f"bench-{name}"
    python = str(home / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    if not os.path.exists(python):
        run([sys.executable, "-m", "venv", str(home)])
    if not run([python, "-c", f"import {module}"]):
        if not run([python, "-m", "pip", "install", "--quiet", *requirements]):
            raise ImportError(f"could not make the environment of {name}")
    return python


def decades(first: int, last: int, factor: float = 1.0) -> list[float]:
    """Powers of ten ``factor * 1e-first, ..., factor * 1e-last``.

    Examples
    --------
    >>> decades(2, 4)
    [0.01, 0.001, 0.0001]
    """
    return [float(f"{factor}e-{k}") for k in range(first, last + 1)]
