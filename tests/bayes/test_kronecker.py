"""Kronecker-structured sparse Bayesian learning against dense formulas."""

import tracemalloc
import warnings

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning

from sparsestat.bayes import KroneckerSparseBayesian, kron_omp, kron_posterior
from sparsestat.bayes._kronecker_evidence import Evidence, reduce_problem
from sparsestat.datasets import make_irs_mimo, make_kronecker_sparse
from sparsestat.metrics import nmse, support_recovery_rate

# Wide, tall and square factors, one of a single row; and a mode with a zero variance.
SHAPES = [((3, 5), (6, 4), (1, 3)), ((4, 4), (2, 7)), ((9, 4),)]


def draw(shapes, *, is_complex=False, seed=0):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        real = rng.standard_normal(shape)
        return real + 1j * rng.standard_normal(shape) if is_complex else real

    factors = [normal(*shape) for shape in shapes]
    variances = [rng.gamma(1.0, size=shape[1]) for shape in shapes]
    variances[0][1] = 0.0
    return factors, normal(*(m for m, _ in shapes)), variances


def kron(parts):
    whole = np.ones((1,) * parts[0].ndim)
    for part in parts:
        whole = np.kron(whole, part)
    return whole


def dense(factors, y, variances, noise):
    """Mean, covariance, shares and cost by the formulas of the expanded model."""
    A, g, y = kron(factors), kron(variances), y.ravel()
    C = noise * np.eye(len(y)) + (A * g) @ A.conj().T
    inverse = np.linalg.inv(C)
    gain = g[:, None] * (A.conj().T @ inverse)
    covariance = np.diag(g) - gain @ (A * g)
    r = g * np.einsum("mi,mn,ni->i", A.conj(), inverse, A).real
    cost = np.linalg.slogdet(C)[1] + (y.conj() @ inverse @ y).real
    return gain @ y, covariance, r, cost


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("shapes", SHAPES)
def test_posterior_is_the_dense_one(shapes, is_complex):
    factors, y, variances = draw(shapes, is_complex=is_complex)
    mean, covariance, r, cost = dense(factors, y, variances, 0.3)
    found = kron_posterior(factors, y, variances, 0.3)
    np.testing.assert_allclose(found.mean.ravel(), mean, atol=1e-12)
    np.testing.assert_allclose(found.variance.ravel(), np.diag(covariance), atol=1e-12)
    np.testing.assert_allclose(found.determined.ravel(), r, atol=1e-12)
    assert found.cost == pytest.approx(cost, rel=1e-12)
    flat = kron_posterior(factors, y.ravel(), variances, 0.3)
    np.testing.assert_array_equal(flat.mean, found.mean)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("shapes", SHAPES)
def test_slopes_are_those_of_the_cost(shapes, is_complex):
    factors, y, variances = draw(shapes, is_complex=is_complex, seed=1)
    problem = reduce_problem(factors, y[..., None])
    evidence = Evidence(problem, variances, 3.0)
    for mode, g in enumerate(variances):

        def cost(values, mode=mode):
            moved = [*variances[:mode], values, *variances[mode + 1 :]]
            return Evidence(problem, moved, 3.0).cost()

        up, down = evidence.slopes(mode)
        expected = approx_fprime(g, cost, 1e-7)
        np.testing.assert_allclose(down - up, expected, rtol=1e-4, atol=1e-4)
    up, down = evidence.noise_slopes()
    expected = approx_fprime(
        [3.0], lambda s: Evidence(problem, variances, s[0]).cost(), 1e-7
    )
    assert down - up == pytest.approx(expected[0], rel=1e-4)


