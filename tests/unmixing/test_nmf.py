"""Constrained factorisation: monotone, stationary, equivalent where it must be."""

import itertools

import numpy as np
import pytest
from scipy.optimize import approx_fprime, nnls
from sklearn.base import clone
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from sparsestat.datasets import make_hyperspectral
from sparsestat.metrics import abundance_rmse, match_endmembers, spectral_angle
from sparsestat.unmixing import (
    EDCNMF,
    L1NMF,
    NFINDR,
    VCA,
    ConstrainedNMF,
    CorrentropyNMF,
    DgSNMF,
    GraphNMF,
    LHalfNMF,
    LocalWeightNMF,
    MinVolumeNMF,
    RRLbS,
    fcls,
)
from sparsestat.unmixing import _nmf_solver as solver
from sparsestat.unmixing._nmf_graph import homogeneity, image_graph, spectral_graph
from sparsestat.unmixing._nmf_start import clean_bands, start_from
from sparsestat.unmixing._nmf_terms import (
    band_loss,
    band_weights,
    endmember_coupling,
    endmember_penalty,
    good_limit,
    powers_of,
    scales_of,
)
from tests.unmixing.scenes import pure_scene

LOSSES = ["frobenius", "l21", "correntropy"]
PRESETS = [
    CorrentropyNMF(4),
    RRLbS(4),
    L1NMF(4),
    LHalfNMF(4, alpha=0.02),
    DgSNMF(4, image_shape=(20, 15)),
    GraphNMF(4),
    LocalWeightNMF(4, image_shape=(20, 15)),
    EDCNMF(4),
    MinVolumeNMF(4),  # the last: multiplicative steps have no hard sum
]


@pytest.fixture(scope="module")
def scene():
    _, A, X, _ = pure_scene(3, noise=0.02)
    return A, np.maximum(X, 0.0)


def fitted(model, X, max_iter=60):
    """A fit for its path, which need not have converged."""
    model.set_params(max_iter=max_iter, tol=1.0)
    if "tol_step" in model.get_params():
        model.set_params(tol_step=0.0)
    return model.fit(X)


def assert_never_rises(objective):
    after = np.array(objective[solver.LEARNING :])
    assert (np.diff(after) <= 1e-9 * np.abs(after[:-1])).all()


@pytest.mark.parametrize(
    "sum_to_one, kind",
    [
        (None, "exact"),
        (None, "mu"),
        ("soft", "exact"),
        ("soft", "mu"),
        ("simplex", "exact"),
    ],
)
@pytest.mark.parametrize("guide", [None, "hoyer"])
@pytest.mark.parametrize("loss", LOSSES)
def test_objective_never_rises(scene, loss, sum_to_one, guide, kind):
    options = {"loss": loss, "sum_to_one": sum_to_one, "guide": guide, "solver": kind}
    model = ConstrainedNMF(4, alpha=0.05, **options)
    with np.errstate(all="raise", under="ignore"):
        fitted(model, scene[1])
    assert_never_rises(model.objective_)
    assert model.objective_[-1] < model.objective_[solver.LEARNING]


@pytest.mark.parametrize(
    "model",
    [*PRESETS, *(clone(model).set_params(solver="mu") for model in PRESETS[:-1])],
    ids=str,
)
def test_objective_of_presets_never_rises(scene, model):
    assert_never_rises(fitted(model, scene[1]).objective_)


@pytest.mark.parametrize("kind", ["exact", "mu"])
@pytest.mark.parametrize("penalty", ["dissimilarity", "volume"])
def test_penalties_of_endmembers_keep_a_fixed_scale(scene, penalty, kind):
    """Without a sum to one the means of endmembers stay; nothing drifts."""
    options = {"endmember_penalty": penalty, "alpha_endmember": 0.5, "solver": kind}
    model = ConstrainedNMF(4, scale="initial", init="nfindr", alpha=0.1, **options)
    fitted(model, scene[1])
    assert_never_rises(model.objective_)
    start = start_from(scene[1], 4, "nfindr", None, None).components.mean(axis=1)
    np.testing.assert_allclose(model.components_.mean(axis=1), start, rtol=1e-5)


