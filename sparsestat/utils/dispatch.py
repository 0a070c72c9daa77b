"""Static dispatch for numba, cached on disk.

Value objects (designs, datafits, penalties) are ``typing.NamedTuple`` classes.  An
`operation` is a function chosen by the type of its first argument, in plain Python
at run time and inside a `kernel` at compile time, so that one solver serves all.

The cache of a compiled kernel must not outlive any source that it was built from,
while numba only watches the file of the kernel itself.  Therefore

* kernels are cached in a folder named by a hash of the sources that they can see: all
  files of their subpackage, and of those it imports, so that an edit of an estimator
  does not cost the engine its machine code;
* kernels specialised for classes from elsewhere are cached apart, in a folder named
  also by the sources of those classes; classes that have no source file or live in
  ``__main__`` are compiled anew in every process.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import types
from numba.core.caching import FunctionCache, NullCache
from numba.extending import overload

__all__ = ["cache_folder", "kernel", "operation"]

# Everything but "nnan" and "ninf": infinite weights and checks for NaN must work.
FASTMATH = {"contract", "reassoc", "arcp", "nsz"}

_PACKAGE = __name__.partition(".")[0]
_PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
# Statements that import from the package, over several lines where in parentheses.
_IMPORT = re.compile(
    rf"^\s*(?:from|import)\s+(?:\.|{_PACKAGE}\b)(?:[^\n(]*\([^)]*\)|[^\n]*)".encode(),
    re.MULTILINE,
)


def kernel(function: Callable | None = None, **options: Any) -> Callable:
    """Compile a function with numba, once per signature and once per machine.

    Parameters
    ----------
    function : callable
        A function in the subset of Python that numba compiles.
    **options
        Further options of :func:`numba.njit`, for example ``inline="always"``.

    Returns
    -------
    dispatcher
        The compiled function; it releases the GIL and is cached on disk.

    Examples
    --------
    >>> from sparsestat.utils.dispatch import kernel
    >>> @kernel
    ... def double(x):
    ...     return 2.0 * x
    >>> double(1.5)
    3.0
    """
    if function is None:
        return lambda f: kernel(f, **options)
    settings = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": FASTMATH,
        "no_cfunc_wrapper": True,
        **options,
    }
    dispatcher = numba.njit(**settings)(function)
    in_file = os.path.isfile(function.__code__.co_filename)
    folder = cache_folder(_subpackage(function.__module__)) if in_file else None
    if folder is not None:
        dispatcher._cache = _KernelCache(function, folder)
    return dispatcher


def operation(function: Callable) -> Callable:
    """Make a function that is chosen by the type of its first argument.

    The decorated body is the meaning for types without an implementation of their
    own, so it documents the operation and may raise `TypeError`.

    Parameters
    ----------
    function : callable
        Its first argument is the value object, a ``typing.NamedTuple``.

    Returns
    -------
    operation : callable
        With ``operation.register(cls)``, a decorator that gives the meaning for a
        class, and ``operation.registered(cls)``, which tells whether there is one.

    Examples
    --------
    >>> from typing import NamedTuple
    >>> from sparsestat.utils.dispatch import operation
    >>> class Ridge(NamedTuple):
    ...     alpha: float
    >>> @operation
    ... def value(penalty, w):
    ...     raise TypeError("unknown penalty")
    >>> @value.register(Ridge)
    ... def _(penalty, w):
    ...     return 0.5 * penalty.alpha * w * w
    >>> value(Ridge(2.0), 3.0)
    9.0
    """
    implementations: dict[type, Callable] = {}

    def choose(subject, *args):
        return implementations.get(type(subject), function)(subject, *args)

    def register(cls: type) -> Callable[[Callable], Callable]:
        def decorate(implementation: Callable) -> Callable:
            implementations[cls] = implementation
            return implementation

        return decorate

    def implementation_for(subject, *args):
        if isinstance(subject, types.BaseNamedTuple):
            return implementations.get(subject.instance_class)
        return None

    choose.__name__ = function.__name__
    choose.__qualname__ = function.__qualname__
    choose.__doc__ = function.__doc__
    choose.__module__ = function.__module__
    choose.register = register
    choose.registered = implementations.__contains__
    overload(
        choose, strict=False, jit_options={"fastmath": FASTMATH, "error_model": "numpy"}
    )(implementation_for)
    return choose


@cache
def cache_folder(subpackage: str = "optim") -> Path | None:
    """Folder of compiled kernels of a subpackage, or None if none can be written.

    Its parent is the environment variable ``SPARSESTAT_CACHE_DIR`` where set, else
    numba's ``NUMBA_CACHE_DIR``, else the user's cache folder.

    Parameters
    ----------
    subpackage : str
        For example "optim"; the empty name stands for kernels outside the package,
        which may use any part of it.

    Returns
    -------
    folder : pathlib.Path or None
        Named by a hash of the sources, see the module's introduction.
    """
    folder = _cache_root() / _sources_digest(subpackage)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


@cache
def _sources_digest(subpackage: str) -> str:
    """Hash of the sources of a subpackage and of all that it imports."""
    digest = hashlib.sha256()
    for name in sorted(_reachable(subpackage)):
        for file, source in _sources()[name].items():
            digest.update(file.encode())
            digest.update(source)
    return digest.hexdigest()[:16]


def _reachable(subpackage: str) -> set[str]:
    """The subpackages that one imports, directly or not, itself included."""
    sources = _sources()
    if subpackage not in sources:
        return set(sources)
    found, new = set(), {subpackage}
    while new:
        found |= new
        words = {word for name in new for word in _imported(name)}
        new = (words & set(sources)) - found
    return found


@cache
def _imported(subpackage: str) -> set[str]:
    """All words of its statements that import: a name too many does no harm."""
    text = b"\n".join(_sources()[subpackage].values())
    return set(re.findall(r"\w+", b" ".join(_IMPORT.findall(text)).decode()))


@cache
def _sources() -> dict[str, dict[str, bytes]]:
    """The source files of each subpackage; modules beside them count as such too."""
    sources: dict[str, dict[str, bytes]] = {}
    for file in sorted(_PACKAGE_FOLDER.rglob("*.py")):
        path = file.relative_to(_PACKAGE_FOLDER)
        name = path.parts[0].removesuffix(".py")
        sources.setdefault(name, {})[path.as_posix()] = file.read_bytes()
    return sources


def _subpackage(module: str) -> str:
    """Name of the subpackage of a module; empty for modules outside the package."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == _PACKAGE else ""


