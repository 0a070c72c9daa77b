"""Fenchel-Young losses against definitions, closed forms and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import log_loss

from sparsestat.activations import entmax, fenchel_young_loss, softmax

ALPHAS = [1.0, 1.25, 1.5, 2.0, 3.0]
Z = np.array([[1.2, 0.9, 0.1, -0.3, -2.0]])
GOLDEN = {1.0: (1.14911692, 0.70596974), 1.5: (0.56346765, 0.42294336)}
GOLDEN[2.0] = (0.4225, 0.4225)


def problem(n=30, width=7, seed=0, scale=1.5):
    rng = np.random.default_rng(seed)
    Q = rng.dirichlet(np.full(width, 0.5), n) * (rng.random((n, width)) < 0.6)
    Q[:, 0] += 0.1
    return scale * rng.standard_normal((n, width)), Q / Q.sum(axis=1, keepdims=True)


def regulariser(p, alpha):
    p = p[p > 0]
    if alpha == 1.0:
        return (p * np.log(p)).sum()
    return ((p**alpha).sum() - 1) / (alpha * (alpha - 1))


@pytest.mark.parametrize("alpha", GOLDEN)
def test_golden_values(alpha):
    label = fenchel_young_loss(Z, [1], alpha)
    shares = fenchel_young_loss(Z, [[0.5, 0, 0.5, 0, 0]], alpha)
    np.testing.assert_allclose([label[0], shares[0]], GOLDEN[alpha], atol=6e-9)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("width", [7, 100])
def test_definition(alpha, width):
    Z, Q = problem(width=width)
    P = entmax(Z, alpha)
    expected = [
        p @ z - regulariser(p, alpha) + regulariser(q, alpha) - z @ q
        for z, q, p in zip(Z, Q, P, strict=True)
    ]
    losses, grad = fenchel_young_loss(Z, Q, alpha, return_grad=True)
    np.testing.assert_allclose(losses, expected, atol=2e-14)
    np.testing.assert_allclose(grad, P - Q, atol=1e-15)


@pytest.mark.parametrize("alpha", [*ALPHAS, np.inf])
def test_conjugate_is_a_maximum(alpha):
    """No distribution beats the map: loss(z, q) >= <p - q, z> - Omega(p) + Omega(q)."""
    Z, Q = problem(n=1, width=4)
    trial = np.random.default_rng(1).dirichlet(np.full(4, 0.4), 2000)
    order = 0.0 if alpha == np.inf else 1.0

    def omega(p):
        return order * regulariser(p, alpha) if order else 0.0

    bounds = [(p - Q[0]) @ Z[0] - omega(p) + omega(Q[0]) for p in trial]
    loss = fenchel_young_loss(Z, Q, alpha)[0]
    assert max(bounds) <= loss + 1e-14
    assert loss <= max(bounds) + 0.05


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("width", [6, 90])
def test_gradient_by_differences(alpha, width):
    Z, Q = problem(n=5, width=width)
    grad = fenchel_young_loss(Z, Q, alpha, return_grad=True)[1]
    V = np.random.default_rng(2).standard_normal(Z.shape)
    step = 1e-5
    up, down = (fenchel_young_loss(Z + s * V, Q, alpha) for s in (step, -step))
    np.testing.assert_allclose((up - down) / (2 * step), (grad * V).sum(1), atol=1e-7)


@pytest.mark.parametrize("alpha", [*ALPHAS, np.inf])
def test_convex_along_segments_and_never_negative(alpha):
    (A, Q), (B, _) = problem(n=200), problem(n=200, seed=5)
    middle = fenchel_young_loss((A + B) / 2, Q, alpha)
    ends = fenchel_young_loss(A, Q, alpha) + fenchel_young_loss(B, Q, alpha)
    assert (middle <= ends / 2 + 1e-13).all()
    assert (middle >= 0).all()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_zero_where_the_map_hits_the_target(alpha):
    Z = problem(n=50)[0]
    P = entmax(Z, alpha)
    assert fenchel_young_loss(Z, P, alpha).max() < 1e-14
    away = fenchel_young_loss(Z, 0.9 * P + 0.1 / P.shape[1], alpha)
    assert away.min() > 1e-5


@given(t=st.floats(-4, 4))
def test_two_classes_of_sparsemax(t):
    expected = 0.0 if t >= 1 else -t if t <= -1 else (t - 1) ** 2 / 4
    loss = fenchel_young_loss([[t, 0.0]], [0])
    np.testing.assert_allclose(loss, expected, atol=1e-15)


@pytest.mark.parametrize("alpha", [1.25, 1.5, 2.0, 4.0])
def test_no_loss_beyond_the_margin(alpha):
    margin = 1 / (alpha - 1)
    Z = [[margin, 0.0, -1.0], [0.99 * margin, 0.0, -1.0]]
    losses = fenchel_young_loss(Z, [0, 0], alpha)
    assert losses[0] == 0.0
    assert losses[1] > 0.0


def test_logistic_loss_of_scikit_learn():
    Z, _ = problem(n=60)
    y = np.arange(60) % 7
    weights = np.linspace(0.5, 2, 60)
    losses = fenchel_young_loss(Z, y, 1.0, sample_weight=weights)
    expected = log_loss(y, softmax(Z), sample_weight=weights)
    np.testing.assert_allclose(losses.sum() / weights.sum(), expected, rtol=1e-13)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_forms_of_targets(alpha, dtype):
    Z, Q = problem(n=40, width=9)
    y = np.arange(40) % 9
    Z = Z.astype(dtype)
    for first, second in [
        (y, np.eye(9)[y]),
        (y.astype(np.uint8), sparse.csr_array(np.eye(9, dtype=np.int8)[y])),
        (Q, sparse.csc_array(Q)),
        (Q, sparse.coo_array(Q)),
    ]:
        a = fenchel_young_loss(Z, first, alpha, return_grad=True)
        b = fenchel_young_loss(Z, second, alpha, return_grad=True)
        np.testing.assert_allclose(
            a[0], b[0], atol=1e-14 if dtype is np.float64 else 3e-6
        )
        np.testing.assert_allclose(
            a[1], b[1], atol=1e-15 if dtype is np.float64 else 1e-3
        )
        assert a[1].dtype == b[1].dtype == dtype
        assert a[0].dtype == np.float64


@pytest.mark.parametrize("alpha", ALPHAS)
def test_weights_scale_losses_and_gradients(alpha):
    Z, Q = problem()
    weights = np.arange(30.0)
    plain = fenchel_young_loss(Z, Q, alpha, return_grad=True)
    weighted = fenchel_young_loss(
        Z, Q, alpha, return_grad=True, sample_weight=weights, n_jobs=2
    )
    np.testing.assert_allclose(weighted[0], weights * plain[0], rtol=1e-15)
    np.testing.assert_allclose(weighted[1], weights[:, None] * plain[1], rtol=1e-15)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_large_scores_stay_exact(alpha):
    Z = np.array([[1e6 + 0.5, 1e6, -1e6], [1e300, -1e300, 0.0]])
    near = fenchel_young_loss(Z[:1], [0], alpha)
    expected = fenchel_young_loss([[0.5, 0.0, -2e6]], [0], alpha)
    np.testing.assert_allclose(near, expected, atol=1e-15)
    far = fenchel_young_loss(Z, [2, 1], alpha)
    np.testing.assert_allclose(far, [2e6, 2e300], rtol=1e-5)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_masked_classes(alpha):
    Z = np.array([[1.0, -np.inf, 0.5], [1.0, -np.inf, 0.5]])
    Q = np.array([[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    for targets in (Q, sparse.csr_array(Q)):
        losses = fenchel_young_loss(Z, targets, alpha)
        same = fenchel_young_loss(Z[:1, ::2], Q[:1, ::2], alpha)
        np.testing.assert_allclose(losses, [same[0], np.inf], atol=1e-15)


@pytest.mark.parametrize(
    ("Q", "message"),
    [
        ([0, 1], r"labels of shape \(3,\)"),
        ([0.0, 1.0, 1.0], r"got float64 of shape \(3,\)"),
        ([0, 1, 4], r"labels must be in 0, ..., 3; got 4 at index 2"),
        ([0, -1, 3], r"got -1 at index 1"),
        (np.full((3, 4), 0.26), r"sum to one; row 0 sums to 1\.04"),
        ([[1, 0, 0, 0], [1, 0, 0, 0], [2, -1, 0, 0]], r"row 2 is not"),
        ([[1, 0, 0, 0], [np.nan, 0, 0, 1], [1, 0, 0, 0]], r"row 1 is not"),
        (sparse.csr_array([[1.0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]), "row 1 sums"),
        (np.eye(4), r"distributions of shape \(3, 4\)"),
    ],
)
def test_bad_targets(Q, message):
    with pytest.raises(ValueError, match=message):
        fenchel_young_loss(np.zeros((3, 4)), Q)


def test_bad_scores():
    with pytest.raises(ValueError, match=r"Z must have shape"):
        fenchel_young_loss(np.zeros(3), [0])
    with pytest.raises(ValueError, match=r"got nan in row 1"):
        fenchel_young_loss([[0.0, 1.0], [np.nan, 0.0]], [0, 0])
    with pytest.raises(ValueError, match=r"alpha must be"):
        fenchel_young_loss([[0.0, 1.0]], [0], alpha=0.5)
    with pytest.raises(ValueError, match=r"sample_weight must be >= 0"):
        fenchel_young_loss([[0.0, 1.0]], [0], sample_weight=[-1.0])