def test_purest_pixels_sum_to_one(scene):
    model = fitted(ConstrainedNMF(4, alpha=0.01), scene[1], 200)
    purest = model.abundances_.argmax(axis=0)
    np.testing.assert_allclose(
        model.abundances_[purest].sum(axis=1), np.ones(4), atol=0.1
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_tangents_are_above_losses(loss):
    rng = np.random.default_rng(0)
    at, other = rng.exponential(size=(2, 30))
    scales = scales_of(at, 0.7)
    weights = band_weights(loss, at, scales)
    tangent = band_loss(loss, at, scales) + 0.5 * weights @ (other - at)
    assert band_loss(loss, other, scales) <= tangent + 1e-12
    slopes = approx_fprime(at, lambda r: band_loss(loss, r, scales), 1e-7)
    np.testing.assert_allclose(slopes, 0.5 * weights, rtol=1e-4)


@pytest.mark.parametrize("kind", ["dissimilarity", "volume"])
def test_quadratics_are_above_penalties_of_endmembers(kind):
    rng = np.random.default_rng(1)
    at = rng.random((3, 8))
    M, smooth = endmember_coupling(kind, at)

    def quadratic(E):
        value = 0.5 * np.sum(E * (M @ E)) + 0.5 * smooth * np.sum(np.diff(E) ** 2)
        return value

    base = endmember_penalty(kind, at) - quadratic(at)
    for _ in range(20):
        E = at + rng.standard_normal(at.shape)
        assert endmember_penalty(kind, E) <= base + quadratic(E) + 1e-10


@pytest.mark.parametrize("kind", ["dissimilarity", "volume"])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients(loss, kind):
    """Of all terms together, by differences of the objective written anew."""
    rng = np.random.default_rng(2)
    n, p, n_bands = 12, 3, 7
    X, E, A = rng.random((n, n_bands)), rng.random((p, n_bands)), rng.random((n, p))
    graph = image_graph(X, (3, 4))
    h = rng.random(n) * 0.9
    squares = np.square(X - A @ E).sum(axis=0)
    scales = scales_of(squares, 1.3)
    problem = solver.Problem(
        loss, 0.3, 1.0 - h[:, None], None, graph, 0.2, kind, 0.4, False, 0.7, 1.3,
        np.ones(n_bands), "initial",
    )  # fmt: skip
    L = np.diag(graph.degrees[:, 0]) - graph.similarities.toarray()

    def objective(E, A):
        value = band_loss(loss, np.square(X - A @ E).sum(axis=0), scales)
        value += 0.3 * ((A + 1e-3) ** (1.0 - h[:, None])).sum()
        value += 0.1 * np.trace(A.T @ L @ A) + 0.4 * endmember_penalty(kind, E)
        return value + 0.5 * 0.49 * np.square(A.sum(axis=1) - 1.0).sum()

    penalty = solver._penalty(problem, A, problem.powers)
    ours = solver._objective(problem, squares, scales, A, E, penalty)
    assert ours == pytest.approx(objective(E, A))
    weights = band_weights(loss, squares, scales)
    EW = E * weights
    slopes = solver.gradient_of_abundances(
        problem, A, EW @ E.T, X @ EW.T, problem.powers
    )
    by_A = approx_fprime(A.ravel(), lambda a: objective(E, a.reshape(n, p)), 1e-7)
    np.testing.assert_allclose(slopes.ravel(), by_A, rtol=1e-3, atol=1e-4)
    slopes = solver.gradient_of_endmembers(problem, E, A.T @ A, A.T @ X, weights)
    by_E = approx_fprime(E.ravel(), lambda e: objective(e.reshape(p, -1), A), 1e-7)
    np.testing.assert_allclose(slopes.ravel(), by_E, rtol=1e-3, atol=1e-4)


def test_volume_is_half_a_log_determinant():
    E = np.random.default_rng(3).random((3, 6))
    value = endmember_penalty("volume", E)
    assert value == pytest.approx(0.5 * np.log(np.linalg.det(E @ E.T + np.eye(3))))


def test_dissimilarity_is_least_for_flat_spectra_apart():
    E = np.kron(np.eye(2), np.ones(3))
    assert endmember_penalty("dissimilarity", E) == pytest.approx(1.0)
    assert endmember_penalty("dissimilarity", E[[0, 0]]) > 3.0


def test_plain_factorisation_is_not_worse_than_scikit_learn(scene):
    X = scene[1]
    ours = ConstrainedNMF(4, tol=1e-4, init="nfindr").fit(X)
    theirs = NMF(4, init="nndsvd", max_iter=500, tol=0.0).fit(X)
    assert ours.reconstruction_err_ <= theirs.reconstruction_err_ * (1.0 + 1e-4)
    residual = np.linalg.norm(X - ours.abundances_ @ ours.components_)
    assert ours.reconstruction_err_ == pytest.approx(residual)


def test_wide_correntropy_is_least_squares(scene):
    options = {"alpha": 0.01, "init": "nfindr", "scale": "initial"}
    wide = ConstrainedNMF(4, loss="correntropy", theta=1e8, **options)
    plain = ConstrainedNMF(4, **options)
    a, b = (fitted(model, scene[1], 40) for model in (wide, plain))
    np.testing.assert_allclose(a.components_, b.components_, rtol=1e-4, atol=1e-5)
    assert a.objective_[-1] == pytest.approx(b.objective_[-1], rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_both_solvers_reach_the_same_objective(scene, loss):
    ends, start = [], NFINDR(4).fit(scene[1]).components_
    for kind in ("exact", "mu"):
        model = ConstrainedNMF(4, loss=loss, init=start, alpha=1e-3, solver=kind)
        model.set_params(sum_to_one="soft", asc_delta=1.0)
        ends.append(fitted(model, scene[1], 3000 if kind == "mu" else 300))
    assert ends[1].objective_[-1] == pytest.approx(ends[0].objective_[-1], rel=0.02)


@pytest.mark.parametrize("loss", LOSSES)
def test_bands_may_be_in_any_order(scene, loss):
    X = scene[1]
    order = np.random.default_rng(0).permutation(X.shape[1])
    one = fitted(ConstrainedNMF(4, loss=loss, alpha=0.02), X, 30)
    two = fitted(ConstrainedNMF(4, loss=loss, alpha=0.02), X[:, order], 30)
    np.testing.assert_allclose(two.components_, one.components_[:, order], atol=1e-6)
    np.testing.assert_allclose(two.band_weights_, one.band_weights_[order], atol=1e-6)


def test_soft_sum_is_one_more_band(scene):
    X = scene[1]
    model = fitted(ConstrainedNMF(4, sum_to_one="soft", asc_delta=2.0), X, 20)
    longer = np.hstack([model.components_, np.full((4, 1), 2.0)])
    expected = [nnls(longer.T, np.append(x, 2.0))[0] for x in X[:30]]
    np.testing.assert_allclose(model.transform(X[:30]), expected, atol=1e-9)
    assert model.dual_gap(X).max() <= 1e-10


def test_hard_sum_is_fully_constrained_least_squares(scene):
    X = scene[1]
    model = fitted(ConstrainedNMF(4, sum_to_one="simplex"), X, 20)
    np.testing.assert_allclose(
        model.transform(X), fcls(X, model.components_), atol=1e-9
    )
    np.testing.assert_allclose(model.abundances_.sum(axis=1), 1.0)


@pytest.mark.parametrize("model", PRESETS, ids=str)
def test_new_pixels_have_certificates_and_are_on_their_own(scene, model):
    X = scene[1]
    fitted(model, X, 20)
    assert model.dual_gap(X).max() <= 1e-10
    np.testing.assert_allclose(
        model.transform(X[5:9]), model.transform(X)[5:9], atol=1e-9
    )


def test_converged_fits_are_stationary(scene):
    """The violation of a fit, computed anew from its attributes."""
    X = scene[1]
    model = ConstrainedNMF(4, tol=1e-4, init="nfindr").fit(X)
    assert model.stationarity_ <= 1e-4
    A, E = model.abundances_, model.components_
    slopes = (A @ E - X) @ E.T
    scaled = np.minimum(A / A.max(), slopes / (X @ E.T).max())
    assert np.abs(scaled).max() <= 1e-4
    slopes = A.T @ (A @ E - X)
    scaled = np.minimum(E / E.max(), slopes / (A.T @ X).max())
    assert np.abs(scaled).max() <= 1e-4


def test_missed_tolerance_is_told(scene):
    with pytest.warns(ConvergenceWarning, match="stationarity_ .* above tol=1.0e-09"):
        ConstrainedNMF(4, tol=1e-9, max_iter=3).fit(scene[1])


def test_warm_start_goes_on(scene):
    model = ConstrainedNMF(4, tol=1e-5, warm_start=True).fit(scene[1])
    n_iter = model.n_iter_
    assert model.fit(scene[1]).n_iter_ < n_iter / 2
    with pytest.raises(ValueError, match="warm_start needs the 60 bands"):
        model.fit(scene[1][:, :50])


@pytest.mark.parametrize("kind", ["spectral", "image"])
def test_graph(scene, kind):
    X = scene[1]
    graph = spectral_graph(X, 4, 5) if kind == "spectral" else image_graph(X, (20, 15))
    S = graph.similarities.toarray()
    np.testing.assert_array_equal(S, S.T)
    assert (S >= 0.0).all()
    assert S.sum() == pytest.approx(len(X))
    A = np.random.default_rng(0).random((len(X), 2))
    pairs = 0.5 * np.sum(S * np.square(A[:, None] - A[None]).sum(axis=2))
    assert np.sum(A * graph.laplacian(A)) == pytest.approx(pairs)
    assert np.linalg.eigvalsh(np.diag(S.sum(axis=1)) - S)[-1] <= graph.bound
    if kind == "image":
        i, j = np.nonzero(S)
        steps = np.abs(i // 15 - j // 15) + np.abs(i % 15 - j % 15)
        assert (steps == 1).all()


def test_graphs_make_neighbours_alike():
    rng = np.random.default_rng(0)
    _, _, X, _ = pure_scene(1, n_pixels=64, noise=0.05)
    X = np.maximum(X[np.sort(rng.integers(0, 64, 64))], 0.0)
    rough = []
    for strength in (0.0, 1.0, 10.0):
        model = LocalWeightNMF(4, image_shape=(8, 8), alpha_graph=strength)
        A = fitted(model, X, 30).abundances_
        rough.append(np.sum(A * image_graph(X, (8, 8)).laplacian(A)))
    assert rough[0] > rough[1] > rough[2]


def test_homogeneity_is_one_where_all_are_alike():
    X = np.vstack([np.ones((8, 3)), [[5.0, 0.0, 1.0]]])
    h = homogeneity(X, (3, 3))
    assert h[0] == 1.0
    assert h[8] < h[7] < 1.0


@pytest.mark.parametrize("guide", ["hoyer", "gini", "entropy"])
def test_guides_rise_from_mixed_to_pure(guide):
    A = np.array([[0.0, 0, 0], [1, 1, 1], [2, 1, 1], [4, 1, 0], [0, 3, 0]])
    purity, powers = powers_of(guide, A)
    assert purity[1] == pytest.approx(0.0, abs=1e-12)
    assert purity[0] == 0.0
    assert purity[4] == 0.95
    assert (np.diff(purity[1:]) > 0.0).all()
    np.testing.assert_array_equal(powers[:, 0], 1.0 - purity)


def test_given_map_is_the_power_of_each_pixel(scene):
    X = scene[1]
    flat = fitted(ConstrainedNMF(4, alpha=0.02, guide=np.full(len(X), 0.5)), X, 20)
    plain = fitted(ConstrainedNMF(4, alpha=0.02, p=0.5), X, 20)
    np.testing.assert_allclose(flat.components_, plain.components_, atol=1e-8)
    assert not hasattr(flat, "guidance_map_")


def test_learnt_map_follows_the_purity_of_pixels():
    _, A, X, _ = pure_scene(8, noise=0.005)
    model = fitted(RRLbS(4, alpha=0.01), np.maximum(X, 0.0))
    assert np.corrcoef(model.guidance_map_, A.max(axis=1))[0, 1] > 0.8


@pytest.mark.parametrize("seed", range(5))
def test_move_to_a_level_is_the_nearest_point(seed):
    rng = np.random.default_rng(seed)
    target, curvature = rng.standard_normal(20), rng.uniform(0.5, 2.0, 20)
    measure = rng.integers(0, 3, 20).astype(float)
    moved = target.copy()
    solver._move_to_level(moved, curvature, measure, 1.5)
    point = np.maximum(moved, 0.0)
    assert measure @ point == pytest.approx(1.5)
    # Slopes are a multiple of the measure where the point is positive, above elsewhere.
    slopes = curvature * (point - target)
    on = (point > 0.0) & (measure > 0.0)
    shift = (slopes[on] / measure[on]).mean()
    np.testing.assert_allclose(slopes[on], shift * measure[on], atol=1e-10)
    assert (slopes[point == 0.0] >= shift * measure[point == 0.0] - 1e-10).all()


def test_negative_values_are_counted(scene):
    X = scene[1].copy()
    X[0, :3] = -0.01
    with pytest.warns(UserWarning, match=r"3 negative values of X, of 18000"):
        fitted(ConstrainedNMF(4), X, 3)


@pytest.mark.parametrize(
    "model, message",
    [
        (ConstrainedNMF(301), "n_components must be at most 61 for 300 pixels"),
        (ConstrainedNMF(3, init=np.ones((4, 60))), "n_components must be 'auto' or"),
        (ConstrainedNMF(3, init=np.ones((3, 6))), "the 60 bands of X; got shape"),
        (ConstrainedNMF(3, init=-np.ones((3, 60))), "init must be finite and >= 0"),
        (ConstrainedNMF(3, guide=np.full(300, 2.0)), r"guide must be in \[0, 1\]"),
        (ConstrainedNMF(3, guide=np.ones(4)), "guide must be numbers of shape"),
        (DgSNMF(3, image_shape=(7, 7)), "image_shape must hold the 300 pixels"),
        (
            ConstrainedNMF(3, sum_to_one="simplex", solver="mu"),
            "solver='mu' cannot keep sum_to_one='simplex'",
        ),
    ],
)
def test_wrong_input_is_named(scene, model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(scene[1])


@pytest.mark.parametrize(
    "model", [ConstrainedNMF("auto"), RRLbS("auto"), MinVolumeNMF("auto")], ids=str
)
@pytest.mark.parametrize("shape", [(10, 3), (10, 1), (2, 5), (1, 4)])
def test_tiny_data(model, shape):
    X = np.random.default_rng(0).random(shape)
    model.fit(X)
    assert np.isfinite(model.components_).all()
    assert np.isfinite(model.abundances_).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_constant_pixels(loss, value):
    model = ConstrainedNMF(2, loss=loss, alpha=0.1).fit(np.full((20, 6), value))
    assert np.isfinite(model.components_).all()
    assert np.isfinite(model.objective_).all()
    assert np.isfinite(model.stationarity_)


class Stop:
    """End a fit at an iteration."""

    def __init__(self, at):
        self.at, self.seen = at, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.seen += context.task_name == "iteration"
        return self.seen == self.at


def test_callback_ends_a_fit(scene, capsys):
    model = ConstrainedNMF(4, tol=1e-12, verbose=1)
    with pytest.warns(ConvergenceWarning):
        model.set_callbacks(Stop(4)).fit(scene[1])
    assert model.n_iter_ == 4
    assert "4 iterations" in capsys.readouterr().out


def test_all_guides_and_graphs_fit_together(scene):
    for guide, graph in itertools.product(
        ("hoyer", "gini", "entropy", "spatial"), ("spectral", "spatial")
    ):
        model = ConstrainedNMF(4, alpha=0.02, guide=guide, graph=graph, alpha_graph=0.1)
        model.set_params(image_shape=(20, 15), loss="l21")
        assert_never_rises(fitted(model, scene[1], 20).objective_)


def test_real_scenes(data_folder):
    for name, scale, p, end in [
        ("samson", 1.0, 3, 26.64),
        ("jasper_ridge", 5e3, 4, 144),
    ]:
        cube = np.load(data_folder / "unmixing" / f"{name}.npz")["cube"] / scale
        X = cube.reshape(-1, cube.shape[-1]).astype(np.float64)
        start = NFINDR(p).fit(X).components_
        model = fitted(ConstrainedNMF(p, init=start), X, 40)
        assert model.objective_[-1] == pytest.approx(end, rel=1e-3)
        assert_never_rises(model.objective_)


def scores_of(model, scene, X):
    """Mean angle and error of the abundances of a fit."""
    fitted(model.set_params(normalize=True), X, 100)
    order = match_endmembers(scene.endmembers, model.components_)
    angles = spectral_angle(scene.endmembers, model.components_[order])
    error = abundance_rmse(scene.abundances, model.abundances_[:, order])
    return angles.diagonal().mean(), error


@pytest.mark.parametrize("seed", [0, 4])
def test_bad_bands(seed):
    """Robust losses find them, and are twice as near to the truth."""
    scene = make_hyperspectral(36, 36, block_size=6, n_bad_bands=22, random_state=seed)
    X = np.maximum(scene.X, 0.0)
    angle, error = scores_of(ConstrainedNMF(5), scene, X)
    good = np.setdiff1d(np.arange(X.shape[1]), scene.bad_bands)
    for model in (CorrentropyNMF(5), RRLbS(5)):
        ours = scores_of(model, scene, X)
        assert ours[0] <= angle / 2
        assert ours[1] <= error / 2
        assert model.band_weights_[scene.bad_bands].max() <= 0.25
        assert np.quantile(model.band_weights_[good], 0.05) >= 0.95


@pytest.mark.parametrize("model", [CorrentropyNMF(5), RRLbS(5)], ids=str)
def test_bad_bands_at_the_noise_of_ten_decibels(model):
    """Slopes of the losses differ little there; the noise of the bands tells."""
    scene = make_hyperspectral(
        36, 36, block_size=6, n_bad_bands=20, snr_db=10.0, random_state=2
    )
    X = np.maximum(scene.X, 0.0)
    angle, error = scores_of(ConstrainedNMF(5), scene, X)
    ours = scores_of(model, scene, X)
    assert_never_rises(model.objective_)
    assert ours[0] <= angle / 2
    assert ours[1] <= error / 2
    good = np.setdiff1d(np.arange(X.shape[1]), scene.bad_bands)
    weights = model.band_weights_
    assert weights[scene.bad_bands].max() <= 0.3
    assert np.quantile(weights[good], 0.05) >= 0.95


@pytest.mark.parametrize("model", [CorrentropyNMF(5), RRLbS(5)], ids=str)
def test_robust_losses_cost_little_where_no_band_is_bad(model):
    scene = make_hyperspectral(36, 36, block_size=6, random_state=0)
    X = np.maximum(scene.X, 0.0)
    plain = ConstrainedNMF().set_params(**model.get_params())
    ours, theirs = (scores_of(m, scene, X) for m in (model, plain))
    assert ours[0] <= 1.1 * theirs[0]
    assert ours[1] <= 1.1 * theirs[1]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("spread", [1e-3, 0.05, 0.5])
def test_good_bands_weigh_alike(loss, spread):
    """By the spread of the residuals; the median band weighs as in least squares."""
    rng = np.random.default_rng(0)
    norms = 7.0 * np.maximum(1.0 + spread * rng.standard_normal(201), 0.0)
    scales = scales_of(norms**2, 1.0)
    weights = band_weights(loss, norms**2, scales)
    assert weights[np.argsort(norms)[100]] == pytest.approx(1.0)
    within = norms <= np.median(norms) + 2.0 * 7.0 * spread
    assert weights[within].min() >= 0.95
    bad = band_weights(loss, np.array([200.0**2]), scales)
    assert (bad < 0.25) == (loss != "frobenius")


@pytest.mark.parametrize("loss", ["l21", "correntropy"])
def test_noisy_bands_are_trusted_less(loss):
    """By their noise over the residual of a good band, never more than others."""
    norms = np.array([1.0, 2.0, 3.0, 4.0, 50.0])
    limit = good_limit(norms**2)[1]
    assert limit == pytest.approx((3.0 + 3.0 * 1.4826) ** 2)
    noise = np.array([0.0, 1.0, 1.0, limit, 4.0 * limit])
    scales = scales_of(norms**2, 1.0, noise)
    np.testing.assert_allclose(scales.trust, [1.0, 1.0, 1.0, 1.0, 0.25])
    weights = band_weights(loss, norms**2, scales)
    free = band_weights(loss, norms**2, scales_of(norms**2, 1.0))
    np.testing.assert_allclose(weights, scales.trust * free)
    slopes = approx_fprime(norms**2, lambda r: band_loss(loss, r, scales), 1e-6)
    np.testing.assert_allclose(slopes, 0.5 * weights, rtol=1e-4, atol=1e-8)
    exact = scales_of(np.zeros(5), 1.0, noise)
    assert np.isfinite(band_weights(loss, np.zeros(5), exact)).all()


def test_weak_bands_are_clean_where_all_are_as_noisy():
    rng = np.random.default_rng(0)
    X = 1.0 + 0.01 * rng.standard_normal((100, 6))
    X[:, 4:] = 0.01
    assert clean_bands(X, np.full(6, 1e-4), 2).all()
    noise = np.array([1e-4, 2e-4, 1e-4, 2e-4, 1e-4, 1e-2])
    np.testing.assert_array_equal(np.flatnonzero(~clean_bands(X, noise, 2)), [5])
    assert clean_bands(X, noise, 6).all()


@pytest.mark.parametrize("init", ["robust", "nfindr", "vca"])
def test_start_is_without_the_noise_of_its_pixels(init):
    """Endmembers of the same pixels are nearer to their spectra without noise."""
    E, A, X, _ = pure_scene(5, n_pixels=2000, noise=0.1)
    X = np.maximum(X, 0.0)
    found = start_from(X, 4, init, 0, None).components
    raw = (NFINDR(4) if init != "vca" else VCA(4, denoise=False, random_state=0)).fit(X)
    pure = A[raw.indices_] @ E
    order = match_endmembers(pure, found)
    ours = spectral_angle(pure, found[order]).diagonal()
    theirs = spectral_angle(pure, raw.components_).diagonal()
    assert ours.mean() < 0.6 * theirs.mean()


def test_width_of_the_correntropy():
    norms = np.array([1.0, 2.0, 3.0, 4.0, 50.0])
    good = 3.0 + 3.0 * 1.4826
    expected = (good**2 - 9.0) / (2.0 * np.log(1.0 / 0.95))
    assert scales_of(norms**2, 0.5).variance == pytest.approx(0.5 * expected)
    alike = np.full(5, 4.0)
    assert scales_of(alike, 0.5).variance == pytest.approx(2.0)
    assert scales_of(alike, 0.5).floor == pytest.approx(4.0)
