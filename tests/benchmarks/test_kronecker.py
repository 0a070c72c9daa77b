"""Kronecker cases: published methods as settings, dense ones, and their tables."""

import numpy as np
import pytest

from benchmarks import _tables
from benchmarks.bayes import _kronecker, _methods
from sparsestat.datasets import make_kronecker_sparse
from sparsestat.metrics import nmse


def small(**options):
    return make_kronecker_sparse(
        (5, 6, 6), (6, 7, 5), **{"n_nonzero_coefs": 2, "random_state": 1, **options}
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_method_beats_zero_on_an_easy_draw():
    data = small(snr_db=30)
    methods = _methods.tensor_methods() | _methods.dense_methods()
    errors = {name: nmse(data.coef, fit(data)) for name, fit in methods.items()}
    del errors["Kronecker OMP"]  # ten indices a mode interpolate here
    assert max(errors.values()) < 0.5, errors
    assert errors["oracle least squares"] < 1e-2


def test_oracle_is_least_squares_on_the_support():
    data = small()
    expanded = _methods._expanded(data)
    columns = data.coef != 0
    expected = np.linalg.lstsq(expanded[:, columns], data.target.ravel(), rcond=None)[0]
    found = _methods._oracle(data)
    np.testing.assert_allclose(found[columns], expected)
    assert not found[~columns].any()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_dense_learning_is_one_alternating_factor():
    data = small(snr_db=10)
    from sparsestat.bayes import KroneckerSparseBayesian

    expanded = _methods._expanded(data)
    model = KroneckerSparseBayesian(
        "am", init=[np.ones(expanded.shape[1])], prune_tol=0.0, max_iter=20, tol=1e-12,
        noise_variance=data.noise_variance,
    ).fit(expanded, data.target.ravel())  # fmt: skip
    np.testing.assert_allclose(_methods.dense_sbl(data), model.coef_, atol=1e-8)


def test_tables_show_medians_of_each_point():
    events = [
        {"method": name, "point": point, "nmse": error, "rate": 1.0, "time": 0.01}
        for name in ("ours", "theirs")
        for point, error in [(5, 0.1), (5, 0.3), (5, 0.2), (10, 0.05)]
    ]
    tables = _kronecker.tensor_tables(events, [(5, "5 dB"), (10, "10 dB")])
    assert tables[0]["rows"] == [["ours", "0.2", "0.05"], ["theirs", "0.2", "0.05"]]
    record = {"kind": "tables", "title": "t", "notes": ["A note."], "tables": tables}
    lines = _tables.section("B", record)
    assert lines[:4] == ["## B. t", "", "A note.", ""]
    assert "| ours | 0.2 | 0.05 |" in lines


def test_interval_of_equal_values_is_a_point():
    assert _kronecker._interval([0.5] * 4) == "0.5 to 0.5"
