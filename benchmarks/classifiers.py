"""Linear classifiers beside scikit-learn: ``python -m benchmarks.classifiers``.

Sparsemax and logistic regression minimise different losses under the same penalty, so
each is timed to the same accuracy of its own certificate: the duality gap relative to
the objective of the null model, recomputed here from the coefficients.  With a squared
norm of strength alpha it is the squared gradient over 2 alpha, at the best intercept.
scikit-learn is given the loosest of its tolerances that reaches the target.  Runs are
interleaved; the best times count.

==== =========================================================================
A    digits, 1797 x 64, 10 classes, three strengths
B    generated, 60000 x 784, 10 classes
C    generated, sparse, 10000 x 100000, 20 classes, with peak memory
==== =========================================================================
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from benchmarks._measure import timed
from sparsestat.activations import softmax, sparsemax
from sparsestat.linear_model import SparsemaxClassifier

TARGET = 1e-6
TOLERANCES = 10.0 ** -np.arange(3, 9)
_MAPS = {"sparsemax": sparsemax, "logistic": softmax}


class Task(NamedTuple):
    """Data and the strength of the penalty."""

    name: str
    X: object
    y: np.ndarray
    alpha: float
    repeat: int


def tasks(names: str) -> Iterator[Task]:
    """The cases, made one after the other."""
    if "A" in names:
        X, y = load_digits(return_X_y=True)
        for alpha in (1e-3, 1e-2, 1e-1):
            yield Task("A", X / 16, y, alpha, 7)
    if "B" in names:
        rng = np.random.default_rng(0)
        X = rng.standard_normal((60_000, 784))
        W = 3 / 28 * rng.standard_normal((784, 10))
        y = (X @ W + rng.gumbel(size=(60_000, 10))).argmax(axis=1)
        yield Task("B", X, y, 1e-3, 2)
    if "C" in names:
        rng = np.random.default_rng(0)
        X = sparse.random_array((10_000, 100_000), density=1e-3, format="csr", rng=rng)
        W = 5 * rng.standard_normal((100_000, 20))
        y = (X @ W + rng.gumbel(size=(10_000, 20))).argmax(axis=1)
        yield Task("C", X, y, 1e-3, 1)


def relative_gap(task: Task, loss: str, coef, intercept) -> float:
    """Squared gradient over 2 alpha at the best intercept, over the null objective."""
    n, q = len(task.y), np.bincount(task.y) / len(task.y)
    scores = task.X @ coef.T + intercept
    change = _MAPS[loss]

    def error(b):
        return change(scores + b).mean(axis=0) - q

    def value(b):
        Z = scores + b
        P = change(Z)
        omega = _omega(loss, P).mean()
        return float((P * Z).sum() / n - omega - q @ b), error(b)

    b = minimize(value, np.zeros(len(q)), jac=True, options={"gtol": 1e-12}).x
    R = change(scores + b)
    R[np.arange(n), task.y] -= 1.0
    gradient = np.asarray(task.X.T @ R).T / n + task.alpha * coef
    null = -_omega(loss, q[None])[0]
    return float((gradient**2).sum() / (2 * task.alpha) / null)


def _omega(loss: str, P):
    if loss == "sparsemax":
        return 0.5 * ((P**2).sum(axis=1) - 1.0)
    return (P * np.log(np.where(P > 0, P, 1.0))).sum(axis=1)


def ours(task: Task, tol: float):
    """Fit the sparsemax classifier."""
    return SparsemaxClassifier(task.alpha, tol=tol).fit(task.X, task.y)


def theirs(task: Task, tol: float):
    """Fit logistic regression with the same penalty."""
    C = 1 / (task.alpha * len(task.y))
    return LogisticRegression(C=C, tol=tol, max_iter=10_000).fit(task.X, task.y)


def main() -> None:
    """Run the cases and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="ABC", help="which, default ABC")
    with threadpool_limits(limits=1):
        for task in tasks(parser.parse_args().cases):
            _run(task)


def _run(task: Task) -> None:
    for tol in TOLERANCES:
        model = theirs(task, tol)
        peer_gap = relative_gap(task, "logistic", model.coef_, model.intercept_)
        if peer_gap <= TARGET:
            break
    mine = ours(task, TARGET)
    gap = relative_gap(task, "sparsemax", mine.coef_, mine.intercept_)
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(task.repeat):
        seconds["ours"].append(timed(ours, task, TARGET).seconds)
        seconds["theirs"].append(timed(theirs, task, tol).seconds)
    first, second = min(seconds["ours"]), min(seconds["theirs"])
    reported = mine.dual_gap_ / mine.dual_gap_tol_ * TARGET
    print(
        f"{task.name} {task.X.shape} alpha={task.alpha:g}: sparsemax {first:.4f} s "
        f"({mine.n_iter_} steps, gap {gap:.1e}, reported {reported:.1e}); "
        f"LogisticRegression {second:.4f} s ({model.n_iter_[0]} steps, gap "
        f"{peer_gap:.1e}, tol {tol:g}); ratio {first / second:.2f}",
        flush=True,
    )
    if sparse.issparse(task.X):
        tracemalloc.start()
        ours(task, TARGET)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        dense = task.X.shape[0] * task.X.shape[1] / 2**17
        print(
            f"  peak memory of the fit {peak:.0f} MB; X dense would be {dense:.0f} MB"
        )


if __name__ == "__main__":
    main()
