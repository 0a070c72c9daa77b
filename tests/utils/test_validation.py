"""Rules of parameters and checks of weights: what passes and what the error says."""

import re
from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import KFold

from sparsestat.utils.validation import (
    ArrayLike,
    Boolean,
    Callable,
    Each,
    Interval,
    Jobs,
    OneOf,
    ParameterError,
    RandomState,
    Satisfies,
    Splitter,
    Verbosity,
    check_parameters,
    check_sample_weight,
    check_weights,
)

NON_NEGATIVE = Interval(0, inf, closed="left")
COUNT = Interval(1, inf, closed="left", integer=True)


@pytest.mark.parametrize(
    "rule, good, bad",
    [
        (
            NON_NEGATIVE,
            [0, 0.0, 1e308, np.float32(2), np.int64(3)],
            [-1e-300, inf, -inf, nan, True, np.True_, "1", None, 1j, [1.0], np.ones(1)],
        ),
        (Interval(0, 1), [0, 1, 0.5], [-0.1, 1.1, nan]),
        (Interval(0, 1, closed="neither"), [0.5], [0, 1]),
        (Interval(0, 1, closed="right"), [0.5, 1], [0]),
        (Interval(-inf, inf), [inf, -inf, 0], [nan]),
        (COUNT, [1, np.int32(7), np.uint8(1)], [0, 1.0, np.float64(2), True, inf]),
        (OneOf("auto", True, False), ["auto", True, np.False_], [1, 0, None, "Auto"]),
        (OneOf(None), [None], [0, False, "None"]),
        (Boolean, [True, False, np.True_], [0, 1, "yes", None, np.ones(2)]),
        (OneOf("min", "1se") | Callable, ["min", len, KFold], ["max", 1, None]),
        ("min" | Callable | None, ["min", None, abs], ["1se", 0]),
        (NON_NEGATIVE | str, [0.0, "any"], [b"any", -1]),
        (
            ArrayLike,
            [[1], (), np.ones((2, 2)), pd.Series([1])],
            ["ab", {}, 3, np.array(3)],
        ),
        (
            Each(NON_NEGATIVE),
            [[0.0], (1, 2), np.ones(3)],
            [[], [-1], 1.0, [[1.0]], "1"],
        ),
        (Each(NON_NEGATIVE), [pd.Series([1.0])], [np.ones((2, 2)), [nan], [True]]),
        (Jobs, [None, 1, -1, np.int64(2)], [0, 1.0, True, "2"]),
        (RandomState, [None, 0, np.random.RandomState(0)], [-1, 0.5, 2**32, "seed"]),
        (Splitter, [None, 2, KFold(), [([0], [1])]], [1, 2.0, "5", True]),
        (Verbosity, [True, 0, 3], [-1, 0.5, None]),
        (Satisfies(len, "something non-empty"), ["a"], [""]),
    ],
)
def test_rule(rule, good, bad):
    for value in good:
        assert rule.accepts(value) is True, value
    for value in bad:
        assert rule.accepts(value) is False, value


@pytest.mark.parametrize(
    "rule, description",
    [
        (NON_NEGATIVE, "a finite real number in [0, inf)"),
        (Interval(-inf, 0, closed="neither"), "a finite real number in (-inf, 0)"),
        (Interval(0, inf), "a real number in [0, inf]"),
        (Interval(0, 1, closed="right"), "a real number in (0, 1]"),
        (COUNT, "an integer in [1, inf)"),
        (Boolean, "True or False"),
        (OneOf("auto", True, False) | None, "'auto', True or False or None"),
        (OneOf("min", "1se") | Callable, "'min' or '1se' or a callable"),
        (Boolean | KFold, "True or False or an instance of KFold"),
        (
            Each(Interval(0, 1)),
            "a non-empty 1-D array-like, each entry a real number in [0, 1]",
        ),
    ],
)
def test_description(rule, description):
    assert str(rule) == description


class Lasso:
    alpha = -1.0
    positive = False