def test_evidence_moves_with_its_variances():
    factors, y, variances = draw(SHAPES[0], is_complex=True, seed=2)
    problem = reduce_problem(factors, y[..., None])
    evidence = Evidence(problem, [np.ones_like(g) for g in variances], 2.0)
    for _ in range(25):
        for mode, g in enumerate(variances):
            evidence.set_variances(mode, g)
    evidence.set_noise(0.3)
    expected = Evidence(problem, variances, 0.3)
    assert evidence.cost() == pytest.approx(expected.cost(), rel=1e-12)
    np.testing.assert_allclose(evidence.mean(), expected.mean(), atol=1e-12)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"coupling": 0.7},
        {"coupling": (0.8, 0.0, 0.3), "noise_variance": 0.5},
        {"solver": "am", "prune_tol": 0.0},
        {"solver": "am", "prune_tol": 0.0, "noise_variance": 0.5},
    ],
)
@pytest.mark.parametrize("complex_data", [False, True])
def test_cost_never_rises(parameters, complex_data):
    data = make_kronecker_sparse(
        (5, 6, 8), (8, 9, 8), n_nonzero_coefs=3, snr_db=15, random_state=0,
        complex_data=complex_data,
    )  # fmt: skip
    model = KroneckerSparseBayesian(
        **{"prune_tol": 0.0, **parameters}, allow_complex=True, max_iter=60, tol=1e-9
    )
    with pytest.warns(ConvergenceWarning, match="did not reach its tolerance"):
        model.fit(data.factors, data.target)
    costs = np.array(model.history_["cost"])
    assert len(costs) == model.n_iter_ == 60
    assert np.diff(costs).max() <= 1e-9 * abs(costs[-1])


def stationarity(model, factors, y):
    """Largest slope in log variances and noise, from dense formulas."""
    noise, variances = model.noise_variance_, model.prior_variance_
    mean, _, r, _ = dense(factors, y, variances, noise)
    g = kron(variances)
    ratio = np.divide(np.abs(mean) ** 2, g, out=np.zeros_like(g), where=g > 0)
    slopes = (r - ratio).reshape([len(v) for v in variances])
    worst = 0.0
    for mode, v in enumerate(variances):
        others = tuple(i for i in range(len(variances)) if i != mode)
        sums = slopes.sum(axis=others)
        worst = max(worst, np.abs(sums).max() * len(v) / slopes.size)
    inverse = np.linalg.inv(
        noise * np.eye(y.size) + (kron(factors) * g) @ kron(factors).conj().T
    )
    slope = noise * (np.trace(inverse).real - np.sum(np.abs(inverse @ y.ravel()) ** 2))
    return max(worst, abs(slope) / y.size)


@pytest.mark.parametrize("complex_data", [False, True])
def test_stationarity_is_what_it_says(complex_data):
    data = make_kronecker_sparse(
        (5, 6, 4), (6, 7, 5), n_nonzero_coefs=2, random_state=3,
        complex_data=complex_data,
    )  # fmt: skip
    model = KroneckerSparseBayesian(allow_complex=True, tol=1e-5)
    model.fit(data.factors, data.target)
    assert model.stationarity_ <= 1e-5
    expected = stationarity(model, data.factors, data.target)
    assert expected == pytest.approx(model.stationarity_, rel=1e-3, abs=1e-10)


def test_one_factor_is_sparse_bayesian_learning():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 50))
    y = X[:, :4] @ [3.0, -2.0, 1.5, 1.0] + 0.1 * rng.standard_normal(30)
    # As many iterations of the same step on the dense posterior.
    n_iter, scale = 40, np.sqrt(np.mean(y**2))
    g, noise = np.full(50, 1.0 / (np.sum(X**2) / 30)), 0.01 / scale**2
    for _ in range(n_iter):
        mean, _, r, _ = dense([X], y / scale, [g], noise)
        g = np.abs(mean) * np.sqrt(g / r)
    model = KroneckerSparseBayesian(
        noise_variance=0.01, prune_tol=0.0, max_iter=n_iter, tol=1e-12
    )
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model.fit(X, y)
    np.testing.assert_allclose(model.prior_variance_[0], g * scale**2, rtol=1e-8)
    mean, covariance, _, _ = dense([X], y, model.prior_variance_, 0.01)
    np.testing.assert_allclose(model.coef_, mean, atol=1e-10)
    np.testing.assert_allclose(model.coef_std_, np.sqrt(np.diag(covariance)), atol=1e-8)
    normal = multivariate_normal(
        cov=0.01 * np.eye(30) + (X * model.prior_variance_[0]) @ X.T
    )
    assert model.log_evidence_ == pytest.approx(normal.logpdf(y), rel=1e-9)
    as_list = KroneckerSparseBayesian(noise_variance=0.01).fit([X], y)
    np.testing.assert_array_equal(
        as_list.coef_, KroneckerSparseBayesian(noise_variance=0.01).fit(X, y).coef_
    )


