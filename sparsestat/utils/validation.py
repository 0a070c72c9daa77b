"""Checks of constructor parameters and weights, with errors that say what is allowed.

An estimator lists one rule per parameter; rules are joined with ``|``, and a bare
``None``, string or class may stand on either side of the bar:

>>> from math import inf
>>> table = {
...     "alpha": Interval(0, inf, closed="left"),
...     "alpha_rule": OneOf("min", "1se") | Callable,
...     "max_iter": Interval(1, inf, closed="left", integer=True),
...     "penalty_weights": ArrayLike | None,
... }
"""

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sized
from math import inf

import numpy as np

__all__ = [
    "ArrayLike",
    "Boolean",
    "Callable",
    "Each",
    "Interval",
    "Jobs",
    "OneOf",
    "ParameterError",
    "RandomState",
    "Rule",
    "Satisfies",
    "Splitter",
    "Verbosity",
    "check_coefficients",
    "check_offset",
    "check_parameters",
    "check_sample_weight",
    "check_weights",
]


class ParameterError(ValueError, TypeError):
    """A parameter outside its table; caught as ``ValueError`` and as ``TypeError``."""


def check_parameters(
    owner: object, table: Mapping[str, "Rule"], *, name: str | None = None
) -> None:
    """Check parameters against a table of rules.

    Parameters
    ----------
    owner : estimator or mapping
        An estimator, whose attributes named in `table` are checked, or a mapping from
        parameter names to values, every entry of which is checked.
    table : mapping of str to rule
        What is allowed for each parameter, in the order in which they are checked.
    name : str, default=None
        Who complains: by default the class of `owner`; give the function's name along
        with a mapping.

    Raises
    ------
    ParameterError
        At the first parameter that breaks its rule. It is both a ``ValueError`` and a
        ``TypeError``, and names the owner, the parameter, what is allowed and the
        value given.

    See Also
    --------
    sklearn.base.BaseEstimator : Its parameters are validated when `fit` is called.

    Examples
    --------
    >>> table = {"alpha": Interval(0, float("inf"), closed="left")}
    >>> check_parameters({"alpha": 0.1}, table, name="lasso_path")
    >>> check_parameters({"alpha": -1.0}, table, name="lasso_path")
    Traceback (most recent call last):
    ...
    sparsestat.utils.validation.ParameterError: lasso_path: alpha must be a finite \
real number in [0, inf); got -1.0.
    """
    if isinstance(owner, Mapping):
        values = owner
    else:
        values = {key: getattr(owner, key) for key in table}
        name = name or type(owner).__name__
    for key, value in values.items():
        rule = table[key]
        if not rule.accepts(value):
            prefix = f"{name}: " if name else ""
            raise ParameterError(f"{prefix}{key} must be {rule}; got {_shown(value)}.")


def check_sample_weight(sample_weight: object, X: object) -> np.ndarray | None:
    """Return sample weights as a float64 vector, or None for equal weights.

    Parameters
    ----------
    sample_weight : None, real number or array-like of shape (n_samples,)
        Weights of the rows of `X`; only their ratios matter. Zero drops a row.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        The data that the weights belong to.

    Returns
    -------
    sample_weight : ndarray of shape (n_samples,) or None
        None if None was given.

    Raises
    ------
    ValueError
        If the shape is wrong, an entry is negative, NaN or infinite, all are zero
        or their sum overflows.

    See Also
    --------
    sklearn.utils.validation.check_array : Validation of `X` itself.

    Examples
    --------
    >>> check_sample_weight([1, 0, 2], [[1.0], [2.0], [3.0]])
    array([1., 0., 2.])
    """
    if sample_weight is None:
        return None
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    if _is_number(sample_weight):
        sample_weight = np.full(n_samples, sample_weight)
    weights = _vector(sample_weight, "sample_weight", n_samples, "row of X")
    _refuse(weights, ~np.isfinite(weights), "sample_weight must be finite")
    _refuse(weights, weights < 0, "sample_weight must be >= 0")
    if not weights.any():
        raise ValueError(
            f"sample_weight must not be all zero; got {n_samples} weights of 0."
        )
    with np.errstate(over="ignore"):
        if np.isinf(weights.sum()):
            raise ValueError(
                "sample_weight must have a finite sum; got weights up to "
                f"{weights.max()}."
            )
    return weights


