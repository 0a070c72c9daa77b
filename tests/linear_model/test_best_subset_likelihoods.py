"""Best subsets for likelihoods against other packages, and invariances."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, KFold

from sparsestat.feature_selection import BestSubsetSelector
from sparsestat.linear_model import (
    BestSubsetClassifier,
    BestSubsetCox,
    BestSubsetGLM,
    BestSubsetOrdinal,
    BestSubsetRegressor,
    SparseCoxRegressor,
)


def drawn(kind, seed=0, n=120, p=8):
    """Features, a target that three of them explain, and an estimator."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) + 0.7 * rng.standard_normal((n, 1))
    X[:, 1] = 2 * X[:, 0] + rng.standard_normal(n)
    z = X[:, 0] - 0.8 * X[:, 3] + 0.5 * X[:, 5]
    if kind == "binary":
        return (
            X,
            np.where(rng.logistic(size=n) < z, "yes", "no"),
            BestSubsetClassifier(),
        )
    if kind == "classes":
        scores = np.column_stack([z, -z, X[:, 3]]) + rng.gumbel(size=(n, 3))
        return X, scores.argmax(axis=1), BestSubsetClassifier()
    if kind == "ordinal":
        return (
            X,
            np.digitize(z + rng.logistic(size=n), [-1.5, 0.0, 1.0]),
            BestSubsetOrdinal(),
        )
    if kind == "cox":
        time = np.ceil(3 * rng.exponential(np.exp(-z)))
        y = np.column_stack([time, rng.random(n) < 0.8])
        return X, y, BestSubsetCox(ties="efron")
    mean = np.exp(0.4 * z)
    y = {
        "poisson": rng.poisson(mean),
        "gamma": mean * rng.gamma(4.0, 0.25, size=n),
        "gaussian": z + rng.standard_normal(n),
    }[kind]
    return X, y, BestSubsetGLM(family=kind)


KINDS = ["binary", "classes", "poisson", "gamma", "gaussian", "cox", "ordinal"]
each_kind = pytest.mark.parametrize("kind", KINDS)


def assert_same_model(first, second, rtol=1e-6):
    assert first.support_.tolist() == second.support_.tolist()
    np.testing.assert_allclose(first.coef_, second.coef_, rtol=rtol, atol=1e-9)
    np.testing.assert_allclose(
        first.intercept_, second.intercept_, rtol=rtol, atol=1e-9
    )
    np.testing.assert_allclose(first.criterion_, second.criterion_, rtol=1e-8)


def test_two_classes_as_logistic_regression_on_the_support():
    X, y = load_breast_cancer(return_X_y=True)
    model = BestSubsetClassifier(3, solver="swap").fit(X, y)
    Z = X[:, model.support_]
    scale = Z.std(axis=0)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    peer.fit((Z - Z.mean(axis=0)) / scale, y)
    np.testing.assert_allclose(
        model.coef_[0, model.support_] * scale, peer.coef_[0], rtol=1e-4
    )
    assert model.loss_[0] == pytest.approx(log_loss(y, model.predict_proba(X)))
    assert model.stationarity_ <= model.tol
    assert model.swap_gap_ == 0.0
    assert not model.separated_


def test_classes_as_multinomial_regression_on_the_support():
    X, y, model = drawn("classes")
    model.set_params(n_nonzero_coefs=2).fit(X, y)
    Z = X[:, model.support_]
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(Z, y)
    np.testing.assert_allclose(
        model.predict_proba(X), peer.predict_proba(Z), rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0.0, atol=1e-12)
    assert model.optimal_
    assert model.loss_[0] <= log_loss(y, peer.predict_proba(Z)) + 1e-9


def test_counts_as_poisson_regression_on_the_support():
    X, y, model = drawn("poisson")
    model.fit(X, y)
    peer = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000)
    peer.fit(X[:, model.support_], y)
    np.testing.assert_allclose(model.coef_[model.support_], peer.coef_, rtol=1e-5)
    assert model.intercept_ == pytest.approx(peer.intercept_, rel=1e-4)
    assert model.score(X, y) == pytest.approx(peer.score(X[:, model.support_], y))


