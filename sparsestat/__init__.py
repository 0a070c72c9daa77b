"""Sparse statistics with certificates, in scikit-learn's own conventions.

Subpackages load at first use: ``import sparsestat`` itself imports no other package.
"""

import importlib
import pkgutil

__version__ = "0.1.0"

_SUBPACKAGES = tuple(
    module.name for module in pkgutil.iter_modules(__path__) if module.ispkg
)

__all__ = ["__version__", "show_versions", *_SUBPACKAGES]


def __getattr__(name):
    if name in _SUBPACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "show_versions":
        return importlib.import_module(f"{__name__}.utils._show_versions").show_versions
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