def check_offset(offset: object, X: object) -> np.ndarray:
    """Return known parts of linear predictions as a float64 vector, zeros for None.

    Parameters
    ----------
    offset : None or array-like of shape (n_samples,)
        One for each row of `X`.
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        The data that the offsets belong to.

    Returns
    -------
    offset : ndarray of shape (n_samples,)
        Finite.

    Raises
    ------
    ValueError
        If the shape is wrong or an entry is NaN or infinite.

    See Also
    --------
    check_sample_weight : The same for weights.

    Examples
    --------
    >>> import numpy as np
    >>> check_offset([0.5, 1.0], np.ones((2, 1)))
    array([0.5, 1. ])
    """
    if offset is None:
        return np.zeros(X.shape[0])
    values = _vector(offset, "offset", X.shape[0], "row of X")
    _refuse(values, ~np.isfinite(values), "offset must be finite")
    return values


def check_weights(
    values: object, name: str, n_features: int, owner: str = "feature"
) -> np.ndarray | None:
    """Return weights of the features as a float64 vector, or None for equal weights.

    Parameters
    ----------
    values : None or array-like of shape (n_features,)
        A weight of zero leaves a feature unpenalised, an infinite one excludes it.
    name : str
        The parameter's name, for the error.
    n_features : int
        The number of features.
    owner : str, default="feature"
        What has a weight, for the error.

    Returns
    -------
    values : ndarray of shape (n_features,) or None
        None if None was given.

    Raises
    ------
    ValueError
        If the shape is wrong, an entry is negative or NaN, or all are infinite.

    See Also
    --------
    check_sample_weight : The same for rows.

    Examples
    --------
    >>> check_weights([1, 0, float("inf")], "penalty_weights", 3)
    array([ 1.,  0., inf])
    """
    if values is None:
        return None
    weights = _vector(values, name, n_features, owner)
    _refuse(weights, np.isnan(weights), f"{name} must not hold NaN")
    _refuse(weights, weights < 0, f"{name} must be >= 0")
    if np.isposinf(weights).all():
        raise ValueError(
            f"{name} must have a finite entry; got inf for all {n_features} {owner}s, "
            "which excludes every one."
        )
    return weights


def check_coefficients(values: object, name: str, n_features: int) -> np.ndarray:
    """Return coefficients of the features as a finite float64 vector.

    Parameters
    ----------
    values : array-like of shape (n_features,)
        The coefficients.
    name : str
        The parameter's name, for the error.
    n_features : int
        The number of features.

    Returns
    -------
    values : ndarray of shape (n_features,)
        A vector of its own.

    Raises
    ------
    ValueError
        If the shape is wrong, or an entry is NaN or infinite.

    See Also
    --------
    check_weights : The same for weights of the features.

    Examples
    --------
    >>> check_coefficients([1, 0, -2], "init", 3)
    array([ 1.,  0., -2.])
    """
    coefficients = _vector(values, name, n_features, "feature")
    _refuse(coefficients, ~np.isfinite(coefficients), f"{name} must be finite")
    return coefficients


class Rule(ABC):
    """What a parameter may be: `accepts` decides, ``str`` describes."""

    @abstractmethod
    def accepts(self, value: object) -> bool:
        """Whether `value` is allowed."""

    @abstractmethod
    def __str__(self) -> str: ...

    def __or__(self, other: object) -> "Rule":
        return _AnyOf(self, _as_rule(other))

    def __ror__(self, other: object) -> "Rule":
        return _AnyOf(_as_rule(other), self)


class Interval(Rule):
    """A real number, or an integer, between two bounds; never NaN, never a bool.

    Parameters
    ----------
    low, high : real numbers
        The bounds; may be infinite.
    closed : {"both", "left", "right", "neither"}, default="both"
        Which bounds belong to the interval.
    integer : bool, default=False
        Whether only integers are allowed.

    Examples
    --------
    >>> rule = Interval(0, 1, closed="right")
    >>> str(rule), rule.accepts(0.5), rule.accepts(0), rule.accepts(True)
    ('a real number in (0, 1]', True, False, False)
    """

    def __init__(self, low, high, *, closed="both", integer=False):
        self.low, self.high, self.integer = low, high, integer
        self.left_closed = closed in ("both", "left")
        self.right_closed = closed in ("both", "right")

    def accepts(self, value: object) -> bool:
        if not _is_number(value, numbers.Integral if self.integer else numbers.Real):
            return False
        above = self.low <= value if self.left_closed else self.low < value
        below = value <= self.high if self.right_closed else value < self.high
        return bool(above and below)

    def __str__(self) -> str:
        kind = "an integer" if self.integer else "a real number"
        unbounded = inf in (-self.low, self.high)
        if unbounded and not (self.integer or self.accepts(inf) or self.accepts(-inf)):
            kind = "a finite real number"
        left, right = "(["[self.left_closed], ")]"[self.right_closed]
        return f"{kind} in {left}{self.low}, {self.high}{right}"