def test_amounts_as_statsmodels_on_the_support():
    sm = pytest.importorskip("statsmodels.api")
    X, y, model = drawn("gamma")
    model.fit(X, y)
    family = sm.families.Gamma(sm.families.links.Log())
    peer = sm.GLM(y, sm.add_constant(X[:, model.support_]), family).fit(tol=1e-12)
    expected = np.append(model.intercept_, model.coef_[model.support_])
    np.testing.assert_allclose(peer.params, expected, rtol=1e-6)
    chosen = list(model.sizes_).index(model.n_nonzero_coefs_)
    assert 2 * len(y) * model.loss_[chosen] == pytest.approx(peer.deviance)
    # Between two sizes the criterion changes as the best gamma likelihood does.
    from scipy.stats import gamma

    def deviance(fitted):
        shape = gamma.fit(y / fitted.predict(X), floc=0)[0]
        values = gamma.logpdf(y, shape, scale=fitted.predict(X) / shape)
        return -2 * values.sum()

    small, large = model.refit(1), model.refit(2)
    plain = BestSubsetGLM([1, 2], family="gamma", criterion="aic").fit(X, y)
    change = np.diff(plain.criterion_)[0] - 2.0
    assert change == pytest.approx(deviance(large) - deviance(small), rel=1e-3)


@pytest.mark.parametrize("ties", ["breslow", "efron"])
def test_hazards_as_the_penalised_model_on_the_support(ties):
    X, y, model = drawn("cox")
    model.set_params(ties=ties).fit(X, y)
    A = model.support_
    peer = SparseCoxRegressor(alpha=1e-9, ties=ties, tol=1e-11).fit(X[:, A], y)
    np.testing.assert_allclose(model.coef_[A], peer.coef_, rtol=1e-4)
    np.testing.assert_allclose(model.baseline_hazard_, peer.baseline_hazard_, rtol=1e-4)
    np.testing.assert_allclose(
        model.predict_survival_function(X[:4], times=[1.0, 5.0]),
        peer.predict_survival_function(X[:4, A], times=[1.0, 5.0]),
        rtol=1e-4,
    )
    assert model.score(X, y) == pytest.approx(peer.score(X[:, A], y))


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_gaussian_model_is_the_regressor(alpha):
    X, y, model = drawn("gaussian")
    model.set_params(alpha=alpha, early_stopping=False).fit(X, y)
    peer = BestSubsetRegressor(alpha=alpha, early_stopping=False).fit(X, y)
    assert_same_model(model, peer)
    np.testing.assert_allclose(2 * len(y) * model.loss_, peer.rss_, rtol=1e-9)


@each_kind
def test_weights_are_repetitions_and_zeros_are_absences(kind):
    X, y, model = drawn(kind)
    if kind == "cox":  # Efron's ties are no repetitions
        model.set_params(ties="breslow")
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    weighted = pickle.loads(pickle.dumps(model)).fit(X, y, sample_weight=weight)
    repeats = weight.astype(int)
    repeated = model.fit(np.repeat(X, repeats, axis=0), np.repeat(y, repeats, axis=0))
    assert_same_model(weighted, repeated)
    np.testing.assert_allclose(weighted.loss_, repeated.loss_, rtol=1e-9)


@each_kind
def test_storage_scale_and_order_do_not_matter(kind):
    X, y, model = drawn(kind)
    model.set_params(n_nonzero_coefs=[1, 2, 3])
    first = pickle.loads(pickle.dumps(model)).fit(X, y)
    assert_same_model(first, model.fit(sparse.csr_array(X), y))
    assert_same_model(first, model.fit(np.asfortranarray(X), y))
    scale = np.logspace(-3, 3, X.shape[1])
    scaled = model.fit(X * scale + 100.0, y)
    assert scaled.support_.tolist() == first.support_.tolist()
    np.testing.assert_allclose(scaled.coef_ * scale, first.coef_, rtol=1e-4, atol=1e-9)
    rows = np.random.default_rng(0).permutation(len(y))
    assert_same_model(first, model.fit(X[rows], y[rows]))
    single = model.fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    assert single.support_.tolist() == first.support_.tolist()


@each_kind
def test_groups(kind):
    X, y, model = drawn(kind)
    alone = pickle.loads(pickle.dumps(model)).fit(X, y)
    model.set_params(feature_groups=list(range(X.shape[1])))
    assert_same_model(alone, model.fit(X, y))
    labels = np.array([0, 1, 2, 0, 3, 0, 2, 3])
    model.set_params(feature_groups=labels, n_nonzero_coefs=1).fit(X, y)
    assert model.support_.tolist() == [0, 3, 5]
    assert model.optimal_
    columns = np.random.default_rng(0).permutation(X.shape[1])
    model.set_params(feature_groups=labels[columns]).fit(X[:, columns], y)
    assert sorted(columns[model.support_].tolist()) == [0, 3, 5]


@each_kind
def test_chosen_features_and_starts(kind):
    X, y, model = drawn(kind)
    model.set_params(always_select=[7], n_nonzero_coefs=[1, 3], init_support=[2, 4])
    model.fit(X, y)
    assert model.refit(1).support_.tolist() == [7]
    assert 7 in model.refit(3).support_
    frame = model.to_frame()
    assert frame.index.tolist() == [1, 3]
    assert frame.loc[1, "support"] == [7]
    with pytest.raises(ValueError, match="n_nonzero_coefs must be one of sizes_"):
        model.refit(2)


