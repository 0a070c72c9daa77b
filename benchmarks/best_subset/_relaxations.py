"""Proofs with a price for each feature and a ridge, beside l0bnb."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import numpy as np

from benchmarks._case import Case, Settings
from benchmarks._tables import seconds
from benchmarks.best_subset._times import _child

# Samples, features, nonzeros, correlation, ridge for columns of unit length.
PROBLEMS = [
    (500, 100, 10, 0.5, 0.01),
    (100, 200, 5, 0.5, 0.1),
    (100, 1000, 5, 0.5, 0.1),
    (500, 1000, 10, 0.5, 0.05),
    (500, 1000, 10, 0.1, 0.02),
]
LIMIT = 20.0


def _run(settings: Settings) -> dict:
    limit = 1.0 if settings.quick else LIMIT
    events = _child("_relaxations:measure", settings, limit=limit)
    rows = []
    for e in events[1:]:
        theirs = e["theirs"]
        rows.append(
            [
                e["title"],
                seconds(e["seconds"]),
                str(e["nodes"]),
                f"{e['gap']:.1%}",
                seconds(theirs["seconds"]) if theirs else "absent",
                f"{theirs['gap']:.1%}" if theirs else "",
                f"{e['value'] / theirs['value']:.4f}" if theirs else "",
            ]
        )
    head = ["", "sparsestat", "nodes", "gap", "l0bnb", "its gap", "objective ratio"]
    table = {"title": "Branch and bound", "head": head, "rows": rows}
    note = (
        f"Columns and target of unit length, signal to noise 5; both stop after "
        f"{limit:g} s. The price of a feature is half of what the last true feature "
        "and one more save together; coefficients are bounded by 1.5 times the "
        "largest, as l0bnb needs a bound. Either is called once before, to compile. "
        "l0bnb runs on NumPy 2 only after np.Inf is put back. Times of sparsestat "
        "include its search for a start."
    )
    versions = ", ".join(f"{k} {v}" for k, v in events[0]["versions"].items())
    return {"kind": "tables", "tables": [table], "notes": [note, versions]}


def measure(repeat: int, quick: bool, limit: float) -> Iterator[dict]:
    """Both packages on all problems."""
    from importlib.metadata import version

    import sparsestat
    from sparsestat.datasets import make_sparse_regression
    from sparsestat.optim.subset import branch_and_bound, make_problem, subset_path

    warnings.simplefilter("ignore")
    versions = {"sparsestat": sparsestat.__version__}
    try:
        vars(np)["Inf"] = np.inf
        from l0bnb import BNBTree

        versions["l0bnb"] = version("l0bnb")
    except ImportError:
        BNBTree = None
    yield {"event": "versions", "versions": versions}

    def search(X, y, k, ridge):
        start = time.perf_counter()
        problem = make_problem(X.T @ X, X.T @ y, 1.0, len(y), ridge)
        path = subset_path(problem, np.arange(k + 4), solver="swap")
        cost = 0.5 * (path.losses[k - 1] - path.losses[k + 1])
        first = path.supports[int(np.argmin(path.losses + cost * path.sizes))]
        largest = 1.5 * max(np.abs(b).max() for b in path.coefs if b.size)
        result = branch_and_bound(
            problem, cost=cost, largest=largest, start=[first], time_limit=limit
        )
        return time.perf_counter() - start, result, cost, largest

    for n, p, k, rho, ridge in PROBLEMS[: 1 if quick else None]:
        data = make_sparse_regression(
            n, p, n_nonzero_coefs=k, correlation=rho, snr=5, random_state=0
        )
        X = data.data - data.data.mean(axis=0)
        X = np.asfortranarray(X / np.linalg.norm(X, axis=0))
        y = data.target - data.target.mean()
        y /= np.linalg.norm(y)
        search(X[:, :50], y, 3, ridge)
        taken, found, cost, largest = search(X, y, k, ridge)
        theirs = None
        if BNBTree is not None:
            half = (cost / 2, ridge / 2, largest)
            BNBTree(X[:, :20].copy(order="F"), y).solve(*half, time_limit=2)
            start = time.perf_counter()
            other = BNBTree(X, y).solve(*half, gap_tol=1e-4, time_limit=limit)
            theirs = {
                "seconds": time.perf_counter() - start,
                "value": 2.0 * float(other.cost),
                "gap": float(other.gap),
            }
        yield {
            "event": "timed",
            "title": f"{n} x {p}, {k} true, correlation {rho}, ridge {ridge}",
            "seconds": taken,
            "nodes": found.n_nodes,
            "gap": 1.0 - found.lower_bound / found.objective,
            "value": found.objective,
            "theirs": theirs,
        }


CASE = Case("E", "Proofs with a ridge beside l0bnb", _run)
