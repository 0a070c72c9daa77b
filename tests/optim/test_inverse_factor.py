"""Factors of inverses that grow and shrink, against inverses made anew."""

import numpy as np
import pytest

from sparsestat.optim.inverse_factor import border, halve, remove, solve


def grown(H):
    """The factor of the inverse of H, column by column."""
    S, x = np.full((len(H) + 1, len(H) + 1), np.nan), np.empty(len(H))
    for n in range(len(H)):
        halve(S, n, H[n, :n].copy(), x)
        border(S, n, x, H[n, n] - x[:n] @ x[:n])
    return S


@pytest.mark.parametrize("removed", [[], [0], [4], [5], [2, 0, 3], [5, 4, 3, 2, 1]])
def test_factor_is_that_of_the_inverse(removed):
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((6, 9))
    H = Z @ Z.T
    S, n, b = grown(H), len(H), rng.standard_normal(6)
    for k in removed:
        remove(S, n, k)
        H, b, n = np.delete(np.delete(H, k, 0), k, 1), np.delete(b, k), n - 1
    T = np.tril(S[:n, :n])
    np.testing.assert_allclose(T.T @ T, np.linalg.inv(H), rtol=1e-9)
    expected, x = np.linalg.solve(H, b), np.empty(n)
    halve(S, n, b, x)
    np.testing.assert_allclose(x @ x, b @ expected)
    solve(S, n, b, x)
    np.testing.assert_allclose(b, expected, rtol=1e-9)
