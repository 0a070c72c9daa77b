"""Support recovery: which coefficients are nonzero, truth against estimate.

The feature is the sample of a binary classification: in the support or not. Precision,
recall, F1 and Matthews' correlation are then scikit-learn's, with its zero divisions.
"""

import warnings
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning

from sparsestat.metrics._coefficients import check_pair
from sparsestat.utils.validation import Interval, Satisfies, check_parameters

_PARAMETERS = {
    "rtol": Interval(0, 1, closed="left"),
    "threshold": Interval(0, np.inf, closed="left"),
    "zero_division": Satisfies(
        lambda value: (
            value == "warn"
            if isinstance(value, str)
            else isinstance(value, Real) and (value in (0, 1) or np.isnan(value))
        ),
        "'warn', 0.0, 1.0 or np.nan",
    ),
}


def support_precision(
    coef_true: ArrayLike,
    coef_pred: ArrayLike,
    *,
    threshold: float = 0.0,
    zero_division: float | Literal["warn"] = "warn",
) -> float:
    r"""Share of the selected features that belong to the true support.

    .. math:: \frac{|S \cap \hat S|}{|\hat S|}, \qquad
        S = \{j : |w_j| > \tau\}, \; \hat S = \{j : |\hat w_j| > \tau\}

    One minus it is the false discovery proportion.

    Parameters
    ----------
    coef_true : array-like of shape (n_features,) or (n_targets, n_features)
        True coefficients, or a boolean mask of the true support; may be sparse. The
        entries of a two-dimensional array are counted one by one.

    coef_pred : array-like of the same shape
        Estimated coefficients, or a boolean mask.

    threshold : float, default=0.0
        Coefficients of at most this size count as zero. Masks are taken as they are.

    zero_division : {"warn", 0.0, 1.0, np.nan}, default="warn"
        Value returned when nothing is selected. ``"warn"`` returns 0.0 and warns.

    Returns
    -------
    precision : float
        Between 0 and 1; higher is better.

    Raises
    ------
    ValueError
        If the shapes differ, a coefficient is not finite, or `threshold` or
        `zero_division` has no meaning.

    See Also
    --------
    support_recall : Share of the true support that is selected.
    sklearn.metrics.precision_score : The same score of a classification.

    References
    ----------
    .. [1] Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate:
       a practical and powerful approach to multiple testing.
       :doi:`10.1111/j.2517-6161.1995.tb02031.x`

    Examples
    --------
    >>> from sparsestat.metrics import support_precision
    >>> support_precision([1.0, -1.0, 0.0, 0.0], [0.8, 0.0, 0.0, 0.1])
    0.5
    """
    tp, fp, _, _ = _confusion(coef_true, coef_pred, threshold)
    return _ratio(tp, tp + fp, "precision", "nothing is selected", zero_division)


def support_recall(
    coef_true: ArrayLike,
    coef_pred: ArrayLike,
    *,
    threshold: float = 0.0,
    zero_division: float | Literal["warn"] = "warn",
) -> float:
    r"""Share of the true support that is selected.

    .. math:: \frac{|S \cap \hat S|}{|S|}, \qquad
        S = \{j : |w_j| > \tau\}, \; \hat S = \{j : |\hat w_j| > \tau\}

    It is the power of a selection, its true positive rate.

    Parameters
    ----------
    coef_true : array-like of shape (n_features,) or (n_targets, n_features)
        True coefficients, or a boolean mask of the true support; may be sparse. The
        entries of a two-dimensional array are counted one by one.

    coef_pred : array-like of the same shape
        Estimated coefficients, or a boolean mask.

    threshold : float, default=0.0
        Coefficients of at most this size count as zero. Masks are taken as they are.

    zero_division : {"warn", 0.0, 1.0, np.nan}, default="warn"
        Value returned when the true support is empty. ``"warn"`` returns 0.0 and
        warns.

    Returns
    -------
    recall : float
        Between 0 and 1; higher is better.

    Raises
    ------
    ValueError
        If the shapes differ, a coefficient is not finite, or `threshold` or
        `zero_division` has no meaning.

    See Also
    --------
    support_precision : Share of the selected features that are right.
    sklearn.metrics.recall_score : The same score of a classification.

    References
    ----------
    .. [1] Meinshausen, N. and Bühlmann, P. (2010). Stability selection.
       :doi:`10.1111/j.1467-9868.2010.00740.x`

    Examples
    --------
    >>> from sparsestat.metrics import support_recall
    >>> support_recall([1.0, -1.0, 0.0, 0.0], [0.8, 0.0, 0.0, 0.1])
    0.5
    """
    tp, _, fn, _ = _confusion(coef_true, coef_pred, threshold)
    return _ratio(tp, tp + fn, "recall", "the true support is empty", zero_division)