def test_alternating_step_of_one_factor_is_expectation_maximisation():
    factors, y, _ = draw([(12, 7)], seed=4)
    g = np.full(7, 0.2)
    for _ in range(3):
        mean, covariance, _, _ = dense(factors, y, [g], 0.1)
        g = mean**2 + np.diag(covariance)
    model = KroneckerSparseBayesian(
        "am", init=[np.full(7, 0.2)], noise_variance=0.1, prune_tol=0, max_iter=3
    )
    with pytest.warns(ConvergenceWarning):
        model.fit(factors, y)
    np.testing.assert_allclose(model.prior_variance_[0], g, rtol=1e-10)


def test_alternating_step_solves_its_problem():
    # At its minimum the prior matches the second moments summed over other modes.
    factors, y, _ = draw([(4, 3), (5, 4), (3, 2)], seed=5)
    ones = [np.ones(3), np.ones(4), np.ones(2)]
    model = KroneckerSparseBayesian(
        "am", init=ones, noise_variance=0.4, prune_tol=0, max_iter=1, inner_tol=1e-13
    )
    with pytest.warns(ConvergenceWarning):
        model.fit(factors, y)
    mean, covariance, _, _ = dense(factors, y, ones, 0.4)
    second = (mean**2 + np.diag(covariance)).reshape(3, 4, 2)
    first, middle, last = model.prior_variance_
    ratio = second / (first[:, None, None] * middle[:, None] * last)
    for others in ((1, 2), (0, 2), (0, 1)):
        np.testing.assert_allclose(ratio.mean(axis=others), 1.0, rtol=1e-9)


def test_svd_step_factors_the_second_moments():
    factors, y, _ = draw([(4, 3), (5, 4)], seed=6)
    ones = [np.ones(3), np.ones(4)]
    model = KroneckerSparseBayesian(
        "svd", init=ones, noise_variance=0.4, prune_tol=0, max_iter=1
    )
    with pytest.warns(ConvergenceWarning):
        model.fit(factors, y)
    mean, covariance, _, _ = dense(factors, y, ones, 0.4)
    left, sizes, right = np.linalg.svd((mean**2 + np.diag(covariance)).reshape(3, 4))
    np.testing.assert_allclose(model.prior_variance_[0], np.abs(left[:, 0]), rtol=1e-9)
    np.testing.assert_allclose(
        model.prior_variance_[1], sizes[0] * np.abs(right[0]), rtol=1e-9
    )


def easy(**options):
    return make_kronecker_sparse(
        (8, 9, 7), (9, 10, 8), **{"n_nonzero_coefs": 2, "random_state": 2, **options}
    )


