"""Families of matrices are what their names say."""

import numpy as np
import pytest

from benchmarks.bayes import _gamp


@pytest.mark.parametrize("family", _gamp.FAMILIES)
def test_matrices_of_a_family(family):
    rng = np.random.default_rng(0)
    mild, *_, hard = _gamp.FAMILIES[family]
    A, B = (_gamp.matrix(family, s, rng, 60, 120) for s in (mild, hard))
    for M in (A, B):
        assert np.linalg.norm(M) ** 2 == pytest.approx(120)
    values = [np.linalg.svd(M, compute_uv=False) for M in (A, B)]
    match family:
        case "nonzero mean":
            assert abs(B.mean()) > 50 * abs(A.mean())
        case "columns correlated":
            unit = B / np.linalg.norm(B, axis=0)
            assert (unit[:, 1:] * unit[:, :-1]).sum(axis=0).mean() > 0.9
        case "condition number":
            assert values[1][0] / values[1][-1] == pytest.approx(hard)
        case "rank / rows":
            assert (values[1] > 1e-10).sum() == 36


def test_level_of_the_noise():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((4000, 30))
    y, x, noise = _gamp.draw(A, rng, 5, 20.0)
    assert np.count_nonzero(x) == 5
    assert np.mean((y - A @ x) ** 2) == pytest.approx(noise, rel=0.1)
    assert noise == pytest.approx(np.mean((A @ x) ** 2) / 100)