def support_f1(
    coef_true: ArrayLike,
    coef_pred: ArrayLike,
    *,
    threshold: float = 0.0,
    zero_division: float | Literal["warn"] = "warn",
) -> float:
    r"""Harmonic mean of the precision and the recall of the support.

    .. math:: \frac{2 |S \cap \hat S|}{|S| + |\hat S|}, \qquad
        S = \{j : |w_j| > \tau\}, \; \hat S = \{j : |\hat w_j| > \tau\}

    Parameters
    ----------
    coef_true : array-like of shape (n_features,) or (n_targets, n_features)
        True coefficients, or a boolean mask of the true support; may be sparse. The
        entries of a two-dimensional array are counted one by one.

    coef_pred : array-like of the same shape
        Estimated coefficients, or a boolean mask.

    threshold : float, default=0.0
        Coefficients of at most this size count as zero. Masks are taken as they are.

    zero_division : {"warn", 0.0, 1.0, np.nan}, default="warn"
        Value returned when both supports are empty. ``"warn"`` returns 0.0 and warns.
        With only one of them empty the score is 0.0 and nothing is undefined.

    Returns
    -------
    f1 : float
        Between 0 and 1; 1 if and only if the supports agree.

    Raises
    ------
    ValueError
        If the shapes differ, a coefficient is not finite, or `threshold` or
        `zero_division` has no meaning.

    See Also
    --------
    support_mcc : Correlation of the supports, which also counts the true zeros.
    sklearn.metrics.f1_score : The same score of a classification.

    References
    ----------
    .. [1] van Rijsbergen, C. J. (1979). Information Retrieval, 2nd edition.
       Butterworths.

    Examples
    --------
    >>> from sparsestat.metrics import support_f1
    >>> support_f1([1.0, -1.0, 0.0, 0.0], [0.8, 0.0, 0.0, 0.1])
    0.5
    """
    tp, fp, fn, _ = _confusion(coef_true, coef_pred, threshold)
    return _ratio(
        2 * tp, 2 * tp + fp + fn, "F1", "both supports are empty", zero_division
    )


def support_mcc(
    coef_true: ArrayLike, coef_pred: ArrayLike, *, threshold: float = 0.0
) -> float:
    r"""Matthews' correlation of the true and the selected support.

    .. math:: \frac{TP \cdot TN - FP \cdot FN}
        {\sqrt{(TP + FP)(TP + FN)(TN + FP)(TN + FN)}}

    Unlike F1 it counts the true zeros too: a selection at random scores 0, whatever
    the size of the support.

    Parameters
    ----------
    coef_true : array-like of shape (n_features,) or (n_targets, n_features)
        True coefficients, or a boolean mask of the true support; may be sparse. The
        entries of a two-dimensional array are counted one by one.

    coef_pred : array-like of the same shape
        Estimated coefficients, or a boolean mask.

    threshold : float, default=0.0
        Coefficients of at most this size count as zero. Masks are taken as they are.

    Returns
    -------
    mcc : float
        Between -1 and 1; 1 if and only if the supports agree. As in scikit-learn it is
        0.0 when one of the supports is empty or full, where it is undefined.

    Raises
    ------
    ValueError
        If the shapes differ, a coefficient is not finite, or `threshold` has no
        meaning.

    See Also
    --------
    support_f1 : Harmonic mean of precision and recall.
    sklearn.metrics.matthews_corrcoef : The same score of a classification.

    References
    ----------
    .. [1] Matthews, B. W. (1975). Comparison of the predicted and observed secondary
       structure of T4 phage lysozyme. :doi:`10.1016/0005-2795(75)90109-9`

    Examples
    --------
    >>> from sparsestat.metrics import support_mcc
    >>> support_mcc([1.0, -1.0, 0.0, 0.0], [0.8, -1.1, 0.0, 0.0])
    1.0
    >>> support_mcc([1.0, -1.0, 0.0, 0.0], [0.8, 0.0, 0.0, 0.1])
    0.0
    """
    tp, fp, fn, tn = _confusion(coef_true, coef_pred, threshold)
    # Python integers: the product of four counts would overflow 64 bits.
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / product**0.5 if product else 0.0


