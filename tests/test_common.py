"""What every public estimator promises, whichever family it belongs to."""

import copy
import math
import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsestat.utils.validation import ParameterError
from tests.estimators import (
    ESTIMATORS,
    data_for,
    fitted_attributes,
    parameters,
    same,
    seeded,
    takes_sample_weight,
)

WEIGHTED = [cls for cls in ESTIMATORS if takes_sample_weight(cls)]
PARALLEL = [cls for cls in ESTIMATORS if "n_jobs" in parameters(cls)]
TRANSFORMERS = [cls for cls in ESTIMATORS if hasattr(cls, "set_output")]
STORAGES = [
    (cls, storage)
    for cls in ESTIMATORS
    for storage in (np.asarray, sparse.csc_array, sparse.csr_array)
    if storage is np.asarray or get_tags(cls()).input_tags.sparse
]

each_estimator = pytest.mark.parametrize("cls", ESTIMATORS)
each_weighted_estimator = pytest.mark.parametrize("cls", WEIGHTED)

# Whatever a parameter means, some of these are wrong for it.
WRONG = [
    object(),
    "no such choice",
    b"bytes",
    -1,
    -0.5,
    1.5,
    math.nan,
    math.inf,
    -math.inf,
    True,
    1j,
    [],
    {},
]


def assert_same_state(first, second):
    before, after = fitted_attributes(first), fitted_attributes(second)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert same(value, after[name]), name


@parametrize_with_checks([cls() for cls in ESTIMATORS])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@each_estimator
def test_parameter_table_is_complete_and_allows_the_defaults(cls):
    assert cls._rules.keys() == parameters(cls).keys()
    for name, parameter in parameters(cls).items():
        assert cls._rules[name].accepts(parameter.default), name


@pytest.mark.parametrize(
    "cls, name", [(cls, name) for cls in ESTIMATORS for name in parameters(cls)]
)
def test_wrong_parameter_is_named_and_nothing_fitted_is_lost(cls, name):
    rule = cls._rules[name]
    wrong = [value for value in WRONG if not rule.accepts(value)]
    assert wrong
    X, y = data_for(cls())
    estimator = cls().fit(X, y)
    before = dict(vars(estimator))
    for value in wrong:
        estimator.set_params(**{name: value})
        with pytest.raises(ParameterError) as error:
            estimator.fit(X, y)
        message = str(error.value)
        assert message.startswith(f"{cls.__name__}: {name} must be {rule}; got "), value
        assert repr(value)[:50] in message
    assert {**vars(estimator), name: None} == {**before, name: None}


@each_weighted_estimator
@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_wrong_sample_weight_is_named_and_nothing_fitted_is_lost(cls, wrong):
    X, y = data_for(cls())
    estimator = cls().fit(X, y)
    before = copy.deepcopy(estimator)
    weights = np.ones(len(X))
    weights[7] = wrong
    with pytest.raises(ValueError, match=rf"sample_weight .* got {wrong} at index 7"):
        estimator.fit(X, y, sample_weight=weights)
    for weights in (np.zeros(len(X)), np.ones(len(X) + 1), np.ones((len(X), 2))):
        with pytest.raises(ValueError, match="sample_weight"):
            estimator.fit(X, y, sample_weight=weights)
    assert_same_state(estimator, before)


@each_weighted_estimator
def test_sample_weight_is_routed(cls):
    X, y = data_for(cls())
    weights = np.linspace(0.5, 2.0, len(X))
    scaler = StandardScaler(with_mean=False)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            scaler.set_fit_request(sample_weight=False),
            seeded(cls).set_fit_request(sample_weight=True),
        )
        pipeline.fit(X, y, sample_weight=weights)
    direct = seeded(cls).fit(scaler.fit_transform(X), y, sample_weight=weights)
    assert_same_state(pipeline[-1], direct)


@each_estimator
def test_fit_leaves_parameters_and_data_alone(cls):
    X, y = data_for(cls())
    X_before, y_before = X.copy(), y.copy()
    estimator = cls()
    given = estimator.get_params()
    assert estimator.fit(X, y) is estimator
    assert estimator.get_params() == given
    assert all(estimator.get_params()[name] is given[name] for name in given)
    np.testing.assert_array_equal(X, X_before)
    np.testing.assert_array_equal(y, y_before)


@each_estimator
def test_pickle_and_clone(cls):
    X, y = data_for(cls())
    estimator = seeded(cls).fit(X, y)
    assert_same_state(pickle.loads(pickle.dumps(estimator)), estimator)
    fresh = clone(estimator)
    assert not fitted_attributes(fresh)
    assert_same_state(fresh.fit(X, y), estimator)


@each_estimator
def test_fitted_attributes_hold_no_nan(cls):
    estimator = cls().fit(*data_for(cls()))
    for name, value in fitted_attributes(estimator).items():
        values = value.data if sparse.issparse(value) else np.asarray(value)
        if values.dtype.kind in "fc":
            assert not np.isnan(values).any(), name


@pytest.mark.parametrize("cls, storage", STORAGES)
def test_float32_in_float32_out(cls, storage):
    X, y = data_for(cls(), dtype=np.float32)
    X = storage(X.to_numpy())
    estimator = cls().fit(X, y)
    for name in ("coef_", "intercept_", "components_"):
        value = fitted_attributes(estimator).get(name)
        if isinstance(value, np.ndarray | np.generic):
            assert value.dtype == np.float32, name
    if get_tags(estimator).estimator_type == "regressor":
        assert estimator.predict(X).dtype == np.float32
    if hasattr(estimator, "transform"):
        assert estimator.transform(X).dtype == np.float32


@pytest.mark.parametrize("cls", TRANSFORMERS)
def test_set_output(cls):
    X, y = data_for(cls())
    estimator = cls().fit(X, y)
    # What belongs to the samples of a fit alone has no transform.
    method = "transform" if hasattr(cls, "transform") else "fit_transform"
    plain = np.asarray(getattr(estimator, method)(X))
    frame = getattr(estimator.set_output(transform="pandas"), method)(X)
    assert list(frame.columns) == list(estimator.get_feature_names_out())
    assert list(frame.index) == list(X.index)
    np.testing.assert_array_equal(frame, plain)


@pytest.mark.parametrize("cls", PARALLEL)
def test_same_bits_whatever_n_jobs(cls):
    X, y = data_for(cls())
    assert_same_state(seeded(cls, n_jobs=1).fit(X, y), seeded(cls, n_jobs=2).fit(X, y))
