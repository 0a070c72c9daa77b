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
from sparsestat.utils.dispatch import kernel, operation

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


def run(code, cache, *path):
    """Run code in a process with a cache of its own; returns the words it prints."""
    env = {**os.environ, "SPARSESTAT_CACHE_DIR": str(cache)}
    env["PYTHONPATH"] = os.pathsep.join(map(str, path or [PACKAGE.parent]))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=env,
        cwd=cache.parent,
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
