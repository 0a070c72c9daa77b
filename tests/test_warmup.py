"""After a warm-up, fitting compiles nothing."""

import os
import subprocess
import sys

import pytest

FITS = """
import numpy as np
from scipy import sparse
from tests.estimators import ESTIMATORS, data_for, takes_sample_weight

for cls in ESTIMATORS:
    X, y = data_for(cls(), n_samples=23, n_features=9)
    for storage in (np.asfortranarray, np.ascontiguousarray, sparse.csc_array):
        given = {"sample_weight": np.arange(23.0)} if takes_sample_weight(cls) else {}
        cls().fit(storage(X), y, **given)
        cls().fit(storage(X.astype(np.float32)), y)
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

    lines = run("-m", "sparsestat.warmup").splitlines()
    assert lines and all(" fits " in line for line in lines)
    before = compiled()
    assert before
    run("-c", FITS)
    assert compiled() == before