@each_kind
def test_constant_and_repeated_features(kind):
    X, y, model = drawn(kind)
    model.set_params(n_nonzero_coefs=2)
    plain = pickle.loads(pickle.dumps(model)).fit(X, y)
    wide = np.column_stack([X, np.full(len(X), 5.0), X[:, plain.support_]])
    assert model.fit(wide, y).support_.tolist() == plain.support_.tolist()
    everything = model.set_params(n_nonzero_coefs=wide.shape[1], solver="swap")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        everything.fit(wide, y)
    assert np.isfinite(everything.coef_).all()


@each_kind
def test_offsets(kind):
    X, y, model = drawn(kind)
    model.set_params(n_nonzero_coefs=2, always_select=[3, 5])
    plain = pickle.loads(pickle.dumps(model)).fit(X, y)
    known = 0.3 * X[:, 3]
    if kind == "classes":
        known = np.column_stack([known, 0 * known, -known])
    shifted = model.fit(X, y, offset=known)
    if kind == "classes":
        np.testing.assert_allclose(
            plain.coef_[:, 3] - shifted.coef_[:, 3], [0.3, 0.0, -0.3], atol=1e-6
        )
    else:
        assert np.ravel(plain.coef_)[3] - np.ravel(shifted.coef_)[3] == pytest.approx(
            0.3, abs=1e-6
        )
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    before = getattr(plain, method)(X)
    after = getattr(shifted, method)(X, offset=known)
    if kind == "cox":  # predictions are relative to the mean sample
        before, after = before - before.mean(), after - after.mean()
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["binary", "classes", "poisson", "cox", "ordinal"])
def test_held_out_deviances(kind):
    X, y, model = drawn(kind)
    folds = list(KFold(4, shuffle=True, random_state=0).split(X))
    model.set_params(n_nonzero_coefs=[0, 1, 2, 3], cv=folds).fit(X, y)
    assert model.deviance_path_.shape == (4, 4)
    chosen = model.sizes_[model.deviance_path_.mean(axis=1).argmin()]
    assert model.n_nonzero_coefs_ == chosen
    one = pickle.loads(pickle.dumps(model)).set_params(cv=None, solver="swap")
    train, test = folds[1]
    one.fit(X[train], y[train])
    for k in range(4):
        small = one.refit(k)
        if kind in ("binary", "classes", "ordinal"):
            proba = small.predict_proba(X[test])
            expected = 2 * log_loss(y[test], proba, labels=small.classes_)
        elif kind == "poisson":
            from sklearn.metrics import mean_poisson_deviance

            expected = mean_poisson_deviance(y[test], small.predict(X[test]))
        else:
            continue
        assert model.deviance_path_[k, 1] == pytest.approx(expected, rel=1e-6)
    parallel = pickle.loads(pickle.dumps(model)).set_params(n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(parallel.deviance_path_, model.deviance_path_)


def test_groups_of_samples_reach_the_splitter():
    X, y, model = drawn("binary")
    samples = np.arange(len(y)) // 10
    model.set_params(cv=GroupKFold(3), n_nonzero_coefs=[1, 2]).fit(X, y, groups=samples)
    folds = list(GroupKFold(3).split(X, y, samples))
    expected = BestSubsetClassifier([1, 2], cv=folds).fit(X, y).deviance_path_
    np.testing.assert_array_equal(model.deviance_path_, expected)


def test_separated_classes_are_reported_and_finite():
    X, y = load_iris(return_X_y=True)
    with pytest.warns(UserWarning, match="no maximum"):
        model = BestSubsetClassifier(1).fit(X[:100], y[:100])
    assert model.separated_
    assert model.score(X[:100], y[:100]) == 1.0
    assert np.isfinite(model.coef_).all()
    assert np.abs(model.coef_).max() < 1e3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ridged = BestSubsetClassifier(1, alpha=1e-3).fit(X[:100], y[:100])
    assert not ridged.separated_
    huge = np.sign(np.arange(40) - 19.5)[:, None] * 1e8
    with pytest.warns(UserWarning, match="no maximum"):
        far = BestSubsetClassifier(1).fit(huge, huge[:, 0] > 0)
    assert np.isfinite(far.predict_proba(huge)).all()


@pytest.mark.parametrize("sizes, last", [(5, 3), ([2, 5], 2), ([2, 3], 3)])
def test_sizes_end_where_features_depend_on_each_other(sizes, last):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 3)) @ rng.standard_normal((3, 8))
    y = rng.poisson(np.exp(0.3 * X[:, 0] - 0.2 * X[:, 4]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = BestSubsetGLM(sizes, family="poisson").fit(X, y)
    assert model.sizes_[-1] == last
    messages = [str(w.message) for w in caught]
    assert len(messages) == (np.max(sizes) == 5)
    assert all("asks for 5, but more than" in text for text in messages)
    assert all(w.filename == __file__ for w in caught)


def test_sizes_end_where_classes_are_separated():
    X = np.random.default_rng(1).standard_normal((40, 6))
    with pytest.warns(UserWarning, match="asks for 6, but more than 3 explain"):
        model = BestSubsetClassifier(6).fit(X, X[:, 2] > 0)
    assert model.sizes_.tolist() == [3]


def test_separated_hazards_and_counts():
    rng = np.random.default_rng(0)
    time = np.arange(1.0, 31.0)
    X = np.column_stack([-time, rng.standard_normal(30)])
    with pytest.warns(UserWarning, match="no maximum"):
        model = BestSubsetCox(1).fit(X, time)
    assert model.support_.tolist() == [0]
    assert np.isfinite(model.baseline_hazard_).all()
    y = np.where(time > 15, rng.poisson(3.0, 30), 0)
    with pytest.warns(UserWarning, match="no maximum"):
        counts = BestSubsetGLM(1).fit((time > 15).astype(float)[:, None], y)
    assert np.isfinite(counts.predict(X[:, :1] > -16)).all()


@each_kind
def test_progress_and_verbosity(kind, capsys):
    seen = []

    class Watch:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **kwargs):
            pass

        def on_fit_task_end(self, estimator, context, **kwargs):
            seen.append(context.task_name)
            return None

    X, y, model = drawn(kind)
    model.set_params(n_nonzero_coefs=[1, 2], verbose=1, cv=3)
    model.set_callbacks(Watch()).fit(X, y)
    assert seen.count("size") == 3
    assert seen.count("fold") == 3
    assert type(model).__name__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "family, wrong, message",
    [
        ("poisson", -1.0, "y must be >= 0 with family='poisson'"),
        ("gamma", 0.0, "y must be > 0 with family='gamma'"),
    ],
)
def test_wrong_targets(family, wrong, message):
    X, y, model = drawn(family)
    y = y.astype(float)
    y[3] = wrong
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    with pytest.raises(ValueError, match="all zero"):
        BestSubsetGLM().fit(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="two classes"):
        BestSubsetClassifier().fit(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="n_nonzero_coefs must be in"):
        model.set_params(n_nonzero_coefs=9).fit(X, np.abs(y) + 1.0)


