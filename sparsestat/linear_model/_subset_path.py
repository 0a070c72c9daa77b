"""What a fitted path of subsets is good for: a table, and the models of other sizes."""

import copy
from itertools import pairwise
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from sparsestat.optim.subset import SubsetPath

__all__ = ["SizesMixin", "criterion_bounds"]


class SizesMixin:
    """Methods of estimators whose path over sizes is fitted."""

    # What falls along the path, an attribute with an underscore and a column.
    _path_loss: ClassVar[str] = "rss"

    def refit(self, n_nonzero_coefs):
        """The fitted model with the subset of another size of the path.

        Parameters
        ----------
        n_nonzero_coefs : int
            One of `sizes_`.

        Returns
        -------
        model : object
            A copy; nothing is computed anew.

        Raises
        ------
        ValueError
            For a size that is not on the path.

        Notes
        -----
        Certificates are those of that size. Where nothing is known, as of sizes that a
        search on shards did not verify, `lower_bound_` is 0, and `swap_gap_` 1: an
        exchange cannot save more than all.

        Least squares of other sizes than the chosen one are those of second moments,
        unless these have been found to be inaccurate.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sparsestat.linear_model import BestSubsetRegressor
        >>> model = BestSubsetRegressor().fit(*load_diabetes(return_X_y=True))
        >>> model.refit(2).support_
        array([2, 8])
        """
        model = copy.copy(self)
        model._take_size(self._index_of(n_nonzero_coefs))
        return model

    def to_frame(self):
        """The path as a table.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each size, with support, residual sum of squares or loss,
            criterion and what has been proved.
        """
        check_is_fitted(self)
        import pandas as pd

        p = self.n_features_in_
        names = getattr(self, "feature_names_in_", np.arange(p))
        ends = self.path_coef_.indptr
        supports = [
            [names[j] for j in np.unique(self.path_coef_.indices[a:b] % p)]
            for a, b in pairwise(ends)
        ]
        return pd.DataFrame(
            {
                "size": self.sizes_,
                "support": supports,
                self._path_loss: getattr(self, f"{self._path_loss}_"),
                "criterion": self.criterion_,
                "lower_bound": self.lower_bounds_,
                "optimal": self.optimal_path_,
                "chosen": self.sizes_ == self.n_nonzero_coefs_,
            }
        ).set_index("size")

    @property
    def sparse_coef_(self):
        """Coefficients as a `csr_array` with a row for each target or output."""
        return sparse.csr_array(np.atleast_2d(self.coef_))

    def _index_of(self, size: int) -> int:
        """Where a size is on the path."""
        check_is_fitted(self)
        where = np.flatnonzero(self.sizes_ == size)
        if len(where) == 0:
            raise ValueError(
                f"n_nonzero_coefs must be one of sizes_, {self.sizes_.tolist()}; got "
                f"{size!r}."
            )
        return int(where[0])

    def _take_size(self, k: int) -> None:
        """Take the solution of one size, and its certificates."""
        dtype = self.coef_.dtype
        coef = self.path_coef_[:, [k]].toarray().reshape(self.coef_.shape)
        self.support_ = np.flatnonzero(np.atleast_2d(coef).any(axis=0))
        self.coef_ = coef.astype(dtype)
        self.intercept_ = self.path_intercept_[..., k].astype(dtype)
        if coef.ndim == 1:
            self.intercept_ = dtype.type(self.intercept_)
        self._certify(k)

    def _certify(self, k: int) -> None:
        """Take the certificates of one size."""
        self.n_nonzero_coefs_ = int(self.sizes_[k])
        self.optimal_ = bool(self.optimal_path_[k])
        self.lower_bound_ = float(self.lower_bounds_[k])
        value = float(self._objectives[k])
        gap = (value - self.lower_bound_) / value if value > 0.0 else 0.0
        self.optimality_gap_ = 0.0 if self.optimal_ else float(gap)
        self.swap_gap_ = self.stationarity_ = float(self._swap_gaps[k])


def criterion_bounds(path: SubsetPath, n_values: float) -> np.ndarray:
    """What the criterion would be at the lower bounds of the residuals."""
    ridge = path.losses - path.rss  # a bound of the objective bounds nothing else
    least = np.where(path.optimal, path.rss, path.lower_bounds)
    known = (least > 0.0) & (path.rss > 0.0) & (path.optimal | (ridge <= 0.0))
    bounds = np.where(path.optimal, path.criterion, -np.inf)
    share = np.log(least[known] / path.rss[known])
    bounds[known] = path.criterion[known] + n_values * share
    return bounds
