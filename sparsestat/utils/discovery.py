"""Finds what the package offers: estimators, displays and functions.

Public is what a public module lists in its ``__all__``; nothing is registered by hand.
"""

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType

import sparsestat

__all__ = ["all_displays", "all_estimators", "all_functions", "public_modules"]


def all_estimators() -> list[tuple[str, type]]:
    """List every public estimator.

    Returns
    -------
    estimators : list of (str, type)
        Name and class, by name: the subclasses of ``sklearn.base.BaseEstimator``.

    See Also
    --------
    sklearn.utils.discovery.all_estimators : The same for scikit-learn.

    Examples
    --------
    >>> from sparsestat.utils.discovery import all_estimators
    >>> "BaseEstimator" in dict(all_estimators())
    False
    """
    from sklearn.base import BaseEstimator

    return _collect(lambda found: _is_class(found) and issubclass(found, BaseEstimator))


def all_displays() -> list[tuple[str, type]]:
    """List every public display, that is every class named ``...Display``.

    Returns
    -------
    displays : list of (str, type)
        Name and class, by name.

    See Also
    --------
    sklearn.utils.discovery.all_displays : The same for scikit-learn.

    Examples
    --------
    >>> from sparsestat.utils.discovery import all_displays
    >>> all(name.endswith("Display") for name, _ in all_displays())
    True
    """
    return _collect(
        lambda found: _is_class(found) and found.__name__.endswith("Display")
    )


def all_functions() -> list[tuple[str, Callable]]:
    """List every public function.

    Returns
    -------
    functions : list of (str, callable)
        Name and function, by name. Functions of different modules may share a name.

    See Also
    --------
    sklearn.utils.discovery.all_functions : The same for scikit-learn.

    Examples
    --------
    >>> from sparsestat.utils.discovery import all_functions
    >>> "all_functions" in dict(all_functions())
    True
    """
    return _collect(inspect.isroutine)


def public_modules() -> Iterator[ModuleType]:
    """Import and yield every module of the package that has an ``__all__``.

    Yields
    ------
    module : module
        The packages and modules no part of whose name starts with an underscore.

    Examples
    --------
    >>> from sparsestat.utils.discovery import public_modules
    >>> "sparsestat.utils.discovery" in {module.__name__ for module in public_modules()}
    True
    """
    yield sparsestat
    yield from _public_submodules(sparsestat)


def _public_submodules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if info.name.rpartition(".")[2].startswith("_"):
            continue
        module = import_module(info.name)
        if hasattr(module, "__all__"):
            yield module
        if info.ispkg:
            yield from _public_submodules(module)


def _collect(wanted: Callable[[object], bool]) -> list[tuple[str, object]]:
    """Name and object, each object once, under the shortest public path it has."""
    found = {}
    for module in public_modules():
        for name in module.__all__:
            value = getattr(module, name)
            own = getattr(value, "__module__", "") or ""
            if wanted(value) and own.startswith(f"{sparsestat.__name__}."):
                found.setdefault(id(value), (name, value))
    return sorted(found.values(), key=lambda pair: pair[0])


def _is_class(found: object) -> bool:
    return inspect.isclass(found) and not inspect.isabstract(found)
