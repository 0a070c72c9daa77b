"""Best subsets for classes, counts and survival beside abess, with deviances."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from benchmarks._case import Case, Settings
from benchmarks._tables import seconds
from benchmarks.best_subset._times import _child, best_time


class Problem(NamedTuple):
    """A likelihood, its data, and the sizes that both packages look at."""

    title: str
    kind: str
    shape: tuple[int, int]
    sizes: tuple[int, ...]
    correlation: float = 0.5
    n_true: int = 10
    golden: bool = False
    quick: tuple[int, int] = (80, 30)


PROBLEMS = [
    Problem("two classes, 500 x 1000, ten features", "binary", (500, 1000), (10,)),
    Problem("two classes, 500 x 1000, 0 to 20", "binary", (500, 1000),
            tuple(range(21))),
    Problem("two classes, 2000 x 2000, 0 to 20", "binary", (2000, 2000),
            tuple(range(21))),
    Problem("two classes, 400 x 60, correlation 0.9, 0 to 12", "binary", (400, 60),
            tuple(range(13)), 0.9),
    Problem("three classes, 500 x 500, 0 to 10", "classes", (500, 500),
            tuple(range(11))),
    Problem("four ordered classes, 500 x 500, 0 to 10", "ordered", (500, 500),
            tuple(range(11))),
    Problem("counts, 500 x 1000, 0 to 15", "counts", (500, 1000), tuple(range(16))),
    Problem("counts, 400 x 60, correlation 0.9, 0 to 12", "counts", (400, 60),
            tuple(range(13)), 0.9),
    Problem("amounts, 500 x 1000, 0 to 15", "amounts", (500, 1000), tuple(range(16))),
    Problem("survival, 500 x 1000, 0 to 10", "survival", (500, 1000), tuple(range(11))),
    Problem("survival, 400 x 60, correlation 0.9, 0 to 12", "survival", (400, 60),
            tuple(range(13)), 0.9),
    Problem("two classes, 1000 x 500, sixty features, golden section", "binary",
            (1000, 500), tuple(range(1, 121)), n_true=60, golden=True),
]  # fmt: skip


def draw(problem: Problem, quick: bool):
    """Neighbours correlated, signs at random."""
    from sparsestat.datasets import make_sparse_regression

    n, p = problem.quick if quick else problem.shape
    data = make_sparse_regression(
        n, p, n_nonzero_coefs=min(problem.n_true, p // 6), snr=50.0, random_state=0,
        correlation=problem.correlation,
    )  # fmt: skip
    z = data.target / data.target.std()
    rng = np.random.default_rng(1)
    if problem.kind == "binary":
        return data.data, (rng.logistic(size=n) < 3.0 * z).astype(int)
    if problem.kind == "classes":
        scores = np.column_stack([2.0 * z, -2.0 * z, 0.0 * z])
        return data.data, (scores + rng.gumbel(size=(n, 3))).argmax(axis=1)
    if problem.kind == "ordered":
        return data.data, np.digitize(2.0 * z + rng.logistic(size=n), [-2.0, 0.0, 1.5])
    if problem.kind == "counts":
        return data.data, rng.poisson(np.exp(0.7 * z)).astype(float)
    if problem.kind == "amounts":
        return data.data, np.exp(0.7 * z) * rng.gamma(2.0, 0.5, size=n)
    time = rng.exponential(np.exp(-z))
    end = np.quantile(time, 0.8)
    return data.data, np.column_stack([np.minimum(time, end), time <= end])


def ours_of(kind: str, sizes, golden: bool = False):
    """Our estimator for a kind of target."""
    from sparsestat.linear_model import (
        BestSubsetClassifier,
        BestSubsetCox,
        BestSubsetGLM,
        BestSubsetOrdinal,
    )

    if golden:
        return BestSubsetClassifier(
            max_nonzero_coefs=max(sizes), path="golden", solver="swap"
        )
    if kind == "ordered":
        return BestSubsetOrdinal(sizes, solver="swap")
    if kind in ("binary", "classes"):
        return BestSubsetClassifier(sizes, solver="swap")
    if kind == "survival":
        return BestSubsetCox(sizes, solver="swap")
    family = {"counts": "poisson", "amounts": "gamma"}[kind]
    return BestSubsetGLM(sizes, family=family, solver="swap")


def theirs_of(kind: str, sizes, golden: bool = False):
    """The estimator of abess, or None."""
    try:
        from abess import linear
    except ImportError:
        return None
    name = {
        "binary": "LogisticRegression",
        "classes": "MultinomialRegression",
        "ordered": "OrdinalRegression",
        "counts": "PoissonRegression",
        "amounts": "GammaRegression",
        "survival": "CoxPHSurvivalAnalysis",
    }[kind]
    options = {"support_size": sizes}
    if golden:
        options = {"path_type": "gs", "s_min": min(sizes), "s_max": max(sizes)}
    return getattr(linear, name)(**options, ic_type="ebic")


def measure(repeat: int, quick: bool) -> Iterator[dict]:
    """Both packages on all problems."""
    from importlib.metadata import version

    import sparsestat

    warnings.simplefilter("ignore")
    versions = {"sparsestat": sparsestat.__version__}
    if theirs_of("binary", 1) is not None:
        versions["abess"] = version("abess")
    yield {"event": "versions", "versions": versions}
    for problem in PROBLEMS:
        X, y = draw(problem, quick)
        sizes = [k for k in problem.sizes if not quick or k <= 3] or [2]
        asked = problem.kind, sizes, problem.golden
        ours, model = best_time(partial(ours_of(*asked).fit, X, y), min(repeat, 3))
        size = model.n_nonzero_coefs_
        record = {"event": "timed", "title": problem.title, "ours": ours, "size": size,
                  "theirs": None, "reason": "absent", "ratios": []}  # fmt: skip
        targets = np.eye(3)[y] if problem.kind == "classes" else y
        peer = theirs_of(*asked)
        if peer is not None:
            try:
                theirs, peer = best_time(partial(peer.fit, X, targets), min(repeat, 3))
            except (ValueError, RuntimeError) as error:
                record["reason"] = str(error)[:40]
                yield record
                continue
            chosen = np.atleast_2d(peer.coef_.T).any(axis=0).sum()
            record["theirs"] = {**theirs, "size": int(chosen)}
            compared = [size] if problem.golden else [k for k in sizes if k]
            for k in compared:
                same = theirs_of(problem.kind, k).fit(X, targets)
                support = np.flatnonzero(np.atleast_2d(same.coef_.T).any(axis=0))
                fitted = ours_of(problem.kind, len(support)).set_params(
                    always_select=support, solver="splicing"
                )
                their_loss = fitted.fit(X, y).loss_[0]
                our_loss = model.loss_[list(model.sizes_).index(k)]
                if len(support) == k and k in model.sizes_:
                    record["ratios"].append(float(our_loss / their_loss))
        yield record


def _run(settings: Settings) -> dict:
    events = _child("_likelihoods:measure", settings)
    rows, versions = [], events[0]["versions"]
    for event in events[1:]:
        ours, theirs = event["ours"], event["theirs"]
        ratios = np.array(event["ratios"])
        better = int((ratios < 1 - 1e-9).sum())
        worse = int((ratios > 1 + 1e-9).sum())
        rows.append(
            [
                event["title"],
                seconds(ours["best"]),
                seconds(theirs["best"]) if theirs else event["reason"],
                f"{theirs['best'] / ours['best']:.1f}" if theirs else "",
                f"{event['size']} / {theirs['size']}" if theirs else f"{event['size']}",
                f"{better} / {worse} of {len(ratios)}" if len(ratios) else "",
                f"{ratios.min():.4f} to {ratios.max():.4f}" if len(ratios) else "",
            ]
        )
    names = ", ".join(f"{name} {version}" for name, version in versions.items())
    table = {
        "title": "Best of several calls after a warm-up",
        "head": ["", "sparsestat", "abess", "ratio", "chosen", "better / worse",
                 "deviance ratio"],
        "rows": rows,
    }  # fmt: skip
    note = (
        f"{names}; our solver is swap. Better, worse: sizes of the path at which the "
        "deviance of our subset is below or above that of the subset that abess finds "
        "for this size alone; both refitted by maximum likelihood. Ratios below one "
        "are better subsets of ours."
    )
    golden = (
        "Golden section: both look for the size of up to 120 features, by EBIC. The "
        "ratio is at our size."
    )
    small = (
        "On 400 x 60 most of the time is not in compiled code, but between calls of it "
        "and in checks of the data."
    )
    return {"kind": "tables", "tables": [table], "notes": [note, golden, small]}


CASE = Case("D", "Likelihoods beside abess", _run)
