"""Times with censoring: what survival models take as a target."""

import numpy as np
from sklearn.utils import check_array, column_or_1d

__all__ = ["check_survival"]

_ALLOWED = (
    "y must be a structured array with one boolean field (whether there was an event) "
    "and one numeric field (the time), an array of shape (n_samples, 2) with the times "
    "in column 0 and 0 or 1 (event) in column 1, or times of shape (n_samples,), all "
    "of events"
)


def check_survival(y: object) -> tuple[np.ndarray, np.ndarray]:
    """Return times and events of a survival target.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 2), or structured
        A structured array with one boolean field, the event, and one numeric field,
        the time; or two columns, the time and 0 or 1; or times of events only.

    Returns
    -------
    time : ndarray of shape (n_samples,)
        Not negative, float64.
    event : ndarray of shape (n_samples,), bool
        Whether the time is that of an event, else of censoring.

    Raises
    ------
    ValueError
        If `y` has another form, a time is negative or not finite, or an event is
        neither 0 nor 1.

    See Also
    --------
    sklearn.utils.check_array : Validation of plain arrays.

    Examples
    --------
    >>> from sparsestat.utils.survival import check_survival
    >>> time, event = check_survival([[2.5, 1], [4.0, 0]])
    >>> time, event
    (array([2.5, 4. ]), array([ True, False]))
    """
    names = getattr(getattr(y, "dtype", None), "names", None)
    if names is not None:
        time, event = _fields(np.asarray(y), names)
    else:
        array = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        if array.ndim == 2 and array.shape[1] == 1:
            array = column_or_1d(array, warn=True)
        if array.ndim == 1:
            time, event = array, np.ones(len(array), bool)
        elif array.ndim == 2 and array.shape[1] == 2:
            time, flags = array[:, 0], array[:, 1]
            wrong = (flags != 0.0) & (flags != 1.0)
            if wrong.any():
                first = int(wrong.argmax())
                raise ValueError(
                    f"Column 1 of y must be 0 or 1; got {flags[first]} at row {first}."
                )
            event = flags == 1.0
        else:
            raise ValueError(f"{_ALLOWED}; got shape {array.shape}.")
    if (time < 0.0).any():
        first = int((time < 0.0).argmax())
        raise ValueError(f"Times in y must be >= 0; got {time[first]} at row {first}.")
    return np.ascontiguousarray(time), event


def _fields(y: np.ndarray, names: tuple) -> tuple[np.ndarray, np.ndarray]:
    kinds = [y.dtype[name].kind for name in names]
    flags = [name for name, kind in zip(names, kinds, strict=True) if kind == "b"]
    numbers = [name for name, kind in zip(names, kinds, strict=True) if kind in "iuf"]
    if not (y.ndim == 1 and len(names) == 2 and len(flags) == len(numbers) == 1):
        raise ValueError(f"{_ALLOWED}; got fields {y.dtype}.")
    time = y[numbers[0]].astype(np.float64)
    check_array(time, ensure_2d=False, input_name="y")
    return time, y[flags[0]].astype(bool)
