"""Re-export the public names of every module of a folder."""

import importlib
import pkgutil


def export_modules(package: str, namespace: dict) -> list[str]:
    """Import the modules of a package and put their public names into its namespace.

    Parameters
    ----------
    package : str
        Full name of the package.
    namespace : dict
        Its ``globals()``.

    Returns
    -------
    names : list of str
        Sorted, for ``__all__``: what the modules name in their own ``__all__``.
    """
    names = []
    for module in pkgutil.iter_modules(namespace["__path__"]):
        loaded = importlib.import_module(f"{package}.{module.name}")
        for name in loaded.__all__:
            namespace[name] = getattr(loaded, name)
            names.append(name)
    return sorted(names)
