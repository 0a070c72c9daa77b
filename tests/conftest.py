"""Settings of every test run: one BLAS thread, no windows, warnings that fail."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before NumPy loads: the workers of a parallel run share the cores.
for _library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "agg"

settings.register_profile("default", derandomize=True, deadline=None, database=None)
settings.load_profile("default")


def pytest_configure(config):
    # Not in setup.cfg: there the category would load scikit-learn, hence NumPy, too
    # early. A certified fit on a test problem converges or the test says otherwise.
    config.addinivalue_line(
        "filterwarnings", "error::sklearn.exceptions.ConvergenceWarning"
    )


@pytest.fixture(scope="session")
def repository():
    """Root folder of the checkout."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def data_folder(repository):
    """Folder of the real data, where they are at hand."""
    folder = os.environ.get("SPARSESTAT_DATA")
    folder = Path(folder) if folder else repository.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}")
    return folder
