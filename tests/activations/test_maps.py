"""Maps against bisection in extended precision, closed forms and invariances."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import softmax as scipy_softmax

from sparsestat.activations import entmax, softmax, sparsemax
from sparsestat.optim.entmax_short_rows import LONGEST
from sparsestat.optim.proximal import project_simplex
from tests.activations import naive

ALPHAS = [1.0, 1.05, 1.25, 1.5, 1.75, 2.0, 2.7, 6.0]
SCALES = [1e-3, 1e-2, 0.1, 1.0, 10.0, 1e2, 1e3]
Z = np.array([1.2, 0.9, 0.1, -0.3, -2.0])
GOLDEN = {
    1.0: (0.427793, 0.316917, 0.142400, 0.095453, 0.017438),
    1.25: (0.502793, 0.346208, 0.103405, 0.047591, 0.000003),
    1.5: (0.580512, 0.374438, 0.044907, 0.000142, 0.0),
    1.75: (0.625711, 0.374289, 0.0, 0.0, 0.0),
    2.0: (0.65, 0.35, 0.0, 0.0, 0.0),
    3.0: (0.8, 0.2, 0.0, 0.0, 0.0),
    np.inf: (1.0, 0.0, 0.0, 0.0, 0.0),
}

scores = st.lists(
    st.floats(-5, 5) | st.sampled_from([0.0, 1.0, -np.inf]), min_size=1, max_size=300
).filter(lambda z: max(z) > -np.inf)


def normal(shape, scale=1.0, seed=0, dtype=np.float64):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


@pytest.mark.parametrize("alpha", GOLDEN)
def test_golden_values(alpha):
    np.testing.assert_allclose(entmax(Z, alpha), GOLDEN[alpha], atol=6e-7)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [2, 17, LONGEST, LONGEST + 1, 300])
def test_equals_bisection(alpha, scale, size):
    Z = normal((3, size), scale)
    Z[1] = np.round(Z[1] / scale) * scale  # ties
    Z[2, ::3] = -np.inf
    if size == 2:
        Z[2, 0] = 0.0
    P = entmax(Z, alpha)
    expected = [naive.entmax(z, alpha) for z in Z]
    np.testing.assert_allclose(P, expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(P.sum(axis=1), 1.0, rtol=0, atol=1e-14)


@settings(max_examples=150, deadline=None)
@given(z=scores, alpha=st.sampled_from(ALPHAS))
@example(z=[0.0] * 300, alpha=6.0)
@example(z=[0.0, -1.0], alpha=2.0)
def test_equals_bisection_on_drawn_scores(z, alpha):
    p = entmax(z, alpha)
    np.testing.assert_allclose(p, naive.entmax(z, alpha), rtol=0, atol=1e-14)
    assert not p[np.isneginf(z)].any()


@pytest.mark.parametrize("alpha", [1.25, 1.5, 2.0])
@pytest.mark.parametrize("scale", [0.02, 1.0])
@pytest.mark.parametrize(
    "order", ["drawn", "rising", "falling", "late", "masked at first"]
)
def test_long_rows(alpha, scale, order):
    z = normal(9_001, scale)
    if order in ("rising", "falling"):
        z = np.sort(z)[:: 1 if order == "rising" else -1]
    elif order == "late":
        z[-3:] += 4.0 * scale
    elif order == "masked at first":
        z[: 2 * 2048 + 5] = -np.inf
    expected = naive.entmax(z, alpha, n_halvings=80)
    np.testing.assert_allclose(entmax(z, alpha), expected, rtol=0, atol=1e-14)
    z = z.astype(np.float32)
    expected = naive.entmax(z.astype(np.float64), alpha, n_halvings=80)
    np.testing.assert_allclose(entmax(z, alpha), expected, rtol=1e-7, atol=1e-14)


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 1030, 8_999])
def test_nan_and_inf_anywhere_in_long_rows(alpha, dtype, value, place):
    z = normal(9_000, dtype=dtype)
    z[place] = value
    with pytest.raises(ValueError, match="must not hold NaN or inf"):
        entmax(z, alpha)


@pytest.mark.parametrize("alpha", [1 + 1e-9, 1 + 1e-6, 1.001, 1.02])
def test_tends_to_softmax(alpha):
    Z = normal((5, 40), 2.0)
    distance = np.abs(entmax(Z, alpha) - scipy_softmax(Z, axis=1)).max()
    assert distance <= 2 * (alpha - 1) + 1e-15
    assert distance > 0


@pytest.mark.parametrize("alpha", [50.0, 1e3, 1e9, np.inf])
def test_tends_to_argmax_with_ties_shared(alpha):
    Z = np.array([[3.0, 3.0, 1.0], [0.0, -2.0, -np.inf], [5.0, 5.0, 5.0]])
    expected = [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(entmax(Z, alpha), expected, atol=1e-15)


def test_small_probabilities_of_steep_maps_are_found():
    # The threshold is 1e-20 below the second entry of x, out of sight of a double.
    p2 = 1e-4
    gap = (1 - p2) ** 5 - p2**5
    z = np.array([0.0, -gap / 5])
    np.testing.assert_allclose(entmax(z, 6.0), [1 - p2, p2], rtol=1e-9)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_optimality_conditions_hold(alpha):
    """p > 0: z - Omega'(p) is one number; p = 0: z - Omega'(0) is at most it."""
    Z = normal((20, 30), 1.5, seed=3)
    P = entmax(Z, alpha)
    for z, p in zip(Z, P, strict=True):
        slope = 1 + np.log(p) if alpha == 1 else p ** (alpha - 1) / (alpha - 1)
        level = z - slope
        on = p > 0
        np.testing.assert_allclose(level[on], level[on][0], atol=1e-12)
        assert (level[~on] <= level[on][0] + 1e-12).all()


@given(t=st.floats(-3, 3))
def test_two_classes(t):
    np.testing.assert_allclose(
        sparsemax([t, 0.0])[0], np.clip((t + 1) / 2, 0, 1), atol=2e-16
    )


@pytest.mark.parametrize("alpha", [1.2, 1.5, 2.0, 4.0])
def test_lead_of_the_margin_is_one_hot(alpha):
    margin = 1 / (alpha - 1)
    p = entmax([1e-9 + margin, 0.0, -1.0], alpha)
    assert p.tolist() == [1.0, 0.0, 0.0]
    assert entmax([0.9 * margin, 0.0, -1.0], alpha)[1] > 0


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("width", [5, LONGEST, LONGEST + 1, 400])
def test_invariances(alpha, width):
    Z = np.round(normal((6, width)), 6)
    P = entmax(Z, alpha)
    order = np.random.default_rng(1).permutation(width)
    np.testing.assert_allclose(entmax(Z[:, order], alpha), P[:, order], atol=1e-14)
    np.testing.assert_allclose(entmax(Z + 2.0**10, alpha), P, atol=1e-12)
    np.testing.assert_allclose(
        entmax(Z / 3, alpha, temperature=1 / 3), P, rtol=0, atol=2e-14
    )
    ranked = np.take_along_axis(P, np.argsort(Z, axis=1), 1)
    assert (np.diff(ranked, axis=1) >= -1e-15).all()


def test_sparsemax_does_not_expand():
    A, B = normal((200, 8), 2.0), normal((200, 8), 2.0, seed=1)
    moved = np.linalg.norm(sparsemax(A) - sparsemax(B), axis=1)
    assert (moved <= np.linalg.norm(A - B, axis=1) + 1e-14).all()


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_temperatures(alpha, dtype):
    Z = np.array([[0.3, 0.2, -0.1], [0.0, 0.5, 0.5]], dtype)
    cold = entmax(Z, alpha, temperature=1e-200)
    np.testing.assert_array_equal(cold > 0, [[1, 0, 0], [0, 1, 1]])
    np.testing.assert_allclose(cold, [[1, 0, 0], [0, 0.5, 0.5]], rtol=1e-15)
    np.testing.assert_allclose(entmax(Z, alpha, temperature=1e200), 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("function", [softmax, sparsemax, entmax])
@pytest.mark.parametrize("width", [6, 500])
def test_large_and_far_scores(function, width):
    z = np.full((2, width), -1e308)
    z[0, 1] = 1e308
    z[1, 1:3] = -1e300
    P = function(z)
    assert P[0, 1] == 1.0
    np.testing.assert_allclose(P[1, 1:3], 0.5, rtol=1e-15)


@pytest.mark.parametrize("alpha", [1.0, 1.25, 1.5, 2.0])
@pytest.mark.parametrize("width", [7, 3000])
@pytest.mark.parametrize(
    ("dtype", "tol"), [(np.float16, 1e-3), (np.float32, 3e-7), (np.float64, 1e-14)]
)
def test_precisions(alpha, width, dtype, tol):
    # With an offset of 1000, a peer in half precision returns NaN.
    Z = normal((3, width)).astype(dtype) + dtype(1000)
    P = entmax(Z, alpha)
    assert P.dtype == dtype
    expected = [naive.entmax(z, alpha, n_halvings=70) for z in Z]
    np.testing.assert_allclose(P, expected, rtol=0, atol=tol)


@pytest.mark.parametrize("alpha", [1.0, 1.25, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("width", [LONGEST - 1, LONGEST, LONGEST + 1])
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_masks_in_any_precision(alpha, width, scale, dtype):
    """Masked entries are as if they were not there."""
    Z = normal((4, width), scale, dtype=dtype)
    Z[0, ::2] = -np.inf
    Z[1, 1:] = -np.inf
    Z[2, : width // 2] = -np.inf
    P = entmax(Z, alpha)
    assert not P[np.isneginf(Z)].any()
    assert P[1, 0] == 1.0
    eps = max(np.finfo(dtype).eps, 1e-15)
    for z, p in zip(Z, P, strict=True):
        on = np.isfinite(z)
        rest = entmax(z[on], alpha)
        np.testing.assert_allclose(p[on], rest, rtol=4 * eps, atol=4 * eps)
        expected = naive.entmax(z.astype(np.float64), alpha, n_halvings=70)
        np.testing.assert_allclose(p, expected, rtol=0, atol=4 * eps)
    csr = entmax(Z, alpha, output="csr").toarray()
    np.testing.assert_allclose(csr, P, rtol=4 * eps, atol=4 * eps)


def test_integers_and_lists_become_doubles():
    assert sparsemax([3, 1, 2]).dtype == np.float64
    assert sparsemax(np.array([True, False])).tolist() == [1.0, 0.0]
    wide = sparsemax(np.array([0.0, 0.5], np.longdouble))
    assert wide.dtype == np.float64
    swapped = np.array([1.2, 0.9], ">f8")
    np.testing.assert_array_equal(sparsemax(swapped), sparsemax([1.2, 0.9]))


@pytest.mark.parametrize("function", [softmax, sparsemax, entmax])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_axes(function, axis):
    Z = normal((3, 4, 5))
    expected = np.apply_along_axis(function, axis, Z)
    np.testing.assert_array_equal(function(Z, axis=axis), expected)
    out = np.empty_like(Z)
    assert function(Z, axis=axis, out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[:, ::2], np.s_[1::2, 1::3]])
def test_strided_views(view):
    Z = normal((8, 9))
    np.testing.assert_array_equal(sparsemax(Z[view]), sparsemax(Z[view].copy()))


@pytest.mark.parametrize("function", [softmax, sparsemax, entmax])
@pytest.mark.parametrize("width", [5, 300])
def test_out_may_be_the_input(function, width):
    Z = normal((70, width))
    expected = function(Z)
    assert Z.flags.writeable
    for axis, array in ((1, Z.copy()), (0, Z.copy().T)):
        function(array, axis=axis, out=array)
        np.testing.assert_array_equal(array if axis else array.T, expected)
    buffer = np.vstack([Z, Z[:1]])
    function(buffer[:-1], out=buffer[1:])  # overlaps row by row
    np.testing.assert_array_equal(buffer[1:], expected)


@pytest.mark.parametrize(
    "out",
    [
        np.empty(5),
        np.empty((4, 2)),
        np.empty((2, 4), np.float32),
        [[0.0] * 4] * 2,
        np.broadcast_to(np.empty(4), (2, 4)),
    ],
)
def test_wrong_out(out):
    with pytest.raises(ValueError, match=r"out must be a writeable array of float64"):
        sparsemax(normal((2, 4)), out=out)


def test_out_in_half_precision():
    Z = normal((3, 4), dtype=np.float16)
    out = np.empty_like(Z)
    sparsemax(Z, out=out)
    np.testing.assert_array_equal(out, sparsemax(Z))


@pytest.mark.parametrize("alpha", [1.0, 1.3, 1.5, 2.0, 3.0, np.inf])
@pytest.mark.parametrize("scale", [0.01, 3.0])
@pytest.mark.parametrize("n_jobs", [None, 3])
def test_csr_holds_the_same(alpha, scale, n_jobs):
    Z = normal((40, 70), scale)
    Z[:, 5] = -np.inf
    dense = entmax(Z, alpha)
    P = entmax(Z, alpha, output="csr", n_jobs=n_jobs)
    assert isinstance(P, sparse.csr_array)
    assert P.has_canonical_format
    assert P.nnz == np.count_nonzero(dense)
    np.testing.assert_allclose(P.toarray(), dense, atol=1e-15)


def test_csr_of_vectors_halves_and_nothing():
    np.testing.assert_allclose(
        sparsemax(Z, output="csr").toarray(), [[0.65, 0.35, 0, 0, 0]], atol=1e-15
    )
    assert sparsemax(Z.astype(np.float16), output="csr").dtype == np.float32
    assert sparsemax(np.empty((0, 3)), output="csr").shape == (0, 3)
    assert sparsemax(np.empty((0, 3))).shape == (0, 3)
    for wrong in ({"axis": 0}, {"out": np.empty((2, 3))}):
        with pytest.raises(ValueError, match="output='csr'"):
            sparsemax(np.zeros((2, 3)), output="csr", **wrong)
    with pytest.raises(ValueError, match="output='csr'"):
        sparsemax(np.zeros((2, 3, 4)), output="csr")


@pytest.mark.parametrize("function", [softmax, sparsemax, entmax])
@pytest.mark.parametrize("width", [9, 100])
def test_threads_change_no_bit(function, width):
    Z = normal((101, width))
    np.testing.assert_array_equal(function(Z, n_jobs=3), function(Z))
    np.testing.assert_array_equal(function(Z)[7:8], function(Z[7:8]))


def test_order_for_each_row():
    Z = normal((2, 3, 50))
    alphas = np.array([[1.0, 1.3, 1.5], [2.0, 4.0, np.inf]])
    P = entmax(Z, alphas)
    for i in np.ndindex(2, 3):
        np.testing.assert_allclose(P[i], entmax(Z[i], alphas[i]), atol=1e-15)
    np.testing.assert_array_equal(
        entmax(Z, alphas, axis=-1), entmax(Z.transpose(0, 2, 1), alphas, axis=1).mT
    )
    # broadcast along the first axis
    np.testing.assert_allclose(
        entmax(Z, [1.0, 1.5, 2.0])[:, 1], entmax(Z[:, 1], 1.5), atol=1e-15
    )


@pytest.mark.parametrize("alpha", [1.0, 1.5, 1.7, 2.0, 3.0])
@pytest.mark.parametrize("width", [4, 100, 5000])
@pytest.mark.parametrize("output", ["dense", "csr"])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf])
def test_nan_and_inf_are_refused(alpha, width, output, value):
    Z = normal((40, width))
    Z[33, width - 1] = Z[35, 0] = value
    with pytest.raises(ValueError, match=rf"got {abs(value)} in row 33"):
        entmax(Z, alpha, output=output, n_jobs=2)
    Z[33, :] = -np.inf
    Z[33, 0] = value
    with pytest.raises(ValueError, match=r"in row 33"):
        entmax(Z, alpha, output=output)


@pytest.mark.parametrize("alpha", [1.0, 1.5, 1.7, 2.0, 3.0, np.inf])
@pytest.mark.parametrize("width", [1, 100, 5000])
def test_masked_rows_are_refused(alpha, width):
    Z = normal((4, width))
    Z[2] = -np.inf
    with pytest.raises(ValueError, match=r"only -inf in row 2"):
        entmax(Z, alpha)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"alpha": 0.9}, ValueError, r"alpha must be .*\[1, inf\].*0\.9"),
        ({"alpha": [0.9]}, ValueError, r"alpha must be .*\[1, inf\].*0\.9"),
        ({"alpha": [np.nan]}, ValueError, r"alpha must be"),
        ({"alpha": [1.0, 2.0]}, ValueError, r"broadcast to shape \(3,\)"),
        ({"alpha": "softmax"}, TypeError, "alpha"),
        ({"temperature": 0.0}, ValueError, "temperature must be"),
        ({"temperature": np.nan}, ValueError, "temperature must be"),
        ({"axis": 2}, ValueError, "axis 2 is out of bounds"),
        ({"axis": None}, TypeError, "axis must be"),
        ({"output": "csc"}, ValueError, "'dense' or 'csr'"),
        ({"n_jobs": 0}, ValueError, "n_jobs"),
    ],
)
def test_bad_parameters(parameters, error, message):
    with pytest.raises(error, match=message):
        entmax(np.zeros((3, 4)), **parameters)


@pytest.mark.parametrize(
    ("scores", "error"),
    [
        (sparse.csr_array(np.eye(3)), TypeError),
        (np.array(["a"]), TypeError),
        (np.array([1j]), TypeError),
        (1.0, ValueError),
        (np.empty((3, 0)), ValueError),
    ],
)
def test_bad_scores(scores, error):
    with pytest.raises(error, match="sparsemax: Z must"):
        sparsemax(scores)


def test_input_is_never_written_to():
    for Z in (normal((5, 6)), normal((5, 600), dtype=np.float32)):
        before = Z.copy()
        sparsemax(Z)
        entmax(Z, 1.3, output="csr")
        np.testing.assert_array_equal(Z, before)
        assert Z.flags.writeable


@pytest.mark.parametrize("total", [1e-3, 1.0, 25.0])
def test_simplex_projection_is_closest(total):
    cvxpy = pytest.importorskip("cvxpy")
    z = normal(12, 2.0)
    w = cvxpy.Variable(12)
    cvxpy.Problem(
        cvxpy.Minimize(cvxpy.sum_squares(w - z)), [w >= 0, cvxpy.sum(w) == total]
    ).solve(solver="CLARABEL")
    projected = project_simplex(z, total)
    np.testing.assert_allclose(projected, w.value, rtol=1e-5, atol=1e-8)
    tau = (z - projected)[projected > 0]
    np.testing.assert_allclose(tau, tau[0], atol=1e-13)
    assert (z[projected == 0] <= tau[0] + 1e-13).all()


@pytest.mark.parametrize(
    "arguments", [([],), ([np.nan],), ([[1.0]],), ([1.0], 0.0), ([1.0], np.inf)]
)
def test_simplex_projection_of_nonsense(arguments):
    with pytest.raises(ValueError, match="must be"):
        project_simplex(*arguments)
