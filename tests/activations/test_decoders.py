"""Decoders against exhaustive search, plain sorting and closed forms."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse

from sparsestat.activations import (
    bregman_decode,
    epsilon,
    eta,
    min_p,
    sample,
    softmax,
    top_k,
    top_n_sigma,
    top_p,
    typical,
)
from sparsestat.activations._selection import FIRST, largest

p = np.array([0.5, 0.2, 0.15, 0.1, 0.05])
PRIMAL = [0.5, 0.7, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0]
DUAL = [1.2, 1.5, 1.8, 2.0, 2.5, 3.0, 5.0]
KINDS = [("primal", a) for a in PRIMAL] + [("dual", a) for a in DUAL]
COSTS = {
    ("primal", 1.0): (0.693147, 0.356675, 0.162519, 0.051293, 0.0),
    ("primal", 1.5): (0.281716, 0.103729, 0.035618, 0.008120, 0.0),
    ("primal", 2.0): (0.162500, 0.040000, 0.010000, 0.001563, 0.0),
    ("dual", 1.5): (0.391859, 0.168797, 0.063951, 0.015567, 0.0),
    ("dual", 3.0): (0.106250, 0.010096, 0.001185, 0.000078, 0.0),
}
FIRST_OF_TWO = {
    ("primal", 1.0): 0.714286,
    ("primal", 1.5): 0.680642,
    ("primal", 2.0): 0.65,
    ("primal", 3.0): 0.605,
    ("dual", 1.5): 0.677526,
    ("dual", 3.0): 0.615385,
}
TRUNCATIONS = [
    (top_k, {"k": 7}),
    (top_p, {"p": 0.8}),
    (min_p, {"p": 0.2}),
    (epsilon, {"epsilon": 0.02}),
    (eta, {"epsilon": 0.05}),
    (top_n_sigma, {"n": 1.5}),
    (typical, {"p": 0.7}),
]


def draws(n=40, width=30, seed=0, concentration=0.3):
    P = np.random.default_rng(seed).dirichlet(np.full(width, concentration), n)
    return P / P.sum(axis=1, keepdims=True)


def divergence(x, y, alpha):
    """D_phi(x, y) from its definition."""
    if alpha == 1.0:
        x_log = np.where(x > 0, x * np.log(np.where(x > 0, x, 1) / y), 0)
        return (x_log - x + y).sum()

    def phi(t):
        return t**alpha / (alpha * (alpha - 1))

    def slope(t):
        return t ** (alpha - 1) / (alpha - 1)

    return (phi(x) - phi(y) - slope(y) * (x - y)).sum()


def cost(q, p, alpha, kind):
    return divergence(q, p, alpha) if kind == "primal" else divergence(p, q, alpha)


def fit_supports(X, alpha, kind):
    """Rows of kept probabilities, 0 elsewhere, renormalised by plain bisection.

    What is kept satisfies phi'(q) = phi'(x) + nu, or q = x + nu q^(2 - alpha); both
    grow with nu >= 0.
    """
    on = X > 0
    x = np.where(on, X, 1.0)

    def dual_entries(nu):
        low, high = x, np.full_like(x, 2.0)
        for _ in range(60):
            q = (low + high) / 2
            below = q - nu * q ** (2 - alpha) < x
            low, high = np.where(below, q, low), np.where(below, high, q)
        return q

    def primal_entries(nu):
        if alpha == 1.0:
            return x * np.exp(nu)
        base = x ** (alpha - 1) + (alpha - 1) * nu
        if alpha > 1.0:
            return base ** (1 / (alpha - 1))
        return np.where(base > 0, np.abs(base) ** (1 / (alpha - 1)), np.inf)

    entries = primal_entries if kind == "primal" else dual_entries
    low, high = np.zeros((len(X), 1)), np.full((len(X), 1), 60.0)
    for _ in range(60):
        nu = (low + high) / 2
        above = np.where(on, entries(nu), 0).sum(axis=1, keepdims=True) > 1
        low, high = np.where(above, low, nu), np.where(above, nu, high)
    return np.where(on, entries(low), 0.0)


@pytest.mark.parametrize(("kind", "alpha"), COSTS)
def test_golden_costs(kind, alpha):
    found = [
        cost(bregman_decode(p, alpha=alpha, kind=kind, k=k)[0], p, alpha, kind)
        for k in range(1, 6)
    ]
    np.testing.assert_allclose(found, COSTS[kind, alpha], atol=6e-7)


@pytest.mark.parametrize(("kind", "alpha"), FIRST_OF_TWO)
def test_golden_distributions(kind, alpha):
    Q, k = bregman_decode(p, alpha=alpha, kind=kind, k=2)
    assert k == 2
    first = FIRST_OF_TWO[kind, alpha]
    np.testing.assert_allclose(Q, [first, 1 - first, 0, 0, 0], atol=6e-7)


@pytest.mark.parametrize(("kind", "alpha"), KINDS)
@pytest.mark.parametrize("width", [5, 8])
def test_exhaustive_search(kind, alpha, width):
    """Every support, each with its best distribution; greedy and convex in the size."""
    p = (draws(1, width, seed=width, concentration=0.8)[0] + 0.01) / (1 + 0.01 * width)
    supports = np.array(list(itertools.product([False, True], repeat=width))[1:])
    sizes = supports.sum(axis=1)
    candidates = fit_supports(np.where(supports, p, 0.0), alpha, kind)
    costs = np.array([cost(q, p, alpha, kind) for q in candidates])
    for penalty in (1e-4, 1e-2, 0.05, 0.3):
        Q, k = bregman_decode(p, alpha=alpha, kind=kind, penalty=penalty)
        ours = cost(Q, p, alpha, kind) + penalty * k
        np.testing.assert_allclose(ours, (costs + penalty * sizes).min(), atol=1e-9)
    least = np.array([costs[sizes == k].min() for k in range(1, width + 1)])
    assert (np.diff(least, 2) >= -1e-9).all()
    for k in range(1, width + 1):
        Q = bregman_decode(p, alpha=alpha, kind=kind, k=k)[0]
        np.testing.assert_allclose(cost(Q, p, alpha, kind), least[k - 1], atol=1e-9)


@pytest.mark.parametrize(("kind", "alpha"), KINDS)
def test_a_general_solver_finds_nothing_better(kind, alpha):
    """The distribution on a support against BFGS over its softmax coordinates."""
    p = draws(1, 6, seed=1, concentration=0.8)[0] + 0.01
    p /= p.sum()
    Q = bregman_decode(p, alpha=alpha, kind=kind, k=4)[0]
    on = Q > 0

    def objective(z):
        q = np.zeros(len(p))
        q[on] = softmax(z)
        return cost(q, p, alpha, kind)

    found = optimize.minimize(objective, np.log(p[on]), method="BFGS", tol=1e-10)
    ours = cost(Q, p, alpha, kind)
    assert ours <= found.fun + 1e-12
    np.testing.assert_allclose(ours, found.fun, atol=1e-6)


@pytest.mark.parametrize(("kind", "alpha"), KINDS)
def test_costs_are_convex_and_the_best_is_taken(kind, alpha):
    for p in draws(6, 25, seed=4):
        costs = np.array(
            [
                cost(bregman_decode(p, alpha=alpha, kind=kind, k=k)[0], p, alpha, kind)
                for k in range(1, 26)
            ]
        )
        assert (np.diff(costs, 2) >= -1e-14).all()
        for penalty in (1e-5, 1e-3, 0.03, 1.0):
            k = bregman_decode(p, alpha=alpha, kind=kind, penalty=penalty)[1]
            total = costs + penalty * np.arange(1, 26)
            assert total[k - 1] <= total.min() + 1e-14


@pytest.mark.parametrize(
    "kind, alpha",
    [("primal", a) for a in (0.1, 0.7, 0.999)]
    + [(k, a) for k in ("primal", "dual") for a in (1.001, 1.2, 1.9, 2.1, 7.0, 50.0)],
)
def test_stationarity(kind, alpha):
    """phi'(q) - phi'(p), or phi''(q) (q - p), is one number on the support."""
    P = draws(20, 12, concentration=1.0)
    Q, k = bregman_decode(P, alpha=alpha, kind=kind, k=6)
    assert (k == 6).all()
    np.testing.assert_allclose(Q.sum(axis=1), 1.0, atol=1e-13)
    for q, p in zip(Q, P, strict=True):
        on = q > 0
        assert on.sum() == 6
        assert p[on].min() >= p[~on].max()
        q, p = q[on], p[on]
        if kind == "primal":
            multiplier = (q ** (alpha - 1) - p ** (alpha - 1)) / (alpha - 1)
        else:
            multiplier = q ** (alpha - 2) * (q - p)
        scale = np.abs(multiplier).max() + q.max() ** (alpha - 1)
        np.testing.assert_allclose(multiplier, multiplier[0], atol=1e-8 * scale)


@pytest.mark.parametrize(("kind", "alpha"), KINDS)
def test_adaptive_search_equals_trying_all(kind, alpha):
    """Beyond the entries that are looked at first, too."""
    P = softmax(np.random.default_rng(0).standard_normal((2, 3000)) * 0.5)
    for penalty in (1e-9, 1e-7, 1e-5):
        k = bregman_decode(P, alpha=alpha, kind=kind, penalty=penalty)[1]
        for i, size in enumerate(k):
            around = [max(size - 1, 1), size, min(size + 1, 3000)]
            total = [
                cost(
                    bregman_decode(P[i], alpha=alpha, kind=kind, k=j)[0],
                    P[i],
                    alpha,
                    kind,
                )
                + penalty * j
                for j in around
            ]
            assert total[1] <= min(total) + 1e-12


@pytest.mark.parametrize("seed", range(8))
def test_choice_and_sum_far_from_everyday_numbers(seed):
    """Orders up to 50, nearly one-hot and even rows, ties, penalties down to 1e-12."""
    rng = np.random.default_rng(seed)
    for width in (1, 2, 3, 3, 7, 40):
        p = rng.dirichlet(np.full(width, 10 ** rng.uniform(-1.5, 2))) + 1e-30
        p = (np.round(p, 1) + 1e-3 if seed % 4 == 0 else p) / p.sum()
        p /= p.sum()
        low, high = [(0.05, 1.0), (1.0005, 2.0), (2.0, 6.0), (6.0, 50.0)][seed % 4]
        alpha, penalty = rng.uniform(low, high), 10 ** rng.uniform(-12, 0)
        for kind in ("primal", "dual") if alpha > 1.0 else ("primal",):
            Q, k = bregman_decode(p, alpha=alpha, kind=kind, penalty=penalty)
            np.testing.assert_allclose(Q.sum(), 1.0, atol=1e-13)
            total = [
                cost(bregman_decode(p, alpha=alpha, kind=kind, k=j)[0], p, alpha, kind)
                + penalty * j
                for j in range(1, width + 1)
            ]
            least = min(total)
            assert total[k - 1] <= least + 1e-11 * max(abs(least), 1e-3)


@pytest.mark.parametrize(
    ("p", "alpha", "penalty"),
    [
        ([0.92383487, 0.07616513], 19.9, 2.6e-10),
        ([4.78381315e-08, 0.00157748233, 0.99842247], 47.1, 2.6e-7),
        ([0.0857466128, 0.914253387, 1e-30], 1.77, 1.1e-10),
        ([0.226, 0.04, 0.039, 0.265, 0.072, 0.115, 0.243], 1.79, 1.6e-4),
    ],
)
def test_multipliers_that_lift_nothing(p, alpha, penalty):
    p = np.array(p) / sum(p)
    for kind in ("primal", "dual"):
        Q, k = bregman_decode(p, alpha=alpha, kind=kind, penalty=penalty)
        ours = cost(Q, p, alpha, kind) + penalty * k
        for j in range(1, len(p) + 1):
            other = bregman_decode(p, alpha=alpha, kind=kind, k=j)[0]
            np.testing.assert_allclose(other.sum(), 1.0, atol=1e-14)
            assert ours <= cost(other, p, alpha, kind) + penalty * j + 1e-14


@pytest.mark.parametrize("m", [1, 20, 300])
@pytest.mark.parametrize("case", ["random", "ties", "hidden", "even", "rising"])
def test_selection_from_long_rows(m, case):
    """Where a sample of the row tells what to look at, and where it misleads."""
    n = 40_000
    s = np.random.default_rng(0).random(n)
    if case == "ties":
        s = np.floor(20 * s)
    elif case == "hidden":
        # All that is sampled is large, and nothing else.
        s[:: n // 2048] += 1.0
        s[: n // 2 : n // 2048] += 1.0
    elif case == "even":
        s[:] = 0.25
    elif case == "rising":
        s.sort()
    buffer, where = np.empty(2 * n), np.empty(2 * n, np.int64)
    s.flags.writeable = False
    assert largest(s, m, buffer, where) == m
    expected = np.argsort(-s, kind="stable")[:m]
    np.testing.assert_array_equal(where[:m], expected)
    np.testing.assert_array_equal(buffer[:m], s[expected])


def test_kullback_leibler_rule():
    """The first k with log(S_{k+1} / S_k) <= penalty."""
    for row in draws(50):
        ordered = np.cumsum(np.sort(row)[::-1])
        for penalty in (1e-3, 0.02, 0.2):
            stop = np.log(ordered[1:] / ordered[:-1]) <= penalty
            expected = int(stop.argmax()) + 1 if stop.any() else len(row)
            assert bregman_decode(row, penalty=penalty)[1] == expected


@pytest.mark.parametrize(("kind", "alpha"), KINDS)
def test_no_penalty_keeps_all(kind, alpha):
    P = draws(2, 3000, concentration=1.0)
    Q, k = bregman_decode(P, alpha=alpha, kind=kind, penalty=0.0)
    assert (k == np.count_nonzero(P, axis=1)).all()
    np.testing.assert_allclose(Q, P, atol=1e-15)


def test_sizes_follow_penalty_and_entropy():
    sharp, flat = softmax([[6.0, 2, 1, 0, 0, 0], [0.3, 0.2, 0.1, 0, 0, 0]])
    sizes = bregman_decode([sharp, flat], penalty=0.02)[1]
    assert sizes[0] < sizes[1]
    P = draws(30)
    grid = [bregman_decode(P, penalty=t)[1] for t in (0.0, 1e-3, 1e-2, 0.1, 10.0)]
    assert (np.diff(grid, axis=0) <= 0).all()
    assert (grid[0] == 30).all() and (grid[-1] == 1).all()


@pytest.mark.parametrize("k", [1, 3, 30])
def test_top_k_is_the_primal_of_order_one(k):
    P = draws()
    np.testing.assert_allclose(bregman_decode(P, k=k)[0], top_k(P, k), atol=1e-15)


def test_bounds_on_the_size_and_zeros():
    P = draws(5, 30)
    assert (bregman_decode(P, penalty=0.0, max_k=4)[1] == 4).all()
    sparse_p = np.array([0.0, 0.7, 0.3, 0.0])
    for kind, alpha in KINDS:
        Q, k = bregman_decode(sparse_p, alpha=alpha, kind=kind, k=4)
        assert k == 2
        np.testing.assert_allclose(Q, sparse_p, atol=1e-15)
    np.testing.assert_allclose(top_k(sparse_p, 9), sparse_p, atol=1e-15)


def plain(P, keep):
    Q = np.where(keep, P, 0.0)
    return Q / Q.sum(axis=1, keepdims=True)


def sorted_prefix(P, keys, mass):
    """Shortest prefixes by a full stable sort."""
    keep = np.zeros(P.shape, bool)
    for row, key, kept in zip(P, keys, keep, strict=True):
        order = np.argsort(key, kind="stable")
        size = np.searchsorted(np.cumsum(row[order]), mass) + 1
        kept[order[:size]] = True
    return keep


@pytest.mark.parametrize("width", [1, 2, 30, FIRST + 5, 5000])
@pytest.mark.parametrize("concentration", [0.1, 5.0])
def test_truncations_by_definition(width, concentration):
    P = draws(6, width, concentration=concentration)
    P[:, 0] += 1e-9
    P /= P.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        surprise = -np.log(P)
    entropy = np.where(P > 0, P * surprise, 0).sum(axis=1, where=P > 0)
    top = P.max(axis=1, keepdims=True)
    for share in (0.05, 0.5, 0.9, 0.99):
        np.testing.assert_allclose(
            top_p(P, share), plain(P, sorted_prefix(P, -P, share)), atol=1e-14
        )
        keys = np.abs(surprise - entropy[:, None])
        np.testing.assert_allclose(
            typical(P, share), plain(P, sorted_prefix(P, keys, share)), atol=1e-14
        )
        np.testing.assert_allclose(
            min_p(P, share), plain(P, P >= share * top), atol=1e-14
        )
    for k in (1, 3, width):
        ranks = np.argsort(np.argsort(-P, axis=1, kind="stable"), axis=1)
        np.testing.assert_allclose(top_k(P, k), plain(P, ranks < k), atol=1e-14)
    for least in (1e-4, 0.02, 0.5):
        keep = (least <= P) | ((top < least) & (top == P))
        np.testing.assert_allclose(epsilon(P, least), plain(P, keep), atol=1e-14)
        bound = np.minimum(least, np.sqrt(least) * np.exp(-entropy))[:, None]
        keep = (bound <= P) | ((top < bound) & (top == P))
        np.testing.assert_allclose(eta(P, least), plain(P, keep), atol=1e-14)


def test_whole_share_keeps_all():
    P = draws(4, 2000)
    for decoder in (top_p, typical):
        np.testing.assert_allclose(decoder(P, 1.0), P, atol=1e-15)


def test_top_n_sigma_does_not_depend_on_the_temperature():
    Z = np.random.default_rng(0).standard_normal((5, 40))
    Z[:, 3] = -np.inf
    kept = top_n_sigma(Z, 1.0, from_logits=True) > 0
    finite = np.delete(Z, 3, axis=1)
    expected = Z >= finite.max(axis=1, keepdims=True) - finite.std(1, keepdims=True)
    np.testing.assert_array_equal(kept, expected)
    for temperature in (0.2, 3.0):
        hot = top_n_sigma(Z, 1.0, from_logits=True, temperature=temperature)
        np.testing.assert_array_equal(hot > 0, kept)
    np.testing.assert_array_equal(top_n_sigma(softmax(Z), 1.0) > 0, kept)


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(0, 4), min_size=1, max_size=600).filter(any),
    k=st.integers(1, 20),
    share=st.floats(0.01, 0.999),
)
def test_ties_go_to_the_lowest_index(counts, k, share):
    P = np.array([counts], dtype=float) / sum(counts)
    order = np.argsort(-P[0], kind="stable")
    expected = np.sort(order[:k][P[0, order[:k]] > 0])
    np.testing.assert_array_equal(np.flatnonzero(top_k(P, k)[0]), expected)
    expected = np.sort(order[: min(k, (P > 0).sum())])
    np.testing.assert_array_equal(
        np.flatnonzero(bregman_decode(P, k=k)[0][0]), expected
    )
    kept = np.flatnonzero(top_p(P, share)[0])
    np.testing.assert_array_equal(kept, np.sort(order[: len(kept)]))
    assert P[0, kept].sum() >= share - 1e-12
    assert len(kept) == 1 or P[0, order[: len(kept) - 1]].sum() < share + 1e-12


@pytest.mark.parametrize(("decoder", "options"), TRUNCATIONS)
def test_forms_of_input_and_output(decoder, options):
    P = draws()
    Q = decoder(P, **options)
    np.testing.assert_allclose(Q.sum(axis=1), 1.0, atol=1e-14)
    np.testing.assert_array_equal(decoder(P[3], **options), Q[3])
    csr = decoder(P, output="csr", **options)
    assert isinstance(csr, sparse.csr_array) and csr.has_canonical_format
    np.testing.assert_allclose(csr.toarray(), Q, atol=1e-15)
    assert csr.nnz == np.count_nonzero(Q)
    low = decoder(P.astype(np.float32), **options)
    assert low.dtype == np.float32
    assert (np.count_nonzero(low != 0) - np.count_nonzero(Q)) <= 2
    Z = np.log(P + 1e-9) * 2
    hot = decoder(Z, from_logits=True, temperature=2.0, **options)
    same = decoder(softmax(Z / 2), **options)
    np.testing.assert_allclose(hot, same, atol=1e-14)
    assert decoder(P[:0], **options).shape == (0, 30)


def test_forms_of_bregman_decoding():
    P = draws()
    Q, k = bregman_decode(P, penalty=0.01)
    csr, same = bregman_decode(P, penalty=0.01, output="csr")
    np.testing.assert_array_equal(csr.toarray(), Q)
    np.testing.assert_array_equal(k, same)
    one, size = bregman_decode(P[2], penalty=0.01)
    assert isinstance(size, int) and size == k[2]
    np.testing.assert_array_equal(one, Q[2])
    low = bregman_decode(P.astype(np.float16), penalty=0.01)[0]
    assert low.dtype == np.float16
    np.testing.assert_allclose(low, Q, atol=5e-3)
    Z = np.log(P + 1e-9)
    np.testing.assert_allclose(
        bregman_decode(Z, penalty=0.01, from_logits=True)[0], Q, atol=1e-6
    )


@pytest.mark.parametrize(
    ("P", "message"),
    [
        ([0.5, 0.4], r"row 0 sums to 0\.9"),
        ([[1.0, 0.0], [1.5, -0.5]], "row 1 sums"),
        ([0.5, np.nan], "row 0"),
        (np.full((1, 1, 2), 0.5), "one or two dimensions"),
    ],
)
def test_bad_distributions(P, message):
    for decoder, options in [*TRUNCATIONS, (bregman_decode, {})]:
        with pytest.raises(ValueError, match=message):
            decoder(P, **options)


def test_bad_logits_name_the_decoder():
    with pytest.raises(ValueError, match=r"top_k: P must not hold NaN"):
        top_k([0.0, np.nan], 1, from_logits=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: top_k(p, 0), "k must be an integer"),
        (lambda: top_p(p, 0.0), "p must be"),
        (lambda: top_p(p, 1.1), "p must be"),
        (lambda: bregman_decode(p, alpha=0.0), r"alpha must be .*\(0, 50\]"),
        (lambda: bregman_decode(p, alpha=1.0, kind="dual"), "alpha must be above 1"),
        (lambda: bregman_decode(p, kind="both"), "'primal' or 'dual'"),
        (lambda: bregman_decode(p, penalty=-1.0), "penalty must be"),
        (lambda: bregman_decode(p, k=0), "k must be"),
        (lambda: top_k(p, 1, temperature=0.0), "temperature must be"),
        (lambda: sample(p, size=0), "size must be"),
        (lambda: sample([0.0, 0.0]), "row 0 of Q has no positive entry"),
        (lambda: sample([-1.0, 2.0]), "Q must be >= 0"),
        (lambda: sample([[[1.0]]]), "one or two dimensions"),
    ],
)
def test_bad_parameters(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_frequencies_of_samples():
    Q = top_k(draws(3, 12), 5)
    n = 40_000
    tokens = sample(Q, size=n, random_state=0)
    assert tokens.shape == (3, n)
    for row, q in zip(tokens, Q, strict=True):
        counts = np.bincount(row, minlength=12)
        assert not counts[q == 0].any()
        np.testing.assert_allclose(
            counts / n, q, atol=5 * np.sqrt(0.25 / n), err_msg="five sigma"
        )


def test_forms_of_samples():
    Q = top_k(draws(4, 12), 5)
    tokens = sample(Q, random_state=3)
    assert tokens.shape == (4,)
    np.testing.assert_array_equal(
        tokens, sample(sparse.csr_array(Q), random_state=np.random.RandomState(3))
    )
    np.testing.assert_array_equal(
        tokens, sample(sparse.coo_array(3 * Q), None, random_state=3)
    )
    assert isinstance(sample(Q[0], random_state=0), int)
    assert sample(Q[0], 7, random_state=0).shape == (7,)
    assert sample([0.0, 1.0, 0.0], 50, random_state=0).tolist() == [1] * 50