def support_recovery_rate(
    coef_true: ArrayLike, coef_pred: ArrayLike, *, rtol: float = 1e-3
) -> float:
    r"""Share of the true and the estimated support that is in both.

    .. math:: \frac{|S \cap \hat S|}{|S \cup \hat S|}, \qquad
        S = \{j : w_j \ne 0\}, \;
        \hat S = \{j : |\hat w_j| > \rho \max_k |\hat w_k|\}

    Parameters
    ----------
    coef_true : array-like of shape (n_features,) or (n_targets, n_features)
        True coefficients, or a boolean mask of the true support; may be sparse. The
        entries of a two-dimensional array are counted one by one.

    coef_pred : array-like of the same shape
        Estimated coefficients, or a boolean mask.

    rtol : float, default=1e-3
        Estimated coefficients of at most this share of the largest count as zero.

    Returns
    -------
    rate : float
        Between 0 and 1; 1 if and only if the supports agree.

    Raises
    ------
    ValueError
        If the shapes differ, a coefficient is not finite, or `rtol` has no meaning.

    See Also
    --------
    support_f1 : Harmonic mean of precision and recall.
    sklearn.metrics.jaccard_score : The same score of a classification.

    References
    ----------
    .. [1] He, Y. and Joseph, G. (2024). Bayesian algorithms for Kronecker-structured
       sparse vector recovery with application to IRS-MIMO channel estimation.
       :arxiv:`2307.14719`

    Examples
    --------
    >>> from sparsestat.metrics import support_recovery_rate
    >>> support_recovery_rate([1.0, -1.0, 0.0, 0.0], [0.8, 0.0, 1e-5, 0.1])
    0.3333333333333333
    """
    check_parameters({"rtol": rtol}, _PARAMETERS)
    true, pred = check_pair(coef_true, coef_pred)
    selected = np.abs(pred) > rtol * np.abs(pred).max()
    both = int(np.count_nonzero((true != 0) & selected))
    either = int(np.count_nonzero((true != 0) | selected))
    return both / either if either else 1.0


def _confusion(coef_true, coef_pred, threshold):
    """Return the counts of true and false positives, false and true negatives."""
    check_parameters({"threshold": threshold}, _PARAMETERS)
    true, pred = (
        coef if coef.dtype.kind == "b" else np.abs(coef) > threshold
        for coef in check_pair(coef_true, coef_pred)
    )
    tp = int(np.count_nonzero(true & pred))
    fp = int(np.count_nonzero(pred)) - tp
    fn = int(np.count_nonzero(true)) - tp
    return tp, fp, fn, true.size - tp - fp - fn


def _ratio(numerator, denominator, score, reason, zero_division):
    """Divide, or return what `zero_division` asks for when there is nothing to."""
    check_parameters({"zero_division": zero_division}, _PARAMETERS)
    if denominator:
        return numerator / denominator
    if zero_division != "warn":
        return float(zero_division)
    warnings.warn(
        f"The {score} of the support is undefined and set to 0.0, because {reason}; "
        "zero_division sets another value.",
        UndefinedMetricWarning,
        stacklevel=3,
    )
    return 0.0
