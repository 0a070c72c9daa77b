"""After a warm-up, fitting compiles nothing."""

import os
import subprocess
import sys

import pytest

from sparsestat.warmup import warm_up

FITS = """
import numpy as np
from scipy import sparse
from sparsestat.linear_model import Lasso

rng = np.random.default_rng(0)
X = rng.standard_normal((23, 9))
y = X[:, 0] - X[:, 1] + rng.standard_normal(23)
for storage in (np.asfortranarray, np.ascontiguousarray, sparse.csc_array):
    Lasso(0.1).fit(storage(X), y, sample_weight=np.arange(23.0))
    Lasso(0.1, penalty_weights=np.arange(9.0), positive=True).fit(storage(X), y)
    Lasso(0.1, solver="cd", standardize=True).fit(storage(X.astype(np.float32)), y)
"""


@pytest.mark.slow
def test_nothing_is_compiled_after_warm_up(repository, tmp_path):
    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=repository,
            env=os.environ | {"SPARSESTAT_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def compiled():
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")}

    assert run("-m", "sparsestat.warmup", "Lasso").startswith("Lasso ")
    before = compiled()
    assert before
    run("-c", FITS)
    assert compiled() == before


def test_unknown_estimator_is_named():
    with pytest.raises(ValueError, match=r"among .*Lasso.*; got Laso\."):
        warm_up(["Lasso", "Laso"])
