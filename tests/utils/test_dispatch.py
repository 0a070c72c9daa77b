"""Dispatch in plain Python and in kernels; a disk cache that cannot be stale."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import pytest

import sparsestat
from sparsestat.utils.dispatch import cache_folder, kernel, operation

PACKAGE = Path(sparsestat.__file__).parent

# Prints how many kernels were compiled for a first fit, and a coefficient.
FIRST_FIT = """
import numpy as np
from numba.core import event

class Count(event.Listener):
    compiled = []
    def on_start(self, found):
        self.compiled.append(found.data["dispatcher"].py_func.__name__)
    def on_end(self, found):
        pass

{setup}
X = np.arange(12.0).reshape(6, 2) % 5
y = X[:, 0] + np.array([0.1, -0.1, 0.2, -0.2, 0.1, -0.1])
with event.install_listener("numba:compile", Count()):
    {fit}
print(len(Count.compiled), coef[0])
"""
LASSO = (
    "from sparsestat.linear_model import Lasso",
    "coef = Lasso(0.1, fit_intercept=False).fit(X, y).coef_",
)
RIDGE = '''
"""A penalty outside the package."""
from typing import NamedTuple
from sparsestat.optim import penalties

class Ridge(NamedTuple):
    alpha: float

@penalties.value.register(Ridge)
def _(penalty, w, j):
    return 0.5 * penalty.alpha * w * w

@penalties.prox.register(Ridge)
def _(penalty, z, step, j):
    return z / (1.0 + FACTOR * step * penalty.alpha)
'''
USE_RIDGE = (
    "coef = solve(X, y, datafits.Quadratic(), Ridge(0.1), fit_intercept=False, "
    "tol=1e-12).coef"
)


# Prints how many signatures of all kernels each kind of data adds.
SIGNATURES = """
import importlib, pkgutil
import numpy as np
from scipy import sparse
from numba.core.registry import CPUDispatcher
from sparsestat import optim
from sparsestat.linear_model import Lasso

modules = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(optim.__path__, "sparsestat.optim.")
]
kernels = {
    kernel
    for module in modules
    for kernel in vars(module).values()
    if isinstance(kernel, CPUDispatcher)
}
rng = np.random.default_rng(0)
X = np.asfortranarray(rng.standard_normal((30, 10)))
y = X[:, 0] + rng.standard_normal(30)

def count():
    return sum(len(kernel.signatures) for kernel in kernels)

def added(X, y=y, weight=None, **params):
    before = count()
    for solver in ("auto", "cd"):
        Lasso(0.1, solver=solver, **params).fit(X, y, weight)
    print(count() - before)

def frozen(X):
    for array in (X.data, X.indices, X.indptr) if sparse.issparse(X) else (X,):
        array.flags.writeable = False
    return X

