"""Versions of everything that matters in a bug report."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import sparsestat

__all__ = ["show_versions"]

_PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "joblib",
    "threadpoolctl",
    "matplotlib",
    "cvxpy",
    "dask",
    "pandas",
)


def show_versions() -> None:
    """Print the versions of Python, sparsestat and what it builds on.

    See Also
    --------
    sklearn.show_versions : The same for scikit-learn.

    Examples
    --------
    >>> import sparsestat
    >>> sparsestat.show_versions()
    python         ...
    machine        ...
    sparsestat     ...
    numpy          ...
    """
    facts = {
        "python": sys.version.split()[0],
        "machine": platform.platform(),
        "sparsestat": sparsestat.__version__,
    }
    for name in _PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = "not installed"
    print("\n".join(f"{name:<14} {fact}" for name, fact in facts.items()))
