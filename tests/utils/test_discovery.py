"""Discovery sees what a package lists in ``__all__``, once, and nothing else."""

import subprocess
import sys
import textwrap

import pytest

import sparsestat
from sparsestat.utils import discovery


@pytest.fixture
def family(tmp_path, monkeypatch):
    """A family of estimators beside the real ones, on disk as a family would be."""
    folder = tmp_path / "imaginary"
    (folder / "_private").mkdir(parents=True)
    (folder / "_method.py").write_text(
        textwrap.dedent("""
        from abc import ABC, abstractmethod
        from sklearn.base import BaseEstimator

        class Base(BaseEstimator, ABC):
            @abstractmethod
            def fit(self, X): ...

        class Imaginary(Base):
            def fit(self, X): ...

        class Hidden(BaseEstimator): ...

        class PathDisplay: ...

        def imaginary_path(): ...
        """)
    )
    names = ["Base", "BaseEstimator", "Imaginary", "PathDisplay", "imaginary_path"]
    (folder / "__init__.py").write_text(
        f"from sparsestat.imaginary._method import *\n__all__ = {names}\n"
        "from sklearn.base import BaseEstimator\n"
    )
    (folder / "again.py").write_text(
        "from sparsestat.imaginary import Imaginary\n__all__ = ['Imaginary']\n"
    )
    (folder / "internal.py").write_text("raise_if_public = 1\n")
    (folder / "_private" / "__init__.py").write_text("raise RuntimeError\n")
    monkeypatch.setattr(sparsestat, "__path__", [*sparsestat.__path__, str(tmp_path)])
    yield
    for name in [name for name in sys.modules if "imaginary" in name]:
        del sys.modules[name]
    vars(sparsestat).pop("imaginary", None)


@pytest.mark.usefixtures("family")
def test_new_family_is_found_without_being_registered():
    estimators = discovery.all_estimators()
    names = [name for name, _ in estimators]
    assert names.count("Imaginary") == 1
    assert names == sorted(names)
    assert not {"Base", "BaseEstimator", "Hidden"} & set(names)
    assert "PathDisplay" in dict(discovery.all_displays())
    assert "imaginary_path" in dict(discovery.all_functions())
    modules = {module.__name__ for module in discovery.public_modules()}
    assert {
        "sparsestat",
        "sparsestat.imaginary",
        "sparsestat.imaginary.again",
    } <= modules
    assert "sparsestat.imaginary.internal" not in modules


def test_kinds_do_not_mix():
    estimators = {cls for _, cls in discovery.all_estimators()}
    displays = {cls for _, cls in discovery.all_displays()}
    functions = [function for _, function in discovery.all_functions()]
    assert not estimators & displays
    assert all(not isinstance(function, type) for function in functions)
    assert discovery.all_estimators in functions


def test_modules_start_with_the_package_and_repeat_none():
    names = [module.__name__ for module in discovery.public_modules()]
    assert names[0] == "sparsestat"
    assert len(names) == len(set(names))
    assert not any("._" in name for name in names)


def test_subpackages_load_at_first_use(repository):
    code = (
        "import sys, sparsestat\n"
        "assert 'sparsestat.utils' not in sys.modules\n"
        "assert sparsestat.utils is sys.modules['sparsestat.utils']\n"
        "assert {'utils', 'metrics', '__version__'} <= set(dir(sparsestat))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repository)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sparsestat.nothing
