"""Support scores against scikit-learn's scores of the same binary classification."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    f1_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
)

from sparsestat.metrics import (
    support_f1,
    support_mcc,
    support_precision,
    support_recall,
    support_recovery_rate,
)

COUNTERPARTS = [
    (support_precision, precision_score),
    (support_recall, recall_score),
    (support_f1, f1_score),
]
SCORES = [support_precision, support_recall, support_f1, support_mcc]

masks = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12)


@pytest.mark.parametrize(("ours", "theirs"), COUNTERPARTS)
@pytest.mark.parametrize("zero_division", [0.0, 1.0, np.nan])
@settings(max_examples=50, deadline=None)
@given(pairs=masks)
def test_ratio_equals_scikit_learn(ours, theirs, zero_division, pairs):
    true, pred = np.array(pairs).T
    np.testing.assert_allclose(
        ours(true, pred, zero_division=zero_division),
        theirs(true, pred, zero_division=zero_division),
        rtol=1e-14,
    )


@settings(max_examples=100, deadline=None)
@given(pairs=masks)
def test_mcc_equals_scikit_learn(pairs):
    true, pred = np.array(pairs).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, about a single label
        expected = matthews_corrcoef(true, pred)
    np.testing.assert_allclose(support_mcc(true, pred), expected, atol=1e-14)


def test_mcc_does_not_overflow():
    n = 1_000_000
    true = np.arange(n) < n // 2
    pred = np.roll(true, n // 4)
    assert support_mcc(true, pred) == 0.0
    assert support_mcc(true, ~true) == -1.0


@pytest.mark.parametrize("score", SCORES)
def test_one_if_and_only_if_supports_agree(score):
    coef = np.array([0.0, -2.0, 1e-300, 0.0])
    assert score(coef, 5 * coef) == 1.0
    # One support strictly inside the other leaves one of precision and recall at 1.
    if score is not support_recall:
        assert score(coef, [0.0, 1.0, 1.0, 1.0]) < 1.0
    if score is not support_precision:
        assert score(coef, [0.0, 1.0, 0.0, 0.0]) < 1.0


@pytest.mark.parametrize("score", SCORES)
def test_threshold_is_strict_and_spares_masks(score):
    coef = np.array([0.5, -0.5, 0.1, 0.0])
    assert score(coef, np.array([1, 1, 0, 0]), threshold=0.1) == 1.0
    assert score([True, False], [True, False], threshold=3.0) == 1.0


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    "container", [np.array, sparse.csr_array, sparse.csc_matrix, list]
)
def test_two_dimensions_count_entries(score, container):
    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, 2, (2, 3, 7)).astype(float)
    assert score(container(true), container(pred)) == score(true.ravel(), pred.ravel())


@pytest.mark.parametrize("score", SCORES)
def test_a_single_row_or_column_is_a_vector(score):
    true = np.array([1.0, 0.0, 0.0, -1.0])
    pred = np.array([1.0, 1.0, 0.0, 0.0])
    expected = score(true, pred)
    assert score(true, sparse.csr_array(pred[None])) == expected
    assert score(true[None], sparse.csc_array(pred[:, None])) == expected


@pytest.mark.parametrize(
    ("score", "true", "pred", "reason"),
    [
        (support_precision, [1, 0], [0, 0], "nothing is selected"),
        (support_recall, [0, 0], [1, 0], "true support is empty"),
        (support_f1, [0, 0], [0, 0], "both supports are empty"),
    ],
)
def test_undefined_scores_warn_in_the_caller(score, true, pred, reason):
    with pytest.warns(UndefinedMetricWarning, match=reason) as record:
        assert score(true, pred) == 0.0
    assert record[0].filename == __file__
    assert score(true, pred, zero_division=1.0) == 1.0
    assert np.isnan(score(true, pred, zero_division=np.nan))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("true", "pred", "kwargs", "error", "message"),
    [
        ([1, 0], [1, 0, 0], {}, ValueError, r"same shape; got \(2,\) and \(3,\)"),
        ([[1, 0], [0, 1]], [1, 0, 0, 1], {}, ValueError, "same shape"),
        ([1.0, np.nan], [1, 0], {}, ValueError, "coef_true must be finite"),
        ([1, 0], [np.inf, 0], {}, ValueError, "coef_pred must be finite"),
        (["a", "b"], [1, 0], {}, TypeError, "coef_true must hold numbers"),
        ([1, 0], np.array([1, None]), {}, TypeError, "coef_pred must hold numbers"),
        (np.ones((2, 2, 2)), np.ones((2, 2, 2)), {}, ValueError, "must have shape"),
        ([], [], {}, ValueError, "must have shape"),
        (1.0, 1.0, {}, ValueError, "must have shape"),
        ([1, 0], [1, 0], {"threshold": -0.5}, ValueError, r"\[0, inf\); got -0.5"),
        ([1, 0], [1, 0], {"threshold": np.nan}, ValueError, "got nan"),
        ([1, 0], [1, 0], {"threshold": "0"}, TypeError, "threshold must be"),
        ([1, 0], [1, 0], {"threshold": True}, TypeError, "threshold must be"),
    ],
)
def test_bad_input_is_named(score, true, pred, kwargs, error, message):
    with pytest.raises(error, match=message):
        score(true, pred, **kwargs)


@pytest.mark.parametrize("score", SCORES[:3])
@pytest.mark.parametrize("zero_division", [0.5, "ignore", None])
def test_bad_zero_division_is_named_even_when_unused(score, zero_division):
    with pytest.raises(ValueError, match="zero_division must be"):
        score([1, 0], [1, 0], zero_division=zero_division)


def test_recovery_rate_counts_what_either_support_holds():
    true = np.array([1.0, -2.0, 0.0, 0.0, 3.0j])
    pred = np.array([1e-3, 5.0, 1.0, 0.0, 4.9e-3j])
    # Estimated: 1 and 2; entries of a thousandth of 5 and below count as zero.
    assert support_recovery_rate(true, pred) == pytest.approx(1 / 4)
    assert support_recovery_rate(true, pred, rtol=1e-4) == pytest.approx(3 / 4)
    assert support_recovery_rate(true != 0, np.array([1, 1, 0, 0, 1]) == 1) == 1.0
    assert support_recovery_rate(np.zeros(3), np.zeros(3)) == 1.0
    with pytest.raises(ValueError, match=r"rtol must be a real number in \[0, 1\)"):
        support_recovery_rate(true, pred, rtol=1.0)
