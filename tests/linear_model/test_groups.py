"""Group Lasso and sparse group Lasso: certificates, equivalences, groups as given."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sparsestat.linear_model import (
    GroupLasso,
    GroupLassoCV,
    Lasso,
    SparseGroupLasso,
    SparseGroupLassoCV,
    group_path,
)
from sparsestat.linear_model._noise import degrees_of_freedom
from sparsestat.optim import datafits, penalties
from sparsestat.optim.run import Run
from tests.certificates import blocks_gap

LABELS = np.array([0, 1, 1, -1, 0, 2, 2, 2, 3, 3, 4, 4])
SETS = [np.flatnonzero(LABELS == g) for g in range(5)]
WEIGHTS = np.array([1.0, 0.5, 2.0, np.inf, 1.5])
OVERLAPPING = [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8], [8, 9, 10, 11]]


def make_data(seed=0, n=50, p=12):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    X[:, 1:] += 0.6 * X[:, :-1]
    y = X[:, [1, 2, 5]] @ [1.0, -1.0, 0.5] + 0.5 * X[:, 3] + rng.standard_normal(n)
    return X, y + 3.0


def weighted_system(X, y, share, standardize=False):
    """Centred, scaled and weighted data, and the scales."""
    X, y = X - share @ X, y - share @ y
    scale = np.sqrt(share @ X**2) if standardize else np.ones(X.shape[1])
    root = np.sqrt(share)
    return root[:, None] * X / scale, root * y, scale


@pytest.mark.parametrize("storage", ["F", "C", "csc", "F32"])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("ratio", [None, 0.0, 0.4, 1.0])
def test_fit_is_certified(storage, standardize, ratio):
    X, y = make_data()
    if storage == "csc":
        X[np.abs(X) < 0.4] = 0.0
    weight = 1.0 + np.arange(len(y)) % 3
    weight[:5] = 0.0
    prices = np.linspace(0.5, 1.5, 12)
    prices[4] = 0.0
    options = {"feature_groups": LABELS, "group_weights": WEIGHTS}
    if ratio is None:
        model = GroupLasso(0.15, standardize=standardize, **options)
        single, shared = np.zeros(12), 0.15 * WEIGHTS
    else:
        model = SparseGroupLasso(
            0.15,
            l1_ratio=ratio,
            penalty_weights=prices,
            standardize=standardize,
            **options,
        )
        single = 0.15 * ratio * prices
        shared = 0.15 * (1 - ratio) * WEIGHTS if ratio < 1.0 else np.zeros(5)
    make = {"F": np.asfortranarray, "C": np.array, "F32": np.float32}
    given = sparse.csc_array(X) if storage == "csc" else make[storage](X)
    model.fit(given, y, sample_weight=weight)
    dense = given.toarray() if storage == "csc" else given.astype(float)
    share = weight / weight.sum()
    A, b, scale = weighted_system(dense, y, share, standardize)
    coef = model.coef_.astype(float) * scale
    free = np.flatnonzero((LABELS == -1) | ((ratio == 1.0) & (prices == 0.0)))
    excluded = SETS[3] if ratio != 1.0 else []
    assert not model.coef_[excluded].any()
    kept = [g for g in range(5) if ratio == 1.0 or g != 3]
    assert model.coef_[3] != 0.0
    gap = blocks_gap(
        A,
        b,
        coef,
        [np.setdiff1d(SETS[g], free) for g in kept],
        shared[kept],
        np.where(LABELS == -1, 0.0, single),
        free,
    )
    null = b - A[:, free] @ np.linalg.lstsq(A[:, free], b)[0]
    tol = 1e-5 if storage == "F32" else 1e-6
    assert gap <= tol * (null @ null) / 2 * 1.001
    assert model.dual_gap_ <= model.dual_gap_tol_
    np.testing.assert_allclose(model.dual_gap_tol_, tol * (null @ null) / 2, rtol=1e-4)
    np.testing.assert_allclose(
        model.intercept_, share @ (y - dense @ model.coef_), rtol=1e-5
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("storage", [np.asfortranarray, sparse.csc_array])
def test_overlapping_groups_are_groups_of_copies(dtype, storage):
    X, y = make_data()
    if storage is sparse.csc_array:
        X[np.abs(X) < 0.4] = 0.0
    X = X.astype(dtype)
    model = GroupLasso(0.2, feature_groups=OVERLAPPING, overlap="latent")
    model.fit(storage(X), y)
    copies = np.concatenate(OVERLAPPING)
    labels = np.repeat(np.arange(4), [len(g) for g in OVERLAPPING])
    plain = GroupLasso(0.2, feature_groups=labels).fit(X[:, copies], y)
    tolerance = model.dual_gap_tol_ + plain.dual_gap_tol_
    assert abs(model.objective_ - plain.objective_) <= tolerance
    assert model.dual_gap_ <= model.dual_gap_tol_
    sums = np.bincount(copies, model.latent_coef_)
    assert model.coef_.dtype == dtype
    np.testing.assert_allclose(model.coef_, sums, rtol=1e-6, atol=1e-7)
    # The objective is that of `coef_`, exactly, not of numbers close to it.
    residual = y - X.astype(float) @ model.coef_.astype(float)
    loss = np.var(residual) / 2
    size = sum(
        0.2 * np.sqrt(len(g)) * np.linalg.norm(part)
        for g, part in zip(
            OVERLAPPING, np.split(model.latent_coef_, [4, 8, 11]), strict=True
        )
    )
    np.testing.assert_allclose(model.objective_, loss + size, rtol=1e-12)
    gap = blocks_gap(
        *weighted_system(X[:, copies].astype(float), y, np.full(50, 0.02))[:2],
        model.latent_coef_,
        [np.flatnonzero(labels == g) for g in range(4)],
        0.2 * np.sqrt([len(g) for g in OVERLAPPING]),
    )
    assert gap <= model.dual_gap_tol_


def test_overlapping_groups_in_cross_validation_and_paths():
    X, y = make_data()
    options = {"feature_groups": OVERLAPPING, "overlap": "latent"}
    model = GroupLassoCV(alphas=15, eps=1e-2, **options).fit(X, y)
    assert model.path_coef_.shape == (12, 15)
    k = int(np.flatnonzero(model.alphas_ == model.alpha_)[0])
    np.testing.assert_array_equal(model.path_coef_[:, [k]].toarray()[:, 0], model.coef_)
    alphas, coefs, _ = group_path(
        X, y, alphas=model.alphas_, fit_intercept=True, **options
    )
    np.testing.assert_allclose(coefs, model.path_coef_.toarray(), atol=1e-12)
    train = np.arange(50) >= 10
    other = GroupLasso(alphas[7], **options).fit(X[train], y[train])
    error = np.mean((y[~train] - other.predict(X[~train])) ** 2)
    np.testing.assert_allclose(model.mse_path_[7, 0], error, rtol=1e-2)


def test_sparse_groups_may_overlap():
    X, y = make_data()
    model = SparseGroupLasso(
        0.2, feature_groups=OVERLAPPING, overlap="latent", penalty_weights=np.arange(12)
    ).fit(X, y)
    assert model.dual_gap_ <= model.dual_gap_tol_
    copies = np.concatenate(OVERLAPPING)
    labels = np.repeat(np.arange(4), [len(g) for g in OVERLAPPING])
    plain = SparseGroupLasso(0.2, feature_groups=labels, penalty_weights=copies)
    plain.fit(X[:, copies], y)
    assert abs(model.objective_ - plain.objective_) <= 2 * model.dual_gap_tol_


def test_single_features_are_the_lasso():
    X, y = make_data()
    lasso = Lasso(0.1, tol=1e-10).fit(X, y)
    for model in (
        GroupLasso(0.1, tol=1e-10),
        SparseGroupLasso(0.1, l1_ratio=1.0, feature_groups=LABELS[::-1] + 1, tol=1e-10),
    ):
        model.fit(X, y)
        np.testing.assert_allclose(model.coef_, lasso.coef_, atol=1e-4)
        np.testing.assert_allclose(model.objective_, lasso.objective_, rtol=1e-9)
    group = GroupLasso(0.1, feature_groups=3, tol=1e-10).fit(X, y)
    mixed = SparseGroupLasso(0.1, l1_ratio=0.0, feature_groups=3, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(group.coef_, mixed.coef_, atol=1e-4)


def test_names_make_groups():
    X, y = make_data()
    frame = pd.DataFrame(X, columns=[f"{'ab'[j % 2]}{j}" for j in range(12)])
    model = GroupLasso(0.1, feature_groups=lambda names: [n[0] for n in names])
    model.fit(frame, y)
    first, second = model.feature_groups_
    assert first.tolist() == [0, 2, 4, 6, 8, 10]
    assert second.tolist() == [1, 3, 5, 7, 9, 11]
    by_path = group_path(
        frame, y, feature_groups=model.feature_groups, alphas=[0.1], fit_intercept=True
    )[1]
    np.testing.assert_allclose(by_path[:, 0], model.coef_, atol=1e-12)


def test_repeated_rows_are_weights():
    X, y = make_data()
    counts = np.arange(50) % 4
    weighted = GroupLasso(0.1, feature_groups=3).fit(X, y, sample_weight=counts)
    repeated = GroupLasso(0.1, feature_groups=3)
    repeated.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-10)


@pytest.mark.parametrize("overlap", [False, True])
def test_warm_start_needs_no_second_way(overlap):
    X, y = make_data()
    groups = OVERLAPPING if overlap else 3
    model = GroupLasso(
        0.1, feature_groups=groups, overlap="latent", warm_start=True, tol=1e-9
    ).fit(X, y)
    before = model.coef_.copy()
    model.fit(X, y)
    assert model.n_iter_ == 1
    np.testing.assert_allclose(model.coef_, before, atol=1e-6)
    model.set_params(feature_groups=4, warm_start=True).fit(X, y)
    assert not hasattr(model, "latent_coef_")


@pytest.mark.parametrize(
    "penalty",
    [
        penalties.GroupL2(1.0, np.repeat(np.arange(4), 3)),
        penalties.GroupL2(1.0, np.repeat(np.arange(4), 3), [0.0, 1.0, 1.0, 2.0]),
        penalties.SparseGroup(1.0, 0.4, np.repeat(np.arange(4), 3)),
        penalties.GroupL2(
            1.0,
            np.repeat(np.arange(4), [4, 4, 3, 4]),
            features=np.concatenate(OVERLAPPING),
        ),
    ],
    ids=["groups", "one free", "sparse", "overlap"],
)
def test_degrees_of_freedom_are_the_divergence_of_the_fit(penalty):
    X, y = make_data(n=30)

    def follow(y):
        run = Run(
            X, y, datafits.Quadratic(), penalty, None, True, False, 1e-13, 100,
            "auto", "auto", 5,
        )  # fmt: skip
        found = run.follow(np.array([0.3, 0.1, 0.05]))
        return run, found, X @ run.on_features(found.coefs).toarray() + found.intercepts

    run, found, _ = follow(y)
    divergence, step = np.zeros(3), 1e-4
    for i in range(len(y)):
        shift = step * (np.arange(len(y)) == i)
        change = follow(y + shift)[2][i] - follow(y - shift)[2][i]
        divergence += change / (2 * step)
    dof = degrees_of_freedom(run, found) + 1.0
    np.testing.assert_allclose(dof, divergence, rtol=1e-3)


@pytest.mark.parametrize("criterion", ["aic", "bic", "ebic"])
def test_criterion_takes_groups_in(criterion):
    X, y = make_data(n=120)
    model = GroupLassoCV(feature_groups=LABELS, criterion=criterion, alphas=40)
    model.fit(X, y)
    assert model.coef_[[1, 2]].all()
    assert model.criterion_.argmin() == np.flatnonzero(model.alphas_ == model.alpha_)


def test_l1_ratio_is_chosen():
    X, y = make_data()
    model = SparseGroupLassoCV(l1_ratio=[0.0, 0.5, 1.0], feature_groups=3, alphas=10)
    model.fit(X, y)
    assert model.l1_ratio_ in (0.0, 0.5, 1.0)
    assert model.mse_path_.shape == (3, 10, 5)
    assert model.mse_path_.mean(axis=2).min() == pytest.approx(
        model.mse_path_[list((0.0, 0.5, 1.0)).index(model.l1_ratio_)].mean(axis=1).min()
    )


@pytest.mark.parametrize(
    "options, message",
    [
        ({"group_weights": [1.0]}, r"group_weights must be numbers of shape \(4,\)"),
        ({"group_weights": [1.0, -1.0, 1, 1]}, "group_weights must be >= 0"),
        ({"feature_groups": [0, 1]}, r"feature_groups must be of shape \(12,\)"),
        ({"feature_groups": OVERLAPPING}, "feature_groups must not overlap"),
    ],
)
def test_wrong_groups_are_named(options, message):
    X, y = make_data()
    options = {"feature_groups": 3, **options}
    with pytest.raises(ValueError, match=message):
        GroupLasso(**options).fit(X, y)
    with pytest.raises(ValueError, match=message):
        group_path(X, y, **options)


def test_path_has_one_target():
    X, y = make_data()
    with pytest.raises(ValueError, match=r"\(n_samples,\); got shape \(50, 2\)"):
        group_path(X, np.column_stack([y, y]))
    one = group_path(X, y[:, None], alphas=[0.1])[1]
    np.testing.assert_array_equal(one, group_path(X, y, alphas=[0.1])[1])


def test_verbose_counts_groups(capsys):
    GroupLasso(0.1, feature_groups=3, verbose=1).fit(*make_data())
    assert "of 4 groups" in capsys.readouterr().out


@pytest.mark.parametrize("storage", ["F", "csc", "F32"])
@pytest.mark.parametrize("ratio", [None, 0.4])
@pytest.mark.parametrize("shape", [(50, 12), (30, 60)])
def test_non_negative_groups_reach_the_objective_of_cvxpy(storage, ratio, shape):
    cp = pytest.importorskip("cvxpy")
    X, y = make_data(1, *shape)
    if storage == "csc":
        X[np.abs(X) < 0.4] = 0.0
    weight = np.arange(len(y)) % 3 + 0.0
    share, p = weight / weight.sum(), X.shape[1]
    make = {"F": np.asfortranarray, "csc": sparse.csc_array, "F32": np.float32}
    options = {"feature_groups": 3, "positive": True, "tol": 1e-8}
    rho = ratio or 0.0
    for alpha in (0.3, 0.02):
        if ratio is None:
            model = GroupLasso(alpha, **options)
        else:
            model = SparseGroupLasso(alpha, l1_ratio=ratio, **options)
        model.fit(make[storage](X), y, weight)
        w, b = cp.Variable(p, nonneg=True), cp.Variable()
        size = sum(cp.norm(w[g : g + 3]) for g in range(0, p, 3))
        price = (1.0 - rho) * np.sqrt(3.0) * size + rho * cp.sum(w)
        loss = share @ cp.square(y - X @ w - b) / 2
        least = cp.Problem(cp.Minimize(loss + alpha * price)).solve(solver="CLARABEL")
        assert (model.coef_ >= 0.0).all()
        assert model.dual_gap_ <= model.dual_gap_tol_
        rtol = 1e-4 if storage == "F32" else 1e-6
        np.testing.assert_allclose(model.objective_, least, rtol=rtol)
    assert np.count_nonzero(model.coef_) < p  # signs matter, not only the price


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_non_negative_paths_begin_where_nothing_is_nonzero(l1_ratio):
    X, y = make_data()
    options = {"feature_groups": 3, "l1_ratio": l1_ratio, "positive": True}
    alphas, coefs, gaps = group_path(X, y - y.mean(), alphas=20, **options)
    assert gaps.max() <= 1e-6 * np.var(y) / 2
    assert not coefs[:, 0].any() and coefs[:, 1].any()
    assert (coefs >= 0.0).all()
    free = dict(options, positive=False)
    assert alphas[0] <= group_path(X, y - y.mean(), alphas=2, **free)[0][0]
    # Where all correlations are negative nothing ever enters.
    none = GroupLasso(1e-3, feature_groups=3, positive=True, fit_intercept=False)
    assert not none.fit(np.abs(X), -np.abs(X).sum(axis=1)).coef_.any()


def test_non_negative_groups_of_one_are_the_non_negative_lasso():
    X, y = make_data()
    lasso = Lasso(0.1, positive=True, tol=1e-10).fit(X, y)
    groups = GroupLasso(0.1, positive=True, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(groups.coef_, lasso.coef_, atol=1e-5)
    with pytest.warns(UserWarning, match="alpha=0"):
        least = GroupLasso(0.0, feature_groups=3, positive=True).fit(X, y)
    with pytest.warns(UserWarning, match="alpha=0"):
        expected = Lasso(0.0, positive=True).fit(X, y)
    np.testing.assert_allclose(least.coef_, expected.coef_, atol=1e-8)


def test_non_negative_groups_that_overlap_and_in_cross_validation():
    X, y = make_data()
    options = {"feature_groups": OVERLAPPING, "overlap": "latent", "positive": True}
    model = GroupLasso(0.05, **options).fit(X, y)
    assert (model.latent_coef_ >= 0.0).all() and model.coef_.any()
    chosen = GroupLassoCV(alphas=10, feature_groups=3, positive=True).fit(X, y)
    assert (chosen.coef_ >= 0.0).all() and chosen.coef_.any()
    several = SparseGroupLassoCV(
        alphas=5, l1_ratio=[0.2, 0.8], feature_groups=3, positive=True
    ).fit(X, y)
    assert (several.coef_ >= 0.0).all() and several.coef_.any()


@pytest.mark.parametrize(
    "free", [{"feature_groups": LABELS}, {"group_weights": [0.0, 1.0, 1.0, 1.0]}]
)
def test_non_negative_features_need_a_price(free):
    X, y = make_data()
    options = {"feature_groups": 3, **free}
    with pytest.raises(ValueError, match="positive must be False where features have"):
        GroupLasso(positive=True, **options).fit(X, y)