def _cache_root() -> Path:
    for variable in ("SPARSESTAT_CACHE_DIR", "NUMBA_CACHE_DIR"):
        if os.environ.get(variable):
            return Path(os.environ[variable]) / _PACKAGE
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / _PACKAGE


class _KernelCache(FunctionCache):
    """numba's cache of one function, in our folder, with foreign types kept apart.

    numba pickles the types of a signature into the index of the function; an index
    that named a class which another process cannot import would break that process.
    """

    def __init__(self, function: Callable, folder: Path) -> None:
        with _numba_cache_dir(folder):
            super().__init__(function)
        self._folder = folder
        self._known = _reachable(_subpackage(function.__module__))
        self._foreign: dict[str, FunctionCache | NullCache] = {}

    def load_overload(self, sig, target_context):
        other = self._cache_for(sig)
        if other is None:
            return super().load_overload(sig, target_context)
        return other.load_overload(sig, target_context)

    def save_overload(self, sig, data):
        other = self._cache_for(sig)
        if other is None:
            super().save_overload(sig, data)
        else:
            other.save_overload(sig, data)

    def _cache_for(self, sig) -> FunctionCache | NullCache | None:
        arguments = sig if isinstance(sig, tuple) else sig.args
        modules = sorted(
            module
            for module in set(_modules_of_classes(arguments))
            if _subpackage(module) not in self._known
        )
        if not modules:
            return None
        key = "-".join(_source_digest(module) or "" for module in modules)
        if key not in self._foreign:
            if all(_source_digest(module) for module in modules):
                folder = self._folder.with_name(f"{self._folder.name}-{key}")
                with _numba_cache_dir(folder):
                    self._foreign[key] = FunctionCache(self._py_func)
            else:
                self._foreign[key] = NullCache()
        return self._foreign[key]


@contextlib.contextmanager
def _numba_cache_dir(folder: Path) -> Iterator[None]:
    """numba looks up the folder when a cache is made, so it is set only then."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def _modules_of_classes(arguments: tuple) -> Iterator[str]:
    for argument in arguments:
        if isinstance(argument, types.BaseNamedTuple):
            yield argument.instance_class.__module__
        if isinstance(argument, types.BaseTuple):
            yield from _modules_of_classes(tuple(argument))


@cache
def _source_digest(module: str) -> str | None:
    if _subpackage(module):
        return _sources_digest(_subpackage(module))
    file = getattr(sys.modules.get(module), "__file__", None)
    if module == "__main__" or file is None:
        return None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]
