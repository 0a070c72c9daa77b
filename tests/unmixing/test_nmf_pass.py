"""One reading of the pixels against products and problems one after the other."""

import numpy as np
import pytest

from sparsestat.optim.gram_qp import gram_qp
from sparsestat.unmixing._nmf_pass import exact_pass


@pytest.mark.parametrize("simplex", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("p", [1, 4, 18])
@pytest.mark.parametrize("n_pixels", [3, 600])
def test_pass_is_products_and_problems(simplex, order, p, n_pixels):
    rng = np.random.default_rng(p)
    E, weights = rng.random((p, 25)), rng.uniform(0.1, 1.0, 25)
    A = rng.dirichlet(np.full(p, 0.3), n_pixels)
    X = np.asarray(A @ E + 0.1 * rng.standard_normal((n_pixels, 25)), order=order)
    linear, shift = rng.uniform(0.0, 0.3, A.shape), 0.5
    EW = E * weights
    G, C = EW @ E.T + shift, X @ EW.T + shift
    start = np.maximum(A - 0.2, 0.0)
    found = exact_pass(X, start, EW, G, shift, linear, simplex, None)
    np.testing.assert_allclose(found.slopes, start @ G - C + linear, atol=1e-11)
    np.testing.assert_allclose(found.largest, np.abs(C).max(), rtol=1e-12)
    best = gram_qp(G, C - linear, sum_to_one=simplex).coef
    np.testing.assert_allclose(found.abundances, best, atol=1e-7)
    np.testing.assert_allclose(found.products, found.abundances.T @ X, atol=1e-10)


def test_bits_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    X, E = rng.random((40_000, 5)), rng.random((3, 5))
    A, linear = np.zeros((len(X), 3)), np.full((len(X), 3), 0.1)
    one, two = (
        exact_pass(X, A, E, E @ E.T, 0.0, linear, False, n_jobs) for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.abundances, two.abundances)
    np.testing.assert_array_equal(one.products, two.products)