def test_check_parameters_names_owner_parameter_rule_and_value():
    table = {"alpha": NON_NEGATIVE, "positive": Boolean}
    message = "Lasso: alpha must be a finite real number in [0, inf); got -1.0."
    with pytest.raises(ParameterError, match=f"^{re.escape(message)}$"):
        check_parameters(Lasso(), table)
    for caught in (ValueError, TypeError):
        with pytest.raises(caught, match=r"^path: positive must be .*; got 'no'\.$"):
            check_parameters({"positive": "no"}, table, name="path")
    with pytest.raises(ParameterError, match=r"^alpha must be"):
        check_parameters({"alpha": nan}, table)
    check_parameters({"alpha": 0.5, "positive": True}, table)


def test_check_parameters_shortens_long_values():
    with pytest.raises(ParameterError) as error:
        check_parameters({"alpha": np.zeros((100, 100))}, {"alpha": NON_NEGATIVE})
    assert len(str(error.value)) < 160
    assert str(error.value).endswith("....")


def test_check_parameters_refuses_names_outside_the_table():
    with pytest.raises(KeyError, match="beta"):
        check_parameters({"beta": 1}, {"alpha": NON_NEGATIVE})


X = np.zeros((3, 2))


@pytest.mark.parametrize(
    "given",
    [[1, 0, 2], (1.0, 0.0, 2.0), np.array([1, 0, 2], np.uint8), pd.Series([1, 0, 2])],
)
@pytest.mark.parametrize("data", [X, X.tolist(), sparse.csc_array(X), pd.DataFrame(X)])
def test_check_sample_weight_returns_float64(given, data):
    weights = check_sample_weight(given, data)
    assert weights.dtype == np.float64
    np.testing.assert_array_equal(weights, [1.0, 0.0, 2.0])


def test_check_sample_weight_none_and_number():
    assert check_sample_weight(None, X) is None
    np.testing.assert_array_equal(check_sample_weight(2, X), [2.0, 2.0, 2.0])


def test_check_sample_weight_does_not_return_the_array_it_was_given():
    given = np.ones(3)
    assert not np.shares_memory(check_sample_weight(given, X), given)


@pytest.mark.parametrize(
    "given, message",
    [
        ([1, -2, 1], "sample_weight must be >= 0; got -2.0 at index 1."),
        ([1, 1, nan], "sample_weight must be finite; got nan at index 2."),
        ([1, inf, 1], "sample_weight must be finite; got inf at index 1."),
        ([0, 0, 0], "sample_weight must not be all zero; got 3 weights of 0."),
        (
            [1e308] * 3,
            "sample_weight must have a finite sum; got weights up to 1e+308.",
        ),
        (
            [1, 1],
            "sample_weight must be numbers of shape (3,), one for each row of X; "
            "got shape (2,).",
        ),
        (np.ones((3, 1)), "got shape (3, 1)."),
        (["a", "b", "c"], "got ['a', 'b', 'c']."),
        ([1, None, 1], "sample_weight must be finite; got nan at index 1."),
        ([1, 1j, 1], "got [1, 1j, 1]."),
        ([[1], [1, 2], 3], "got [[1], [1, 2], 3]."),
        (-1.0, "sample_weight must be >= 0; got -1.0 at index 0."),
        (0, "sample_weight must not be all zero"),
        (True, "got shape ()."),
    ],
)
def test_check_sample_weight_refuses(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_sample_weight(given, X)


def test_check_weights():
    assert check_weights(None, "penalty_weights", 3) is None
    weights = check_weights([0, 1, inf], "penalty_weights", 3)
    assert weights.dtype == np.float64
    np.testing.assert_array_equal(weights, [0.0, 1.0, inf])
    np.testing.assert_array_equal(check_weights([0, 0], "v", 2), [0.0, 0.0])


@pytest.mark.parametrize(
    "given, message",
    [
        ([1, nan], "penalty_weights must not hold NaN; got nan at index 1."),
        ([-inf, 1], "penalty_weights must be >= 0; got -inf at index 0."),
        ([inf, inf], "penalty_weights must have a finite entry; got inf for all 2"),
        ([1, 2, 3], "shape (2,), one for each feature; got shape (3,)."),
        (1.0, "got shape ()."),
        ("ab", "got 'ab'."),
    ],
)
def test_check_weights_refuses(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_weights(given, "penalty_weights", 2)