C, csc = np.ascontiguousarray(X), sparse.csc_array(X)
long = sparse.csc_array(X)
long.indices, long.indptr = long.indices.astype("q"), long.indptr.astype("q")
added(X)
added(frozen(X.copy(order="F")), frozen(y.copy()))
added(np.round(X).astype(int), y.astype(np.float32))
added(X, positive=True, standardize=True, fit_intercept=False)
added(X.astype(np.float32))
added(C)
added(frozen(C.copy()))
added(csc)
added(frozen(csc.copy()))
added(sparse.csr_matrix(X))
added(long)
"""


def run(code, cache, *path):
    """Run code in a process with a cache of its own; returns the words it prints."""
    env = {**os.environ}
    if cache is not None:
        env["SPARSESTAT_CACHE_DIR"] = str(cache)
    env["PYTHONPATH"] = os.pathsep.join(map(str, path or [PACKAGE.parent]))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=env,
        cwd=PACKAGE.parent if cache is None else cache.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def first_fit(cache, setup, fit, *path):
    count, coef = run(FIRST_FIT.format(setup=setup, fit=fit), cache, *path)
    return int(count), float(coef)


class Square(NamedTuple):
    factor: float


class Cube(NamedTuple):
    factor: float


@operation
def power(subject, x):
    """Power of x."""
    raise TypeError("no power")


@power.register(Square)
def _(subject, x):
    return subject.factor * x**2


@power.register(Cube)
def _(subject, x):
    return subject.factor * x**3


@kernel
def sum_of_powers(subject, values):
    total = 0.0
    for x in values:
        total += power(subject, x)
    return total


@pytest.mark.parametrize("subject, expected", [(Square(2.0), 10.0), (Cube(1.0), 9.0)])
def test_operations_mean_the_same_in_python_and_in_kernels(subject, expected):
    values = np.array([1.0, 2.0])
    assert sum_of_powers(subject, values) == expected
    assert sum(power(subject, x) for x in values) == expected


def test_unknown_subjects_are_refused():
    with pytest.raises(TypeError, match="no power"):
        power("text", 1.0)
    assert power.registered(Square)
    assert not power.registered(str)
    with pytest.raises(numba.TypingError):
        sum_of_powers(1.0, np.ones(1))


def test_folder_of_other_packages_is_left_alone(tmp_path):
    code = (
        "import numba; before = numba.config.CACHE_DIR\n"
        "import sparsestat.linear_model\n"
        "print(before == numba.config.CACHE_DIR)"
    )
    assert run(code, tmp_path) == ["True"]


@pytest.mark.slow
def test_second_process_compiles_nothing_and_an_edit_is_seen(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(
        PACKAGE, copy / "sparsestat", ignore=shutil.ignore_patterns("__pycache__")
    )
    cache = tmp_path / "cache"
    compiled, coef = first_fit(cache, *LASSO, copy)
    assert 0 < compiled < 45
    # Estimators hold no kernels of the engine.
    with open(copy / "sparsestat" / "linear_model" / "_lasso.py", "a") as estimator:
        estimator.write("# edited\n")
    again, same = first_fit(cache, *LASSO, copy)
    assert (again, same) == (0, coef)
    # An operation in one file, inlined into kernels of others.
    l1 = copy / "sparsestat" / "optim" / "penalties" / "l1.py"
    text = l1.read_text()
    before = "return np.copysign(penalty.alpha * penalty.weights[j], w)"
    assert before in text
    l1.write_text(text.replace(before, before.replace("penalty.alpha", "0.0")))
    fresh, changed = first_fit(cache, *LASSO, copy)
    assert fresh > 0
    assert changed != coef


@pytest.mark.slow
def test_penalties_of_users_are_cached_apart(tmp_path):
    cache, user = tmp_path / "cache", tmp_path / "user"
    user.mkdir()
    module = user / "user_penalty.py"
    module.write_text(RIDGE.replace("FACTOR", "1.0"))
    setup = (
        "from user_penalty import Ridge\nfrom sparsestat.optim import datafits, solve"
    )
    path = [PACKAGE.parent, user]
    compiled, coef = first_fit(cache, setup, USE_RIDGE, *path)
    assert compiled > 0
    X = np.arange(12.0).reshape(6, 2) % 5
    y = X[:, 0] + np.array([0.1, -0.1, 0.2, -0.2, 0.1, -0.1])
    expected = np.linalg.solve(X.T @ X / 6 + 0.1 * np.eye(2), X.T @ y / 6)
    assert coef == pytest.approx(expected[0], abs=1e-8)
    again, _ = first_fit(cache, setup, USE_RIDGE, *path)
    assert again < compiled / 2
    module.write_text(RIDGE.replace("FACTOR", "2.0"))
    _, edited = first_fit(cache, setup, USE_RIDGE, *path)
    assert edited != pytest.approx(coef, abs=1e-4)
    # A class that no other process can import must not be in a shared index.
    main = RIDGE.replace("FACTOR", "1.0")
    main += "\nfrom sparsestat.optim import datafits, solve"
    _, in_main = first_fit(cache, main, USE_RIDGE)
    assert in_main == pytest.approx(coef)
    setup = "from sparsestat.optim import datafits, penalties, solve"
    first_fit(
        cache, setup, "coef = solve(X, y, datafits.Quadratic(), penalties.L1(0.1)).coef"
    )


@pytest.mark.slow
def test_few_signatures_serve_all_data(tmp_path):
    # In a cold cache: kernels from a cache do not count those that they call.
    first, *rest = map(int, run(SIGNATURES, tmp_path / "cache", PACKAGE.parent))
    assert 10 < first <= 28
    read_only, whole, options, single, c_order, read_only_c, csc, *others = rest
    assert (read_only, whole, options, read_only_c) == (0, 0, 0, 0)
    assert single <= 6
    assert c_order <= 6
    assert csc <= 7
    read_only_csc, csr, long = others
    assert (read_only_csc, csr) == (0, 0)
    assert long <= 7


def test_processes_share_a_cold_cache(tmp_path):
    code = (
        "import numpy as np\n"
        "from sparsestat.optim.vector import dot\n"
        "print(dot(np.arange(4.0), np.ones(4)))"
    )
    env = {**os.environ, "SPARSESTAT_CACHE_DIR": str(tmp_path / "cache")}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=env,
            cwd=PACKAGE.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [process.communicate()[0].strip() for process in started] == ["6.0"] * 3


def test_place_of_the_cache(monkeypatch, tmp_path):
    find = cache_folder.__wrapped__
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("SPARSESTAT_CACHE_DIR", raising=False)
    assert find().parent == tmp_path / "home" / "sparsestat"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert find().parent == tmp_path / "numba" / "sparsestat"
    monkeypatch.setenv("SPARSESTAT_CACHE_DIR", str(tmp_path / "own"))
    assert find().parent == tmp_path / "own" / "sparsestat"
    assert find().name == cache_folder().name


def test_folders_are_named_by_all_that_kernels_see(tmp_path):
    package = tmp_path / "sparsestat"
    shutil.copytree(PACKAGE / "utils", package / "utils")
    files = {
        "__init__.py": "",
        "first/__init__.py": "from sparsestat.second import (\n    two,\n)",
        "second/__init__.py": "two = 2  # sparsestat.fourth",
        "second/deep.py": "def late():\n    from ..third import three",
        "third/__init__.py": "from sparsestat import first",
        "fourth/__init__.py": "import sparsestat.third",
    }
    for name, text in files.items():
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text(text)
    code = (
        "from sparsestat.utils.dispatch import cache_folder\n"
        "print(*(cache_folder(name).name for name in "
        "['first', 'second', 'third', 'fourth', 'utils', '']))"
    )

    def folders():
        return np.array(run(code, tmp_path / "cache", tmp_path))

    before = folders()
    (package / "fourth" / "__init__.py").write_text("import sparsestat.third  # edited")
    after = folders()
    assert (before != after).tolist() == [False, False, False, True, False, True]
    (package / "third" / "new.py").write_text("")
    assert (folders() != after).tolist() == [True, True, True, True, False, True]


def test_functions_without_a_file_are_compiled_but_not_cached():
    scope = {}
    exec("def triple(x):\n    return 3.0 * x", scope)
    triple = kernel(scope["triple"])
    assert triple(2.0) == 6.0
    assert not triple.stats.cache_path


def test_kernels_take_options_and_keep_infinities():
    @kernel(inline="always")
    def larger(x, y):
        return x if x > y else y

    @kernel
    def limits(x):
        return larger(x, np.inf), x / 0.0, np.isnan(x - x)

    assert limits(1.0) == (np.inf, np.inf, False)
    assert limits(np.inf) == (np.inf, np.inf, True)


def test_without_a_cache_folder_kernels_still_work(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    code = (
        "from sparsestat.utils.dispatch import cache_folder\n"
        "from sparsestat.optim.vector import dot\n"
        "import numpy as np\n"
        "print(cache_folder(), dot(np.ones(2), np.ones(2)))"
    )
    assert run(code, blocked) == ["None", "2.0"]
