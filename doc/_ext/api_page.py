"""The API pages, from what every public module lists in its ``__all__``.

The marker ``.. public-api::`` in ``api/index.rst`` becomes a table for each module;
each class and function gets a page under ``api/generated``.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from sparsestat.utils.discovery import public_modules

MARKER = ".. public-api::"
PAGE = "api/index"
FOLDER = "generated"

# Order of the sections; modules not named here follow by name.
_FIRST = [
    "sparsestat",
    "sparsestat.linear_model",
    "sparsestat.optim",
    "sparsestat.optim.penalties",
    "sparsestat.optim.datafits",
    "sparsestat.optim.proximal",
    "sparsestat.optim.subset",
    "sparsestat.metrics",
    "sparsestat.plotting",
    "sparsestat.datasets",
]


def sections() -> list[tuple[ModuleType, list[str]]]:
    """Modules with the names they are the home of, families before details."""
    modules = {module.__name__: module for module in public_modules()}
    rank = {name: i for i, name in enumerate(_FIRST)}
    order = sorted(modules, key=lambda name: (rank.get(name, len(rank)), name))
    seen: set[int] = set()
    found = []
    for name in order:
        module = modules[name]
        names = [n for n in module.__all__ if _is_documented(getattr(module, n))]
        names = [n for n in names if id(getattr(module, n)) not in seen]
        seen.update(id(getattr(module, n)) for n in names)
        if names and not _is_inner(name):
            found.append((module, names))
    return found


def _is_documented(value: object) -> bool:
    own = getattr(value, "__module__", None) or ""
    return callable(value) and own.split(".")[0] == "sparsestat"


def _is_inner(name: str) -> bool:
    """Whether a module is one of the engine's files and no package of it."""
    return name.startswith("sparsestat.optim.") and name not in _FIRST


def tables() -> Iterator[str]:
    """A section for each module."""
    for module, names in sections():
        title = f"``{module.__name__}``"
        yield f"\n{title}\n{'-' * len(title)}\n"
        yield inspect.getdoc(module).split("\n\n")[0].replace("\n", " ") + "\n"
        yield f".. currentmodule:: {module.__name__}\n"
        yield ".. autosummary::"
        yield f"   :toctree: {FOLDER}\n"
        yield from (f"   {name}" for name in names)


def page(module: ModuleType, name: str) -> str:
    """Page of a class or function."""
    value = getattr(module, name)
    title = f"{module.__name__}.{name}".removeprefix("sparsestat.")
    lines = [title, "=" * len(title), ""]
    lines += [f".. currentmodule:: {module.__name__}", ""]
    if not inspect.isclass(value):
        lines += [f".. autofunction:: {name}"]
    else:
        lines += [f".. autoclass:: {name}", ""]
        own, inherited = _methods(value)
        lines += [f"   .. automethod:: {method}" for method in own]
        if inherited:
            listed = ", ".join(f"``{method}``" for method in inherited)
            lines += ["", f"   From scikit-learn: {listed}."]
    lines += ["", f".. minigallery:: {module.__name__}.{name}"]
    lines += ["   :add-heading: Examples in the gallery", "   :heading-level: -", ""]
    return "\n".join(lines)


def _methods(cls: type) -> tuple[list[str], list[str]]:
    """Public methods written here, and those that scikit-learn gives."""
    if issubclass(cls, tuple):
        return [], []
    own, inherited = [], []
    for name, value in inspect.getmembers(cls, inspect.isroutine):
        home = getattr(value, "__module__", None) or ""
        if name.startswith("_") or not home:
            continue
        (own if home.startswith("sparsestat.") else inherited).append(name)
    return own, inherited


def write_pages(app, config) -> None:
    """Write the pages before Sphinx looks which sources there are."""
    folder = Path(app.srcdir, "api", FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        f"{module.__name__}.{name}.rst": page(module, name)
        for module, names in sections()
        for name in names
    }
    for path in folder.glob("*.rst"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def insert_tables(app, docname: str, source: list[str]) -> None:
    """Put the tables where the marker is."""
    if docname == PAGE:
        source[0] = source[0].replace(MARKER, "\n".join(tables()))


def setup(app) -> dict:
    app.connect("config-inited", write_pages)
    app.connect("source-read", insert_tables)
    return {"parallel_read_safe": True}