def test_small_data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 1))
    y = np.array([0, 1] * 6)
    assert BestSubsetClassifier(0).fit(X, y).support_.tolist() == []
    assert BestSubsetClassifier().fit(X, y).n_nonzero_coefs_ in (0, 1)
    assert BestSubsetGLM(0).fit(X, y).predict(X) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "kind, loss",
    [
        ("binary", "logistic"),
        ("classes", "logistic"),
        ("poisson", "poisson"),
        ("gamma", "gamma"),
        ("cox", "cox"),
    ],
)
def test_selector_keeps_the_subset_of_the_model(kind, loss):
    X, y, model = drawn(kind)
    if kind == "cox":
        model.set_params(ties="breslow")
    model.set_params(n_nonzero_coefs=[1, 2]).fit(X, y)
    selector = BestSubsetSelector([1, 2], loss=loss).fit(X, y)
    assert selector.get_support(indices=True).tolist() == model.support_.tolist()
    np.testing.assert_array_equal(selector.loss_, model.loss_)
    assert selector.transform(X).shape == (len(y), len(model.support_))
    assert not hasattr(selector, "rss_")
    stopped = BestSubsetSelector([3], loss=loss, solver="exact", max_nodes=1)
    assert not stopped.fit(X, y).optimal_


def test_hazards_without_an_event():
    X, y, model = drawn("cox")
    model.fit(X, np.column_stack([y[:, 0], np.zeros(len(y))]))
    assert model.sizes_.tolist() == [0]
    assert model.criterion_.tolist() == [0.0]
    assert not model.predict(X).any()


def test_fits_that_fail_prove_nothing():
    X, y, model = drawn("binary")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits, and overflow on the way
        model.set_params(n_nonzero_coefs=2).fit(X, y, offset=np.full(len(y), 1e4))
    assert model.stationarity_ > 0.1
    assert not model.optimal_
    assert model.lower_bound_ == 0.0
    assert model.optimality_gap_ == 1.0


def test_sizes_leave_a_sample_for_each_parameter():
    """Many classes: a feature has a coefficient for each of them but one."""
    X, y = np.random.default_rng(0).standard_normal((60, 9)), np.arange(60) % 21
    model = BestSubsetClassifier(solver="splicing", alpha=0.1).fit(X, y)
    assert model.sizes_.max() <= 60 // 20
