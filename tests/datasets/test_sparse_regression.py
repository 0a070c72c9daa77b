"""The generator draws what it says: covariance, support, values, noise."""

import pickle

import numpy as np
import pytest
from scipy import sparse, stats

from sparsestat.datasets import make_sparse_regression
from sparsestat.datasets._sparse_regression import _standardize
from sparsestat.metrics import prediction_error

DESIGNS = {
    "ar1": {"design": "ar1", "correlation": -0.7},
    "block": {"design": "block", "correlation": 0.6, "group_size": 5},
    "equicorrelated": {"design": "block", "correlation": 0.3, "group_size": 99},
    "factor": {"design": "factor", "correlation": 0.8, "n_factors": 2},
    "independent": {"design": "independent"},
    "power law": {"design": "toeplitz", "correlation": 0.6},
    "moving average": {"design": "toeplitz", "correlation": [0.6, 0.2]},
    "long array": {"design": "toeplitz", "correlation": 0.9 ** np.arange(1, 30)},
    "sparse": {"design": "independent", "density": 0.3},
}
DENSE = [name for name in DESIGNS if name != "sparse"]


def dense(X):
    return X.toarray() if sparse.issparse(X) else X


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_features_have_the_covariance_that_is_returned(name, dtype):
    n_samples, n_features = 20_001, 12
    dataset = make_sparse_regression(
        n_samples, n_features, **DESIGNS[name], dtype=dtype, random_state=0
    )
    X = dense(dataset.data).astype(np.float64)
    expected = dataset.covariance()
    assert expected.shape == (n_features, n_features)
    # The standard error of an entry is at most sqrt(3 / n) for a sparse column.
    atol = 5 * np.sqrt(3 / n_samples)
    np.testing.assert_allclose(X.T @ X / n_samples, expected, atol=atol)
    np.testing.assert_allclose(X.mean(axis=0), 0.0, atol=atol)
    # Rows are independent of each other.
    shuffled = X[1:].T @ X[:-1] / n_samples
    np.testing.assert_allclose(shuffled, 0.0, atol=atol)
    paired = X[n_samples // 2 + 1 :].T @ X[: n_samples // 2] / (n_samples // 2)
    np.testing.assert_allclose(paired, 0.0, atol=np.sqrt(2) * atol)


@pytest.mark.parametrize("name", DESIGNS)
def test_part_of_the_covariance(name):
    dataset = make_sparse_regression(5, 12, **DESIGNS[name], random_state=0)
    whole = dataset.covariance()
    assert np.linalg.eigvalsh(whole).min() > -1e-12
    indices = np.array([7, 0, 11, 3])
    np.testing.assert_array_equal(
        dataset.covariance(indices), whole[np.ix_(indices, indices)]
    )
    mask = np.isin(np.arange(12), indices)
    np.testing.assert_array_equal(dataset.covariance(mask), whole[np.ix_(mask, mask)])


def test_covariances_written_out():
    def covariance(**settings):
        return make_sparse_regression(3, 4, n_nonzero_coefs=1, **settings).covariance()

    np.testing.assert_allclose(
        covariance(design="ar1", correlation=-0.5)[0], [1, -0.5, 0.25, -0.125]
    )
    np.testing.assert_allclose(
        covariance(design="toeplitz", correlation=0.5)[0], [1, 1 / 2, 1 / 3, 1 / 4]
    )
    np.testing.assert_allclose(
        covariance(design="toeplitz", correlation=[0.4, -0.1])[1], [0.4, 1, 0.4, -0.1]
    )
    np.testing.assert_allclose(
        covariance(design="block", correlation=0.2, group_size=3)[2], [0.2, 0.2, 1, 0]
    )
    np.testing.assert_allclose(covariance(design="independent"), np.eye(4))


@pytest.mark.parametrize("correlation", [0.0, 1.0])
@pytest.mark.parametrize("design", ["ar1", "block", "factor", "toeplitz"])
def test_extreme_correlations(design, correlation):
    X = make_sparse_regression(
        50,
        4,
        n_nonzero_coefs=1,
        design=design,
        correlation=correlation,
        n_factors=1,
        random_state=0,
    ).data
    np.testing.assert_allclose(
        np.abs(np.corrcoef(X.T)), 1.0 if correlation else np.eye(4), atol=0.5
    )
    if correlation:
        np.testing.assert_allclose(np.abs(X.T), np.abs([X[:, 0]] * 4), atol=1e-6)


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("settings", [{}, {"standardize": True, "bias": -2.5}])
def test_target_is_signal_plus_noise(name, settings):
    dataset = make_sparse_regression(**DESIGNS[name], **settings, random_state=1)
    signal = dataset.data @ dataset.coef
    np.testing.assert_allclose(
        dataset.target, signal + dataset.intercept + dataset.noise, atol=1e-12
    )
    assert dataset.intercept == settings.get("bias", 0.0)
    assert signal.var() / dataset.noise.var() == pytest.approx(3.0, rel=1e-12)
    assert dataset.noise_std == pytest.approx(dataset.noise.std())


@pytest.mark.parametrize("noise", ["gaussian", "student", "laplace"])
def test_noise_has_its_distribution_and_the_asked_ratio(noise):
    dataset = make_sparse_regression(
        20_000, 3, n_nonzero_coefs=2, noise=noise, df=5, snr=0.25, random_state=2
    )
    signal = dataset.data @ dataset.coef
    assert signal.var() / dataset.noise.var() == pytest.approx(0.25, rel=1e-12)
    law = {
        "gaussian": stats.norm(),
        "student": stats.t(5, scale=np.sqrt(3 / 5)),
        "laplace": stats.laplace(scale=np.sqrt(0.5)),
    }[noise]
    distance = stats.kstest(dataset.noise / dataset.noise_std, law.cdf).statistic
    assert distance < 1.63 / np.sqrt(20_000)  # the 1 % point


def test_a_whole_row_needs_no_autocorrelations_beyond_it():
    correlation = 0.9 ** np.arange(1, 12)
    settings = {"design": "toeplitz", "correlation": correlation, "random_state": 0}
    X = make_sparse_regression(20_000, 12, **settings).data
    np.testing.assert_allclose(X[:, 0] @ X[:, 1:] / 20_000, correlation, atol=0.05)
    # Of more features the further autocorrelations are zero, which cannot be.
    with pytest.raises(ValueError, match="spectral density"):
        make_sparse_regression(2, 14, **settings)


def test_one_feature_of_any_design():
    for settings in DESIGNS.values():
        dataset = make_sparse_regression(
            40, 1, **settings, n_nonzero_coefs=1, random_state=0
        )
        assert dataset.data.shape == (40, 1)
        assert dense(dataset.data).std() > 0
        assert dataset.covariance().shape == (1, 1)


def test_no_noise_and_no_signal():
    quiet = make_sparse_regression(snr=np.inf, random_state=0)
    assert not quiet.noise.any() and quiet.noise_std == 0.0
    empty = make_sparse_regression(n_nonzero_coefs=0, bias=3.0, random_state=0)
    assert not empty.coef.any() and empty.support.size == 0
    assert empty.noise_std == 1.0 and empty.noise.std() == pytest.approx(1.0)
    np.testing.assert_allclose(empty.target, 3.0 + empty.noise)


def test_outliers_are_gross_counted_and_left_out_of_the_ratio():
    settings = {"n_samples": 200, "random_state": 3}
    clean = make_sparse_regression(**settings)
    dirty = make_sparse_regression(**settings, outliers=0.1)
    assert not clean.outliers.any() and dirty.outliers.sum() == 20
    np.testing.assert_array_equal(dirty.data, clean.data)
    error = dirty.noise - clean.noise
    np.testing.assert_array_equal(error[~dirty.outliers], 0.0)
    sizes = error[dirty.outliers] / (clean.data @ clean.coef).std()
    np.testing.assert_allclose(np.abs(sizes), 10.0)
    assert {-1.0, 1.0} == set(np.sign(sizes))
    assert dirty.noise_std == clean.noise_std


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_standardized_columns(name, dtype):
    X = make_sparse_regression(
        60, 300, **DESIGNS[name], standardize=True, dtype=dtype, random_state=0
    ).data
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(X.mean(axis=0, dtype=np.float64), 0.0, atol=4 * eps)
    np.testing.assert_allclose(X.std(axis=0, dtype=np.float64), 1.0, rtol=8 * eps)


def test_constant_columns_are_centred_only():
    X = _standardize(np.array([[3.0, 1.0], [3.0, 5.0]]))
    np.testing.assert_array_equal(X, [[0.0, -1.0], [0.0, 1.0]])


def test_standardized_sparse_columns_keep_their_zeros():
    settings = {**DESIGNS["sparse"], "n_samples": 60, "random_state": 0}
    raw = make_sparse_regression(**settings)
    scaled = make_sparse_regression(**settings, standardize=True)
    np.testing.assert_array_equal(raw.data.indices, scaled.data.indices)
    np.testing.assert_allclose(scaled.data.toarray().std(axis=0), 1.0)
    np.testing.assert_array_equal(scaled.covariance([3, 5]), np.eye(2))
    np.testing.assert_array_equal(raw.covariance([3, 5]), 0.3 * np.eye(2))


def test_empty_sparse_columns_stay_finite():
    X = make_sparse_regression(
        10,
        500,
        design="independent",
        density=0.01,
        standardize=True,
        random_state=0,
    ).data
    assert (np.diff(X.indptr) == 0).any()
    assert np.isfinite(X.data).all()


def test_standardized_target_brings_the_truth_along():
    settings = {"bias": 4.0, "outliers": 0.05, "random_state": 0}
    raw = make_sparse_regression(**settings)
    scaled = make_sparse_regression(**settings, standardize_target=True)
    assert scaled.target.mean() == pytest.approx(0.0, abs=1e-14)
    assert scaled.target.std() == pytest.approx(1.0)
    np.testing.assert_allclose(
        scaled.target,
        scaled.data @ scaled.coef + scaled.intercept + scaled.noise,
        atol=1e-13,
    )
    np.testing.assert_allclose(scaled.coef * raw.target.std(), raw.coef)
    assert scaled.noise_std * raw.target.std() == pytest.approx(raw.noise_std)


def test_named_supports():
    def support(kind, **settings):
        return make_sparse_regression(
            20, 30, n_nonzero_coefs=6, support=kind, random_state=5, **settings
        ).support.tolist()

    assert support("first") == [0, 1, 2, 3, 4, 5]
    assert support("spaced") == [2, 7, 12, 17, 22, 27]
    clustered = support("clustered")
    assert clustered == list(range(clustered[0], clustered[0] + 6))
    random = support("random")
    assert random == sorted(set(random)) and len(random) == 6
    assert len({j // 3 for j in support("groups", group_size=3)}) == 2


@pytest.mark.parametrize("seed", range(5))
def test_the_last_group_may_be_partial(seed):
    active = make_sparse_regression(
        20, 32, n_nonzero_coefs=6, support="groups", group_size=4, random_state=seed
    ).support
    whole, partial = sorted(
        (active[active // 4 == g].tolist() for g in np.unique(active // 4)), key=len
    )[::-1]
    assert len(whole) == 4
    assert partial == [4 * (partial[0] // 4), 4 * (partial[0] // 4) + 1]


@pytest.mark.parametrize("kind", ["random", "spaced", "first", "clustered", "groups"])
def test_every_feature_may_be_active(kind):
    dataset = make_sparse_regression(
        9, 13, n_nonzero_coefs=13, support=kind, random_state=0
    )
    np.testing.assert_array_equal(dataset.support, np.arange(13))


@pytest.mark.parametrize("kind", ["random", "clustered", "groups"])
def test_random_supports_reach_every_feature(kind):
    reached = {
        j
        for seed in range(60)
        for j in make_sparse_regression(
            2, 7, n_nonzero_coefs=2, group_size=2, support=kind, random_state=seed
        ).support
    }
    assert reached == set(range(7))


@pytest.mark.parametrize(
    "support", [[5, 1], np.array([5, 1], dtype=np.uint8), np.isin(range(7), [1, 5])]
)
def test_given_support_and_values(support):
    dataset = make_sparse_regression(
        8, 7, support=support, coef_values=[2.0, -3.0], random_state=0
    )
    assert dataset.coef.tolist() == [0, 2, 0, 0, 0, -3, 0]
    assert dataset.support.tolist() == [1, 5]
    assert make_sparse_regression(8, 7, support=[]).support.size == 0


def test_named_values():
    def values(kind, k=40):
        dataset = make_sparse_regression(
            n_nonzero_coefs=k, coef_values=kind, random_state=0
        )
        return dataset.coef[dataset.support]

    assert set(values("sign")) == {-1.0, 1.0}
    assert set(values("ones")) == {1.0}
    assert len(set(values("normal"))) == 40
    decay = values("decay", 5)
    np.testing.assert_allclose(np.abs(decay), 10 ** -np.linspace(0, 1, 5))
    assert values("decay", 1) in (-1.0, 1.0)


def test_the_seed_decides_and_streams_are_apart():
    first, again = (make_sparse_regression(random_state=7) for _ in range(2))
    np.testing.assert_array_equal(first.data, again.data)
    np.testing.assert_array_equal(first.target, again.target)
    other = make_sparse_regression(random_state=8)
    assert (first.data != other.data).all()
    louder = make_sparse_regression(random_state=7, noise="laplace", snr=0.1)
    np.testing.assert_array_equal(first.data, louder.data)
    np.testing.assert_array_equal(first.coef, louder.coef)
    wider = make_sparse_regression(random_state=7, coef_values="normal")
    np.testing.assert_array_equal(first.support, wider.support)
    state = np.random.RandomState(7)
    np.testing.assert_array_equal(
        first.data, make_sparse_regression(random_state=state).data
    )
    assert (first.data != make_sparse_regression(random_state=state).data).all()


@pytest.mark.parametrize("dtype", ["float32", np.float64, np.dtype(np.float32)])
@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("standardize", [False, True])
def test_types(dtype, name, standardize):
    dataset = make_sparse_regression(
        10, 20, **DESIGNS[name], dtype=dtype, standardize=standardize, random_state=0
    )
    assert dataset.data.dtype == dataset.target.dtype == dtype
    assert dataset.coef.dtype == dataset.noise.dtype == np.float64
    if name == "sparse":
        assert isinstance(dataset.data, sparse.csc_array)
        assert dataset.data.has_canonical_format
    else:
        assert dataset.data.flags.f_contiguous and dataset.data.flags.writeable


def test_density():
    X = make_sparse_regression(
        1000, 500, design="independent", density=0.02, random_state=0
    ).data
    assert X.nnz == pytest.approx(10_000, rel=0.05)
    assert X.data.std() == pytest.approx(1.0, rel=0.05)
    counts = np.diff(X.indptr)
    assert stats.kstest(counts, stats.binom(1000, 0.02).cdf).statistic < 0.15
    full = make_sparse_regression(6, 11, design="independent", density=1.0).data
    assert full.nnz == 66
    nearly_empty = make_sparse_regression(
        6, 11, design="independent", density=1e-12
    ).data
    assert nearly_empty.shape == (6, 11) and nearly_empty.nnz == 0


def test_bunch():
    dataset = make_sparse_regression(6, 12, group_size=5, random_state=0)
    assert dataset.feature_groups.tolist() == [0] * 5 + [1] * 5 + [2] * 2
    assert dataset.feature_names == [f"x{j}" for j in range(12)]
    assert "correlation: 0.5" in dataset.DESCR
    assert "dtype: 'float64'" in dataset.DESCR
    copy = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(copy.covariance([1, 3]), dataset.covariance([1, 3]))
    X, y = make_sparse_regression(6, 12, group_size=5, random_state=0, return_X_y=True)
    np.testing.assert_array_equal(X, dataset.data)
    np.testing.assert_array_equal(y, dataset.target)


def test_excess_risk_of_wide_data_needs_no_square_matrix():
    dataset = make_sparse_regression(4, 300_000, design="factor", random_state=0)
    assert prediction_error(
        dataset.coef, 0 * dataset.coef, covariance=dataset.covariance, relative=True
    ) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_samples": 1}, r"n_samples must be an integer in \[2, inf\); got 1"),
        ({"n_features": 0}, "n_features must be an integer"),
        ({"n_nonzero_coefs": 201}, "at most n_features = 200; got 201"),
        ({"n_nonzero_coefs": -1}, "n_nonzero_coefs must be an integer"),
        ({"design": "ar2"}, "design must be 'ar1'.*; got 'ar2'"),
        ({"correlation": 1.1}, "correlation must be"),
        ({"correlation": np.nan}, "correlation must be"),
        ({"correlation": -0.1, "design": "block"}, r"\[0, 1\] where design='block'"),
        ({"correlation": -0.1, "design": "toeplitz"}, r"\[0, 1\] where"),
        ({"correlation": [0.5]}, "must be a number unless design='toeplitz'"),
        (
            {"correlation": [0.9], "design": "toeplitz"},
            "spectral density of those given falls to -0.8",
        ),
        ({"group_size": 0}, "group_size must be an integer"),
        ({"n_factors": 0, "design": "factor"}, "n_factors must be an integer"),
        ({"density": 0.0, "design": "independent"}, "density must be"),
        ({"density": 0.5}, "density must be None unless design='independent'"),
        ({"support": "last"}, "support must be"),
        ({"support": [0, 200]}, r"indices in \[0, 200\)"),
        ({"support": [-1]}, "indices in"),
        ({"support": [1, 1]}, "different indices"),
        ({"support": [1.0]}, "different indices"),
        ({"support": [True, False]}, r"mask of shape \(200,\)"),
        ({"coef_values": "twos"}, "coef_values must be"),
        ({"coef_values": [1.0]}, "must hold 10 finite values"),
        ({"coef_values": [np.nan] * 10}, "must hold 10 finite values"),
        ({"bias": np.inf}, "bias must be"),
        ({"snr": 0.0}, "snr must be"),
        ({"snr": -1.0}, "snr must be"),
        ({"noise": "cauchy"}, "noise must be"),
        ({"df": 0.0}, "df must be"),
        ({"outliers": 1.5}, "outliers must be"),
        ({"standardize": 1}, "standardize must be True or False; got 1"),
        ({"dtype": int}, "dtype must be np.float32 or np.float64"),
        ({"dtype": np.array([1, 2])}, "dtype must be"),
        ({"random_state": -1}, "random_state must be"),
    ],
)
def test_bad_input_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        make_sparse_regression(**settings)