class OneOf(Rule):
    """One of the listed values; ``1`` does not pass for ``True``.

    Parameters
    ----------
    *options : None, bool or str
        The allowed values.

    Examples
    --------
    >>> rule = OneOf("auto", True, False)
    >>> str(rule), rule.accepts("auto"), rule.accepts(1)
    ("'auto', True or False", True, False)
    """

    def __init__(self, *options):
        self.options = options

    def accepts(self, value: object) -> bool:
        if isinstance(value, np.bool):
            value = bool(value)
        return any(
            isinstance(value, type(option)) and value == option
            for option in self.options
        )

    def __str__(self) -> str:
        *first, last = map(repr, self.options)
        return f"{', '.join(first)} or {last}" if first else last


class Each(Rule):
    """A non-empty one-dimensional array-like whose entries all obey one rule.

    Parameters
    ----------
    rule : rule
        The rule of every entry.

    Examples
    --------
    >>> rule = Interval(0, 1) | Each(Interval(0, 1))
    >>> rule.accepts([0.5, 1.0]), rule.accepts([0.5, 2.0]), rule.accepts([])
    (True, False, False)
    """

    def __init__(self, rule):
        self.rule = rule

    def accepts(self, value: object) -> bool:
        return (
            ArrayLike.accepts(value)
            and len(value) > 0
            and all(self.rule.accepts(entry) for entry in value)
        )

    def __str__(self) -> str:
        return f"a non-empty 1-D array-like, each entry {self.rule}"


class Satisfies(Rule):
    """Whatever satisfies a predicate.

    Parameters
    ----------
    predicate : callable
        Maps a value to whether it is allowed.
    description : str
        What the error calls it, with its article.

    Examples
    --------
    >>> splitter = Satisfies(lambda cv: hasattr(cv, "split"), "a splitter")
    >>> str(splitter | None)
    'a splitter or None'
    """

    def __init__(self, predicate, description):
        self.predicate, self.description = predicate, description

    def accepts(self, value: object) -> bool:
        return bool(self.predicate(value))

    def __str__(self) -> str:
        return self.description


class _AnyOf(Rule):
    def __init__(self, *rules):
        self.rules = rules

    def accepts(self, value: object) -> bool:
        return any(rule.accepts(value) for rule in self.rules)

    def __str__(self) -> str:
        return " or ".join(map(str, self.rules))


def _as_rule(value: object) -> Rule:
    if isinstance(value, Rule):
        return value
    if isinstance(value, type):
        return Satisfies(
            lambda given: isinstance(given, value), f"an instance of {value.__name__}"
        )
    return OneOf(value)


def _is_number(value: object, kind: type = numbers.Real) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool | np.bool)


def _is_array_like(value: object) -> bool:
    if not isinstance(value, Sized) or isinstance(value, str | bytes | Mapping | set):
        return False
    return getattr(value, "ndim", 1) > 0


def _is_splitter(value: object) -> bool:
    if isinstance(value, str | bytes | Mapping):
        return False
    return hasattr(value, "split") or isinstance(value, Iterable)


def _vector(values: object, name: str, length: int, owner: str) -> np.ndarray:
    allowed = f"{name} must be numbers of shape ({length},), one for each {owner}"
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":
            raise TypeError
        vector = array.astype(np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{allowed}; got {_shown(values)}.") from None
    if vector.shape != (length,):
        raise ValueError(f"{allowed}; got shape {vector.shape}.")
    return vector


def _refuse(values: np.ndarray, bad: np.ndarray, message: str) -> None:
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(f"{message}; got {values[first]} at index {first}.")


def _shown(value: object, width: int = 80) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= width else f"{text[: width - 3]}..."


Boolean = OneOf(True, False)
Callable = Satisfies(callable, "a callable")
ArrayLike = Satisfies(_is_array_like, "an array-like")
Jobs = Satisfies(
    lambda n: n is None or (_is_number(n, numbers.Integral) and n != 0),
    "a non-zero integer or None",
)
RandomState = Interval(0, 2**32 - 1, integer=True) | np.random.RandomState | None
Splitter = (
    Interval(2, inf, closed="left", integer=True)
    | Satisfies(_is_splitter, "a splitter or an iterable of (train, test) indices")
    | None
)
Verbosity = Boolean | Interval(0, inf, closed="left", integer=True)
