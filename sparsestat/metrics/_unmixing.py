"""How well endmembers and abundances of a hyperspectral scene are recovered."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_array

from sparsestat.utils.validation import OneOf, check_parameters

if TYPE_CHECKING:
    from pandas import DataFrame

_RMSE = {"average": OneOf("all", "per_endmember") | None}
_ANGLE = {"average": OneOf("rms", "mean") | None}
# Rows of pixels whose reconstruction is held at once.
_BLOCK = 2**14


def spectral_angle(X: ArrayLike, Y: ArrayLike | None = None) -> np.ndarray:
    r"""Angles between spectra, in radians: distances that ignore brightness.

    .. math:: \theta(x, y) = 2 \operatorname{atan2}\left(
        \left\| \tfrac{x}{\|x\|} - \tfrac{y}{\|y\|} \right\|,
        \left\| \tfrac{x}{\|x\|} + \tfrac{y}{\|y\|} \right\| \right)

    which is the arc cosine of the cosine, accurate for small angles too.

    Parameters
    ----------
    X : array-like of shape (n_spectra, n_features)
        Spectra.

    Y : array-like of shape (n_others, n_features), default=None
        Other spectra; by default `X`.

    Returns
    -------
    angles : ndarray of shape (n_spectra, n_others)
        In [0, pi]. A spectrum of zeros is at a right angle to all others.

    Raises
    ------
    ValueError
        If the numbers of bands differ or a value is not finite.

    See Also
    --------
    spectral_information_divergence : Spectra as distributions.
    sklearn.metrics.pairwise.cosine_distances : One minus the cosine.

    References
    ----------
    .. [1] Kruse, F. A. et al. (1993). The spectral image processing system (SIPS):
       interactive visualization and analysis of imaging spectrometer data.
       :doi:`10.1016/0034-4257(93)90013-N`

    Examples
    --------
    >>> from sparsestat.metrics import spectral_angle
    >>> spectral_angle([[1.0, 0.0]], [[2.0, 0.0], [1.0, 1.0], [0.0, 3.0]]).round(3)
    array([[0.   , 0.785, 1.571]])
    """
    X, Y = _spectra(X, Y)
    return _pairwise(_angles, _unit(X), _unit(Y))


def spectral_information_divergence(
    X: ArrayLike, Y: ArrayLike | None = None
) -> np.ndarray:
    r"""Symmetric Kullback-Leibler divergence of spectra that are scaled to sum to one.

    .. math:: \sum_l (p_l - q_l) (\log p_l - \log q_l), \qquad
        p = x / \textstyle\sum_l x_l, \quad q = y / \sum_l y_l

    Parameters
    ----------
    X : array-like of shape (n_spectra, n_features)
        Spectra. Values below 1e-12 of the largest of their spectrum, negative ones
        too, count as that.

    Y : array-like of shape (n_others, n_features), default=None
        Other spectra; by default `X`.

    Returns
    -------
    divergence : ndarray of shape (n_spectra, n_others)
        In nats, at least 0. A spectrum without a positive value is infinitely far
        from all.

    Raises
    ------
    ValueError
        If the numbers of bands differ or a value is not finite.

    See Also
    --------
    spectral_angle : Spectra as directions.
    scipy.special.rel_entr : Terms of one half of it.

    References
    ----------
    .. [1] Chang, C.-I. (2000). An information-theoretic approach to spectral
       variability, similarity, and discrimination for hyperspectral image analysis.
       :doi:`10.1109/18.857802`

    Examples
    --------
    >>> from sparsestat.metrics import spectral_information_divergence
    >>> spectral_information_divergence([[1.0, 1.0]], [[2.0, 2.0], [3.0, 1.0]])
    array([[0.        , 0.27465307]])
    """
    X, Y = _spectra(X, Y)
    divergence = _pairwise(_divergences, _distribution(X), _distribution(Y))
    divergence[(X <= 0.0).all(axis=1)] = np.inf
    divergence[:, (Y <= 0.0).all(axis=1)] = np.inf
    return divergence


def match_endmembers(
    components_true: ArrayLike, components_pred: ArrayLike
) -> np.ndarray:
    """Which estimated endmember belongs to which true one.

    The sum of the spectral angles of all pairs is the smallest that there is.

    Parameters
    ----------
    components_true : array-like of shape (n_true, n_features)
        True endmembers.

    components_pred : array-like of shape (n_pred, n_features)
        Estimated endmembers; their number may differ.

    Returns
    -------
    order : ndarray of shape (n_true,)
        Row of the estimate for each true endmember, -1 where none is left:
        ``components_pred[order]`` is in the order of the truth, and so is
        ``abundances[:, order]``.

    Raises
    ------
    ValueError
        If the numbers of bands differ or a value is not finite.

    See Also
    --------
    unmixing_report : Errors of all pairs in a table.
    scipy.optimize.linear_sum_assignment : The method.

    References
    ----------
    .. [1] Kuhn, H. W. (1955). The Hungarian method for the assignment problem.
       :doi:`10.1002/nav.3800020109`

    Examples
    --------
    >>> from sparsestat.metrics import match_endmembers
    >>> match_endmembers([[1.0, 0.0], [0.0, 1.0]], [[0.1, 1.0], [1.0, 0.2]])
    array([1, 0])
    """
    return _matching(spectral_angle(components_true, components_pred))


def abundance_rmse(
    abundances_true: ArrayLike,
    abundances_pred: ArrayLike,
    *,
    average: Literal["all", "per_endmember"] | None = "all",
) -> float | np.ndarray:
    """Root mean squared error of abundances.

    Parameters
    ----------
    abundances_true : array-like of shape (..., n_components)
        True abundances, of pixels or of an image.

    abundances_pred : array-like of the same shape
        Estimated abundances, in the same order of endmembers.

    average : {"all", "per_endmember"} or None, default="all"
        ``"all"`` takes the mean over pixels and endmembers before the root;
        ``"per_endmember"`` takes the mean over the roots of each endmember, which is
        at most as large. None returns these.

    Returns
    -------
    error : float or ndarray of shape (n_components,)
        Lower is better.

    Raises
    ------
    ValueError
        If the shapes differ or a value is not finite: leave masked pixels out.

    See Also
    --------
    match_endmembers : Puts endmembers into the same order.
    sklearn.metrics.root_mean_squared_error : The same over columns.

    References
    ----------
    .. [1] Zhu, F. (2017). Hyperspectral unmixing: ground truth labeling, datasets,
       benchmark performances and survey. :arxiv:`1708.05125`

    Examples
    --------
    >>> from sparsestat.metrics import abundance_rmse
    >>> abundance_rmse([[1.0, 0.0], [0.5, 0.5]], [[0.8, 0.2], [0.3, 0.7]])
    0.2
    """
    check_parameters({"average": average}, _RMSE, name="abundance_rmse")
    true, pred = _abundances(abundances_true, abundances_pred)
    squares = np.mean((true - pred) ** 2, axis=0)
    if average == "all":
        return float(np.sqrt(squares.mean()))
    roots = np.sqrt(squares)
    return roots if average is None else float(roots.mean())


def abundance_angle_distance(
    abundances_true: ArrayLike,
    abundances_pred: ArrayLike,
    *,
    average: Literal["rms", "mean"] | None = "rms",
) -> float | np.ndarray:
    """Angles between the true and the estimated abundances of each pixel.

    Parameters
    ----------
    abundances_true : array-like of shape (..., n_components)
        True abundances, of pixels or of an image.

    abundances_pred : array-like of the same shape
        Estimated abundances, in the same order of endmembers.

    average : {"rms", "mean"} or None, default="rms"
        Root mean square or mean over the pixels; None returns all angles.

    Returns
    -------
    angle : float or ndarray of shape (n_pixels,)
        In radians. A pixel without abundances is at a right angle to any other.

    Raises
    ------
    ValueError
        If the shapes differ or a value is not finite: leave masked pixels out.

    See Also
    --------
    spectral_angle : The same of all pairs.

    References
    ----------
    .. [1] Miao, L. and Qi, H. (2007). Endmember extraction from highly mixed data using
       minimum volume constrained nonnegative matrix factorization.
       :doi:`10.1109/TGRS.2006.888466`

    Examples
    --------
    >>> from sparsestat.metrics import abundance_angle_distance
    >>> angle = abundance_angle_distance([[1.0, 0.0]], [[0.5, 0.5]])
    >>> print(f"{angle:.3f}")
    0.785
    """
    check_parameters({"average": average}, _ANGLE, name="abundance_angle_distance")
    true, pred = _abundances(abundances_true, abundances_pred)
    angles = _angles(_unit(true), _unit(pred))
    if average == "mean":
        return float(angles.mean())
    return angles if average is None else float(np.sqrt(np.mean(angles**2)))


def signal_to_reconstruction_error(
    abundances_true: ArrayLike, abundances_pred: ArrayLike
) -> float:
    r"""Power of the abundances over that of their error, in decibels.

    .. math:: 20 \log_{10} \frac{\|A\|_F}{\|A - \hat A\|_F}

    Parameters
    ----------
    abundances_true : array-like of shape (..., n_components)
        True abundances A, of pixels or of an image.

    abundances_pred : array-like of the same shape
        Estimated abundances, in the same order of endmembers.

    Returns
    -------
    ratio : float
        Higher is better; infinite where nothing differs.

    Raises
    ------
    ValueError
        If the shapes differ or a value is not finite: leave masked pixels out.

    See Also
    --------
    nmse : The inverse ratio, without the logarithm.

    References
    ----------
    .. [1] Iordache, M.-D., Bioucas-Dias, J. M. and Plaza, A. (2011). Sparse unmixing of
       hyperspectral data. :doi:`10.1109/TGRS.2010.2098413`

    Examples
    --------
    >>> from sparsestat.metrics import signal_to_reconstruction_error
    >>> signal_to_reconstruction_error([[1.0, 0.0]], [[0.9, 0.0]])
    20.0
    """
    true, pred = _abundances(abundances_true, abundances_pred)
    error, signal = np.linalg.norm(true - pred), np.linalg.norm(true)
    if error == 0.0:
        return np.inf
    return 20.0 * float(np.log10(signal / error)) if signal > 0.0 else -np.inf


def reconstruction_rmse(
    X: ArrayLike, abundances: ArrayLike, components: ArrayLike
) -> float:
    r"""Root mean squared error of pixels rebuilt from abundances and endmembers.

    .. math:: \sqrt{\|X - A E\|_F^2 / (n L)}

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Pixels.

    abundances : array-like of shape (n_samples, n_components)
        Abundances A.

    components : array-like of shape (n_components, n_features)
        Endmembers E.

    Returns
    -------
    error : float
        In units of `X`; lower is better. It says how well the model fits, not how
        close endmembers and abundances are to the truth.

    Raises
    ------
    ValueError
        If the shapes do not fit or a value is not finite.

    See Also
    --------
    abundance_rmse : The error of the abundances.

    References
    ----------
    .. [1] Keshava, N. and Mustard, J. F. (2002). Spectral unmixing.
       :doi:`10.1109/79.974727`

    Examples
    --------
    >>> from sparsestat.metrics import reconstruction_rmse
    >>> reconstruction_rmse([[1.0, 2.0]], [[0.5, 0.5]], [[2.0, 2.0], [0.0, 0.0]])
    0.7071067811865476
    """
    floats = [np.float64, np.float32]
    X = check_array(X, dtype=floats, input_name="X")
    A = check_array(abundances, dtype=floats, input_name="abundances")
    E = check_array(components, dtype=floats, input_name="components")
    if (len(A), E.shape[1]) != X.shape or A.shape[1] != len(E):
        raise ValueError(
            "X must have a row for each of abundances, a column for each band of "
            "components, and these a row for each column of abundances; got shapes "
            f"{X.shape}, {A.shape} and {E.shape}."
        )
    total = 0.0
    for first in range(0, len(X), _BLOCK):
        rows = slice(first, first + _BLOCK)
        total += np.sum(np.square(X[rows] - A[rows] @ E, dtype=np.float64))
    return float(np.sqrt(total / X.size))


def unmixing_report(
    components_true: ArrayLike,
    components_pred: ArrayLike,
    abundances_true: ArrayLike | None = None,
    abundances_pred: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
) -> "DataFrame":
    """Errors of estimated endmembers and abundances in a table.

    Parameters
    ----------
    components_true : array-like of shape (n_true, n_features)
        True endmembers.

    components_pred : array-like of shape (n_pred, n_features)
        Estimated endmembers, in any order.

    abundances_true : array-like of shape (..., n_true), default=None
        True abundances, of pixels or of an image.

    abundances_pred : array-like of shape (..., n_pred), default=None
        Estimated abundances, in the order of `components_pred`.

    names : sequence of str, default=None
        Names of the true endmembers; by default their numbers.

    Returns
    -------
    report : DataFrame of shape (n_true + 1, n_columns)
        A row for each true endmember, and a last row ``"all"``. The columns are
        ``match``, the row of the estimate, -1 where none is left; ``angle`` in radians
        and ``divergence``, of which the last row has the means; ``rmse`` of the
        abundances and ``sre_db``, their signal to reconstruction error, only if
        abundances are given: the last row is over all entries. An endmember that
        nothing matches has no angle, and abundances of zero.

    Raises
    ------
    ImportError
        Without pandas.
    ValueError
        If the shapes do not fit or a value is not finite.

    See Also
    --------
    match_endmembers : The matching alone.
    sklearn.metrics.classification_report : A report on classes.

    References
    ----------
    .. [1] Zhu, F. (2017). Hyperspectral unmixing: ground truth labeling, datasets,
       benchmark performances and survey. :arxiv:`1708.05125`

    Examples
    --------
    >>> from sparsestat.metrics import unmixing_report
    >>> report = unmixing_report(
    ...     [[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 1.0]],
    ...     [[1.0, 0.0]], [[0.2, 0.8]], names=["soil", "water"],
    ... )
    >>> report[["match", "angle", "rmse"]].round(3)
           match  angle  rmse
    soil       1  0.785   0.2
    water      0  0.000   0.2
    all       -1  0.393   0.2
    """
    import pandas as pd

    true, pred = _spectra(components_true, components_pred)
    n_true = len(true)
    names = [str(k) for k in range(n_true)] if names is None else list(names)
    if len(names) != n_true:
        raise ValueError(f"names must have {n_true} entries; got {len(names)}.")
    angles = spectral_angle(true, pred)
    order = _matching(angles)
    found = order >= 0
    columns = {"match": np.append(order, -1)}
    for key, values in (
        ("angle", angles),
        ("divergence", spectral_information_divergence(true, pred)),
    ):
        matched = np.where(found, values[np.arange(n_true), order], np.nan)
        columns[key] = np.append(matched, matched[found].mean())
    if (abundances_true is None) != (abundances_pred is None):
        raise ValueError("Give both abundances_true and abundances_pred, or neither.")
    if abundances_true is not None:
        A, B = np.asarray(abundances_true), np.asarray(abundances_pred)
        if A.shape[-1:] != (n_true,) or B.shape[-1:] != (len(pred),):
            raise ValueError(
                f"abundances_true and abundances_pred must have {n_true} and "
                f"{len(pred)} columns, one for each endmember; got shapes {A.shape} "
                f"and {B.shape}."
            )
        B = np.where(found, B[..., order], 0.0)
        maps = [(A[..., [k]], B[..., [k]]) for k in range(n_true)] + [(A, B)]
        columns["rmse"] = [abundance_rmse(*pair) for pair in maps]
        columns["sre_db"] = [signal_to_reconstruction_error(*pair) for pair in maps]
    return pd.DataFrame(columns, index=[*names, "all"])


def _spectra(X, Y):
    X = check_array(X, dtype=np.float64, input_name="X")
    if Y is None:
        return X, X
    Y = check_array(Y, dtype=np.float64, input_name="Y")
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            "Spectra that are compared must have the same number of bands; got shapes "
            f"{X.shape} and {Y.shape}."
        )
    return X, Y


def _abundances(true, pred):
    """Both as float64 of shape (n_pixels, n_components)."""
    true, pred = np.asarray(true), np.asarray(pred)
    if true.shape != pred.shape or true.ndim < 2:
        raise ValueError(
            "abundances_true and abundances_pred must have one shape (..., "
            f"n_components); got {true.shape} and {pred.shape}."
        )
    p = true.shape[-1]
    return tuple(
        check_array(values.reshape(-1, p), dtype=np.float64, input_name=name)
        for name, values in (("abundances_true", true), ("abundances_pred", pred))
    )


def _matching(angles: np.ndarray) -> np.ndarray:
    order = np.full(len(angles), -1)
    rows, columns = linear_sum_assignment(angles)
    order[rows] = columns
    return order


def _pairwise(distance, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Distances of all pairs, a row of the fewer spectra at a time."""
    if len(Y) < len(X):
        return _pairwise(distance, Y, X).T
    return np.stack([distance(x, Y) for x in X])


def _angles(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Angles of unit vectors along the last axis, after Kahan."""
    apart = np.linalg.norm(x - y, axis=-1)
    return 2.0 * np.arctan2(apart, np.linalg.norm(x + y, axis=-1))


def _divergences(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.sum((p - q) * (np.log(p) - np.log(q)), axis=-1)


def _unit(X: np.ndarray) -> np.ndarray:
    # Scaled first: squares of tiny values underflow.
    X = X / _or_one(np.abs(X).max(axis=1, keepdims=True))
    return X / _or_one(np.linalg.norm(X, axis=1, keepdims=True))


def _or_one(scale: np.ndarray) -> np.ndarray:
    return np.where(scale > 0.0, scale, 1.0)


def _distribution(X: np.ndarray) -> np.ndarray:
    X = np.maximum(X / _or_one(X.max(axis=1, keepdims=True)), 1e-12)
    return X / X.sum(axis=1, keepdims=True)