@pytest.mark.parametrize("solver", ["mm", "am", "svd"])
def test_truth_is_found(solver):
    data = easy(snr_db=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KroneckerSparseBayesian(solver).fit(data.factors, data.target)
    if solver == "am":  # its pruning takes a small coefficient along
        assert nmse(data.coef, model.coef_) < 1e-2
        return
    assert nmse(data.coef, model.coef_) < 1e-3
    assert support_recovery_rate(data.coef, model.coef_) == 1.0
    for found, true in zip(model.supports_, data.supports, strict=True):
        np.testing.assert_array_equal(found, true)
    assert model.noise_variance_ == pytest.approx(data.noise_variance, rel=0.3)
    assert model.score(data.factors, data.target) > 0.99


def test_scaling_permuting_and_conjugating():
    data = easy(complex_data=True)
    fit = KroneckerSparseBayesian(allow_complex=True, tol=1e-6, tol_step=0.0).fit
    model = fit(data.factors, data.target)
    coef, variances = model.coef_tensor_, model.prior_variance_
    noise = model.noise_variance_

    other = fit(data.factors, 100.0 * data.target)
    np.testing.assert_allclose(other.coef_tensor_, 100 * coef, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(other.prior_variance_[2], 1e4 * variances[2], rtol=1e-7)
    np.testing.assert_allclose(other.prior_variance_[0], variances[0], rtol=1e-7)
    assert other.noise_variance_ == pytest.approx(1e4 * noise)

    other = fit([f.conj() for f in data.factors], data.target.conj())
    np.testing.assert_allclose(other.coef_tensor_, coef.conj(), atol=1e-8)

    other = fit(data.factors[::-1], data.target.transpose(2, 1, 0))
    np.testing.assert_allclose(
        other.coef_tensor_.transpose(2, 1, 0), coef, atol=1e-4 * np.abs(coef).max()
    )
    for mine, theirs in zip(variances, other.prior_variance_[::-1], strict=True):
        np.testing.assert_allclose(
            mine / np.linalg.norm(mine), theirs / np.linalg.norm(theirs), atol=1e-3
        )


def test_flat_data_and_predictions():
    data = easy()
    tensor = KroneckerSparseBayesian().fit(data.factors, data.target)
    flat = KroneckerSparseBayesian().fit(data.factors, data.target.ravel())
    np.testing.assert_array_equal(tensor.coef_, flat.coef_)
    np.testing.assert_array_equal(tensor.coef_tensor_.ravel(), tensor.coef_)
    new = [factor[:3] for factor in data.factors]
    y, std = tensor.predict(new, return_std=True)
    np.testing.assert_allclose(y.ravel(), kron(new) @ tensor.coef_, atol=1e-12)
    assert y.shape == std.shape == (3, 3, 3)
    _, covariance, _, _ = dense(
        data.factors, data.target, tensor.prior_variance_, tensor.noise_variance_
    )
    expected = np.einsum("mi,ij,mj->m", kron(new), covariance, kron(new))
    np.testing.assert_allclose(std.ravel() ** 2, expected + tensor.noise_variance_)
    assert flat.predict(new).shape == (27,)
    assert tensor.score(new, y) == 1.0


@pytest.mark.parametrize("is_complex", [False, True])
def test_samples_have_the_moments_of_the_posterior(is_complex):
    factors, y, _ = draw([(3, 3), (4, 2)], is_complex=is_complex, seed=7)
    model = KroneckerSparseBayesian(
        noise_variance=0.5, allow_complex=True, prune_tol=0
    ).fit(factors, y)
    draws = model.sample_posterior(40_000, random_state=0)
    mean, covariance, _, _ = dense(factors, y, model.prior_variance_, 0.5)
    size = np.sqrt(np.diag(covariance).real.max())
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.03 * size)
    centred = draws - mean
    found = centred.T @ centred.conj() / len(draws)
    np.testing.assert_allclose(found, covariance, atol=0.03 * size**2)
    np.testing.assert_array_equal(draws, model.sample_posterior(40_000, 0))


def test_snapshots_share_their_variances():
    data = easy(snr_db=10)
    one = KroneckerSparseBayesian().fit(data.factors, data.target)
    copies = np.stack([data.target, -data.target])
    several = KroneckerSparseBayesian(multi=True).fit(data.factors, copies)
    assert several.coef_.shape == (2, 720)
    np.testing.assert_allclose(several.coef_[0], one.coef_, atol=1e-8)
    np.testing.assert_allclose(several.coef_[1], -one.coef_, atol=1e-8)
    flat = KroneckerSparseBayesian(multi=True).fit(data.factors, copies.reshape(2, -1))
    np.testing.assert_array_equal(flat.coef_, several.coef_)
    assert flat.predict(data.factors).shape == (2, 504)
    assert several.predict(data.factors).shape == (2, 8, 9, 7)
    assert several.sample_posterior(3, random_state=0).shape == (3, 2, 720)

    rng = np.random.default_rng(0)
    mixed = np.stack([rng.standard_normal(data.target.shape), data.target])
    model = KroneckerSparseBayesian(
        multi=True, prune_tol=0, tol=1e-5, noise_variance=1.0
    ).fit(data.factors, mixed)
    costs = [dense(data.factors, y, model.prior_variance_, 1.0)[3] for y in mixed]
    expected = -0.5 * (np.mean(costs) + mixed[0].size * np.log(2 * np.pi))
    assert model.log_evidence_ == pytest.approx(expected, rel=1e-9)


def test_coupling_favours_runs():
    rng = np.random.default_rng(0)
    truth = np.zeros((24, 20))
    truth[4:10, 7:13] = rng.standard_normal((6, 6))
    factors = [rng.standard_normal((8, 24)), rng.standard_normal((9, 20))]
    y = factors[0] @ truth @ factors[1].T
    y += 0.3 * np.std(y) * rng.standard_normal(y.shape)
    alone = KroneckerSparseBayesian().fit(factors, y)
    coupled = KroneckerSparseBayesian(coupling=0.8).fit(factors, y)
    error = nmse(truth, coupled.coef_tensor_)
    assert error < 0.8 * nmse(truth, alone.coef_tensor_)
    assert coupled.stationarity_ <= 1e-3


def test_restarts_keep_the_best():
    scene = make_irs_mimo(snr_db=4, random_state=4)
    options = {"noise_variance": scene.noise_variance, "allow_complex": True}
    costs = []
    for n_init in (1, 4):
        model = KroneckerSparseBayesian(n_init=n_init, random_state=0, **options)
        costs.append(model.fit(scene.factors, scene.target).history_["cost"][-1])
    assert costs[1] <= costs[0]


def test_many_starts_are_screened():
    data = make_kronecker_sparse(snr_db=20, random_state=3)
    options = {"noise_variance": data.noise_variance, "random_state": 0}
    fits = [
        KroneckerSparseBayesian(n_init=n, **options).fit(data.factors, data.target)
        for n in (1, 8)
    ]
    again = KroneckerSparseBayesian(n_init=8, **options)
    again.fit(data.factors, data.target)
    np.testing.assert_array_equal(again.coef_, fits[1].coef_)
    assert fits[1].stationarity_ <= 1e-3
    assert fits[1].log_evidence_ >= fits[0].log_evidence_ - 1e-6
    assert len(fits[1].history_["cost"]) == fits[1].n_iter_


def test_published_methods_find_the_channel():
    scene = make_irs_mimo(snr_db=20, random_state=0)
    options = {"noise_variance": scene.noise_variance, "allow_complex": True}
    errors = {}
    for name, parameters in {
        "mm": {},
        "mm, coupled": {"coupling": (0.8, 0, 0.8)},
        "am": {"solver": "am"},
        "am, coupled": {"solver": "am", "coupling": (0.8, 0, 0.8), "max_inner": 10},
    }.items():
        model = KroneckerSparseBayesian(**parameters, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(scene.factors, scene.target)
        found = model.predict(scene.channel_factors)
        assert found.shape == scene.channels.shape
        errors[name] = nmse(scene.channels.ravel(), found.ravel())
    assert errors["mm"] < 2e-3
    assert errors["mm, coupled"] < 2e-3
    assert max(errors.values()) < 0.5


def test_nothing_of_the_size_of_the_product_is_formed():
    data = make_kronecker_sparse((40,) * 3, (60,) * 3, random_state=0)
    model = KroneckerSparseBayesian(max_iter=2)
    tracemalloc.start()
    with pytest.warns(ConvergenceWarning):
        model.fit(data.factors, data.target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert model.coef_.shape == (216_000,)
    assert peak < 50e6


@pytest.mark.parametrize("solver", ["mm", "am", "svd"])
@pytest.mark.parametrize("noise_variance", ["em", 0.1])
def test_degenerate_data_give_numbers(solver, noise_variance):
    data = easy()
    first, second, third = data.factors
    repeated, empty = first.copy(), second.copy()
    repeated[:, 1] = repeated[:, 0]
    empty[:, 3] = 0.0
    cases = [
        ([repeated, empty, third], data.target),
        (data.factors, np.zeros_like(data.target)),
        ([0.0 * first, second, third], data.target),
        ([first[:1], second, third[:1]], data.target[:1, :, :1]),
        (data.factors, 1e-150 * data.target),
    ]
    model = KroneckerSparseBayesian(solver, noise_variance=noise_variance)
    for factors, y in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(factors, y)
        for values in (
            model.coef_, model.coef_std_, *model.prior_variance_,
            [model.log_evidence_, model.noise_variance_, model.stationarity_],
        ):  # fmt: skip
            assert np.isfinite(values).all()


def test_noise_alone_is_said():
    data = easy()
    model = KroneckerSparseBayesian()
    with pytest.warns(ConvergenceWarning, match="nothing but noise"):
        model.fit(data.factors, np.zeros_like(data.target))
    assert not model.coef_.any()


def test_noise_at_its_floor_is_said():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 200)), rng.standard_normal(20)
    with pytest.warns(ConvergenceWarning, match="cannot tell the noise"):
        KroneckerSparseBayesian(noise_floor=0.01).fit(X, y)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f, y: (f, y[:, :5]), r"mode 1 has 5 entries, its factor 9 rows"),
        (lambda f, y: (f, y.ravel()[1:]), r"\(8, 9, 7\) or \(504,\); got \(503,\)"),
        (lambda f, y: ([f[0], f[1]], y), r"shape \(8, 9\) or \(72,\); got \(8, 9, 7\)"),
        (lambda f, y: ([*f[:2], 1j * f[2]], y), r"Complex data .* X\[2\] is complex"),
        (lambda f, y: (f, 1j * y), r"Complex data not supported: y is complex"),
        (lambda f, y: ([np.nan * f[0], *f[1:]], y), r"X\[0\] must be finite"),
        (lambda f, y: (f, np.inf * y), "y must be finite"),
        (lambda f, y: ([f[0][:, :0], *f[1:]], y), r"X\[0\] must be a matrix"),
    ],
)
def test_wrong_data_are_named(change, message):
    data = easy()
    with pytest.raises(ValueError, match=message):
        KroneckerSparseBayesian().fit(*change(data.factors, data.target))


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"coupling": (1.0, 0.0)}, "coupling must be a number or have one entry"),
        ({"coupling": 0.5, "solver": "svd"}, "coupling must be 0 with solver='svd'"),
        ({"prune_tol": (0.1, 0.1)}, "prune_tol must be a number or have one entry"),
        ({"init": [np.ones(9)]}, "init must have one entry for each of 3"),
        ({"init": [np.ones(9)] * 3}, r"init\[1\] must have shape \(10,\)"),
        ({"init": [np.zeros(9), np.ones(10), np.ones(8)]}, r"init\[0\] must not"),
    ],
)
def test_parameters_that_do_not_fit_the_factors_are_named(parameters, message):
    data = easy()
    with pytest.raises(ValueError, match=message):
        KroneckerSparseBayesian(**parameters).fit(data.factors, data.target)


def test_prediction_needs_the_same_columns():
    data = easy()
    model = KroneckerSparseBayesian().fit(data.factors, data.target)
    with pytest.raises(ValueError, match=r"3 factors with \[9, 10, 8\] columns"):
        model.predict(data.factors[:2])


def test_pursuit_is_least_squares_on_its_sets():
    data = easy(snr_db=40, complex_data=True)
    coef = kron_omp(data.factors, data.target, 2, tol=0.0)
    sets = [np.unique(indices) for indices in np.nonzero(coef)]
    chosen = kron([f[:, s] for f, s in zip(data.factors, sets, strict=True)])
    expected = np.linalg.lstsq(chosen, data.target.ravel(), rcond=None)[0]
    np.testing.assert_allclose(coef[np.ix_(*sets)].ravel(), expected, atol=1e-10)
    assert not kron_omp(data.factors, 0.0 * data.target).any()
    rough = kron_omp(data.factors, data.target, 5, tol=0.5)
    assert np.count_nonzero(rough) < 125
    with pytest.raises(ValueError, match="one entry for each of 3 factors; got 2"):
        kron_omp(data.factors, data.target, (2, 2))
