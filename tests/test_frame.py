"""The frame around the code: imports, exports, metadata, files."""

import configparser
import os
import re
import subprocess
import sys
import textwrap
import tomllib
import zipfile

import pytest

import sparsestat
from sparsestat.utils.discovery import public_modules

HEAVY = {"cvxpy", "dask", "matplotlib", "pandas", "pytest", "sphinx"}


@pytest.fixture(scope="module")
def tracked(repository):
    """Text files under version control; all source files where there is no git."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True
    )
    names = listing.stdout.split("\0")
    if listing.returncode:
        names = [
            str(path.relative_to(repository))
            for folder in ("sparsestat", "tests", "benchmarks", "doc", "examples")
            for path in (repository / folder).rglob("*")
        ]
    text = {".cff", ".cfg", ".css", ".json", ".md", ".py", ".R", ".rst", ".toml", ""}
    paths = [repository / name for name in names if name]
    return [path for path in paths if path.is_file() and path.suffix in text]


def loaded_by(statement, folder):
    """Top-level packages that a fresh interpreter holds after a statement."""
    code = f"import sys; {statement}; print(*{{m.split('.')[0] for m in sys.modules}})"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


@pytest.mark.parametrize("statement", ["import sparsestat", "import sparsestat.utils"])
def test_import_of_the_package_loads_no_other(statement, repository):
    loaded = loaded_by(statement, repository)
    assert "sparsestat" in loaded
    assert not loaded & (HEAVY | {"numba", "numpy", "scipy", "sklearn"})


def test_import_of_families_loads_nothing_that_scikit_learn_does_not(repository):
    families = ["datasets", "linear_model", "metrics", "optim", "plotting", "warmup"]
    ours = loaded_by("; ".join(f"import sparsestat.{f}" for f in families), repository)
    theirs = loaded_by("import sklearn.linear_model", repository)
    assert not (ours - theirs) & HEAVY


def test_families_do_not_import_one_another(repository):
    package = repository / "sparsestat"
    shared = {"optim", "utils", "datasets", "metrics", "distributed", "sparsestat"}
    any_family = {"plotting", "feature_selection", "inspection"}
    families = {path.name for path in package.iterdir() if path.is_dir()} - shared
    imported = re.compile(r"^\s*(?:from|import) sparsestat\.(\w+)", re.MULTILINE)
    for family in families - any_family:
        for path in (package / family).rglob("*.py"):
            others = set(imported.findall(path.read_text())) & families
            assert others <= {family}, path
    for path in (package / "optim").rglob("*.py"):
        assert set(imported.findall(path.read_text())) <= {"optim", "utils"}, path
        assert "sklearn" not in re.sub(r">>>.*", "", path.read_text()), path


@pytest.mark.parametrize("module", list(public_modules()), ids=lambda m: m.__name__)
def test_exports_are_sorted_and_importable(module):
    def isort_style(name):
        return 0 if name.isupper() else 1 if name[:1].isupper() else 2, name

    exported = list(module.__all__)
    assert len(set(exported)) == len(exported)
    if module is not sparsestat:
        assert exported in (sorted(exported), sorted(exported, key=isort_style))
    for name in exported:
        assert hasattr(module, name), name


def test_private_scikit_learn_is_not_imported(tracked):
    private = re.compile(r"(from|import) sklearn(\.\w+)*(\.| import )_")
    for path in tracked:
        if path.suffix == ".py" and "benchmarks" not in path.parts:
            assert not private.search(path.read_text()), path


def test_version_has_one_source(repository, tracked):
    version = sparsestat.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    holders = {
        str(path.relative_to(repository))
        for path in tracked
        if path.suffix in (".py", ".toml", ".cfg")
        and re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.])", path.read_text())
        and re.search(r"version", path.read_text())
    }
    assert holders == {"sparsestat/__init__.py"}
    assert f"## {version}" in (repository / "CHANGELOG.md").read_text()
    assert f"version: {version}\n" in (repository / "CITATION.cff").read_text()


def test_lint_is_pinned_and_settings_agree(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    assert all("==" in requirement for requirement in extras["lint"])
    lowest = project["project"]["requires-python"].removeprefix(">=")
    assert project["tool"]["ruff"]["target-version"] == f"py{lowest.replace('.', '')}"
    settings = configparser.ConfigParser()
    settings.read(repository / "setup.cfg")
    assert settings["tool:pytest"]["testpaths"].split() == ["tests", "sparsestat"]


def test_every_make_target_is_explained(repository):
    makefile = (repository / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    explained = re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE)
    assert sorted(phony) == sorted(explained)
    wanted = {"demo", "test", "lint", "doc", "bench", "help"}
    assert wanted <= set(explained)


def test_files_name_no_place_on_a_machine(tracked):
    homes = re.compile("/" + r"(home|root|Users)/\w")
    for path in tracked:
        found = homes.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path} names {found[0]}"


def test_no_file_is_too_long(tracked):
    for path in tracked:
        if path.suffix == ".py":
            n_lines = len(path.read_text().splitlines())
            assert n_lines <= 600, f"{path} has {n_lines} lines"


def test_code_of_the_readme_runs(repository, capsys):
    readme = (repository / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks
    namespace = {}
    for block in blocks:
        exec(block, namespace)
    assert "bmi" in capsys.readouterr().out


def test_penalty_of_the_guide_works_outside_the_package(repository, tmp_path):
    guide = (repository / "CONTRIBUTING.md").read_text()
    code = re.search(r"```python\n(from typing.*?)```", guide, re.DOTALL)[1]
    (tmp_path / "outside.py").write_text(code)
    use = """
        import numpy as np
        from outside import WeightedL1
        from sparsestat.optim import datafits, penalties, solve

        rng = np.random.default_rng(0)
        X = rng.standard_normal((40, 6))
        y = X[:, 0] - X[:, 1] + 0.1 * rng.standard_normal(40)
        weights = np.array([1.0, 2.0, 0.5, 1.0, 1.0, 3.0])
        theirs = solve(X, y, datafits.Quadratic(), WeightedL1(0.1, weights))
        ours = solve(X, y, datafits.Quadratic(), penalties.L1(0.1, weights))
        assert np.count_nonzero(ours.coef) >= 2
        np.testing.assert_allclose(theirs.coef, ours.coef, atol=1e-6)
        """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(use)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_wheel(repository, tmp_path):
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"sparsestat-{sparsestat.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        text = archive.read(metadata).decode()
    assert "sparsestat/py.typed" in names
    assert "sparsestat/utils/validation.py" in names
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {
        "sparsestat"
    }
    assert "Requires-Python: >=3.11" in text
    assert "License-Expression: BSD-3-Clause" in text
    for extra in ("bench", "cvxpy", "dask", "doc", "plot", "test"):
        assert f"Provides-Extra: {extra}" in text
