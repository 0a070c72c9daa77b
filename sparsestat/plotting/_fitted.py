"""Reading fitted estimators, alone or at the end of a pipeline or a search."""

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted


def unwrap(estimator):
    """Return the last step and the pipeline before it, or None."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if isinstance(estimator, Pipeline):
        before = estimator[:-1] if len(estimator) > 1 else None
        return estimator[-1], before
    return estimator, None


def check_attributes(caller, estimator, attributes, example):
    """Refuse an estimator that is not fitted or of another kind."""
    check_is_fitted(estimator)
    missing = [name for name in attributes if not hasattr(estimator, name)]
    if missing:
        raise TypeError(
            f"{caller} needs an estimator with {' and '.join(missing)}, such as "
            f"{example}; got {estimator!r}."
        )


def names_of_features(estimator, before, n_features):
    """Return the names seen in fit, those a pipeline makes, or x0, x1, ..."""
    if hasattr(estimator, "feature_names_in_"):
        return estimator.feature_names_in_
    default = np.array([f"x{j}" for j in range(n_features)], dtype=object)
    if before is None:
        return default
    try:
        return before.get_feature_names_out()
    except (AttributeError, ValueError):  # a step that does not name its output
        return default


def path_of(estimator):
    """Return the alphas that belong to the columns of ``path_coef_``."""
    alphas = np.asarray(estimator.alphas_)
    return alphas[best_row(estimator)] if alphas.ndim == 2 else alphas


def path_by_features(estimator):
    """Return a row of the path for each feature, and what it is a norm over or None."""
    coefs, n_features = estimator.path_coef_, estimator.n_features_in_
    if coefs.shape[0] == n_features:
        return coefs, None
    coefs = coefs.toarray() if sparse.issparse(coefs) else np.asarray(coefs)
    blocks = coefs.reshape(-1, n_features, coefs.shape[1])
    over = "classes" if is_classifier(estimator) else "tasks"
    return np.linalg.norm(blocks, axis=0), over


def best_row(estimator):
    """Return the row of the chosen ``l1_ratio_`` or ``phi_`` of several."""
    name = "l1_ratio" if hasattr(estimator, "l1_ratio_") else "phi"
    values = np.atleast_1d(getattr(estimator, name))
    return int(np.abs(values - getattr(estimator, f"{name}_")).argmin())
