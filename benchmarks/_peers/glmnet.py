"""R's glmnet, by Rscript; the time is that of its call alone, taken inside R."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks._peers import Timed, decades

NAME = "glmnet"
TOLERANCES = decades(5, 19)

_SCRIPT = Path(__file__).with_name("glmnet.R")


def versions() -> dict[str, str]:
    """Versions of what runs."""
    program = _program()
    query = 'cat(as.character(packageVersion("glmnet")), as.character(getRversion()))'
    answer = subprocess.run([program, "-e", query], capture_output=True, text=True)
    if answer.returncode != 0:
        raise ImportError("R has no package glmnet")
    glmnet, r = answer.stdout.split()
    return {"glmnet": glmnet, "R": r}


def options(task: str, n_samples: int, n_features: int, sparse: bool) -> dict:
    """Both of its updates; ``covariance`` keeps products of active columns."""
    if task == "cox_path":
        return {"default": {"update": "naive"}}
    if task == "logistic_path":
        return {kind: {"update": kind} for kind in ("Newton", "modified.Newton")}
    return {
        "naive": {"update": "naive"},
        "covariance": {"update": "covariance"},
    }


def lasso_path(problem, tol: float, update: str) -> Timed:
    """Lasso path on the given grid."""
    return _session(problem).lasso_path(tol, update)


def cox_path(problem, tol: float, update: str) -> Timed:
    """Path of proportional hazards on the given grid; `update` has no meaning."""
    return _session(problem).lasso_path(tol, update)


def logistic_path(problem, tol: float, update: str) -> Timed:
    """Path of logistic regression without intercept, by its kind of Newton steps."""
    return _session(problem).lasso_path(tol, update)


def lasso_cv(problem, folds: int, tol: float, threads: int, update: str) -> Timed:
    """Mean squared errors of ``cv.glmnet`` over unshuffled folds."""
    return _session(problem).lasso_cv(tol, update, folds)


class _Session:
    """An R process that holds one problem and answers one line at a time."""

    def __init__(self, problem) -> None:
        from benchmarks import _problem

        self._scratch = tempfile.TemporaryDirectory(prefix="sparsestat-bench-r-")
        folder = Path(self._scratch.name)
        if problem.folder is None:
            problem = _problem.save(problem, folder / "problem")
        self._shape = (problem.X.shape[1], len(problem.alphas))
        self._answer = folder / "coefs"
        self._process = subprocess.Popen(
            [_program(), "--vanilla", str(_SCRIPT), problem.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def lasso_path(self, tol: float, update: str) -> Timed:
        import numpy as np
        from scipy.sparse import csc_matrix

        seconds = self._ask(tol, update, 0)
        values, rows, starts = map(self._read, "xip", ("<f8", "<i4", "<i4"))
        n_features, n_alphas = self._shape
        fitted = len(starts) - 1
        coefs = csc_matrix((values, rows, starts), shape=(n_features, fitted))
        # alphas that glmnet did not reach count as not solved
        rest = np.full((n_features, n_alphas - fitted), np.nan)
        return Timed(seconds, np.hstack([coefs.toarray(), rest]))

    def lasso_cv(self, tol: float, update: str, folds: int) -> Timed:
        return Timed(self._ask(tol, update, folds), self._read("cvm", "<f8"))

    def _ask(self, tol: float, update: str, folds: int) -> float:
        request = f"{tol!r} {update} {self._answer} {folds}"
        try:
            print(request, file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BaseException:
            # interrupted: its late answer must not be taken for the next one's
            self._process.kill()
            _open.clear()
            raise
        if not line.startswith("seconds "):
            raise RuntimeError(f"glmnet gave no answer: {line.strip() or 'R ended'}")
        return float(line.split()[1])

    def _read(self, part: str, dtype: str):
        import numpy as np

        return np.fromfile(f"{self._answer}.{part}", dtype=dtype)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._scratch.cleanup()


_open: dict[int, tuple] = {}


def _session(problem) -> _Session:
    """Return the session of `problem`; that of another one is closed."""
    key = id(problem)
    if key not in _open:
        for _, session in _open.values():
            session.close()
        _open.clear()
        _open[key] = (problem, _Session(problem))
    return _open[key][1]


def _program() -> str:
    program = shutil.which("Rscript")
    if program is None:
        raise ImportError("Rscript is not on the path")
    return program
