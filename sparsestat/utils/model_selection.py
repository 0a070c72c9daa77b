"""Rules by which a search chooses among its candidates."""

from collections.abc import Mapping

import numpy as np

__all__ = ["smallest_within_one_se"]


def smallest_within_one_se(
    cv_results: Mapping, *, parameter: str = "n_components", scoring: str = "score"
) -> int:
    """Candidate of the smallest size whose score is as good as the best.

    As good is less than one standard error of the best mean score below it. Use it as
    `refit` of a search; ``functools.partial`` gives it other arguments.

    Parameters
    ----------
    cv_results : mapping
        Results of a search, ``cv_results_``.

    parameter : str, default="n_components"
        The size, alone or as the last part of a name such as
        ``"nfindr__n_components"``. Of several candidates of one size the best is
        chosen.

    scoring : str, default="score"
        The score, where a search has several.

    Returns
    -------
    best_index : int
        Row of the results.

    Raises
    ------
    ValueError
        If no parameter or several have this name, scores are missing, or all are NaN.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : A search.

    References
    ----------
    .. [1] Breiman, L., Friedman, J. H., Olshen, R. A. and Stone, C. J. (1984).
       Classification and Regression Trees.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sparsestat.utils.model_selection import smallest_within_one_se
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 2)) @ rng.standard_normal((2, 9))
    >>> X += 0.1 * rng.standard_normal(X.shape)
    >>> search = GridSearchCV(
    ...     PCA(), {"n_components": [1, 2, 3, 4]}, refit=smallest_within_one_se
    ... )
    >>> search.fit(X).best_params_
    {'n_components': 2}
    """
    names = [
        name
        for name in cv_results
        if name.startswith("param_")
        and name.removeprefix("param_").rpartition("__")[2] == parameter
    ]
    if len(names) != 1:
        raise ValueError(
            f"parameter must name one of the parameters of the search; got "
            f"{parameter!r}, which fits {', '.join(names) or 'none'}."
        )
    splits = [
        np.asarray(values, dtype=np.float64)
        for name, values in cv_results.items()
        if name.startswith("split") and name.endswith(f"_test_{scoring}")
    ]
    if not splits:
        raise ValueError(f"scoring must name a score of the search; got {scoring!r}.")
    scores = np.stack(splits, axis=1)
    means = scores.mean(axis=1)
    if np.isnan(means).all():
        raise ValueError("cv_results has no candidate whose scores are all numbers.")
    best = int(np.nanargmax(means))
    n_splits = scores.shape[1]
    error = scores[best].std(ddof=1) / np.sqrt(n_splits) if n_splits > 1 else 0.0
    sizes = np.array([float(size) for size in cv_results[names[0]]])
    # NaN compares as false: failed candidates are not as good.
    good = np.flatnonzero(means >= means[best] - error)
    smallest = good[sizes[good] == sizes[good].min()]
    return int(smallest[means[smallest].argmax()])
