"""Stand-ins with the fitted attributes that the displays read."""

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator


class PathModel(BaseEstimator):
    """Three features, four strengths, five folds; y = 2 x0 at the weak end."""

    alphas = np.array([1.0, 0.3, 0.1, 0.03])
    coefs = np.array(
        [[0.0, 1.0, 1.5, 2.0], [0.0, 0.0, -0.5, -0.25], [0.0, 0.0, 0.0, 0.0]]
    )
    errors = np.array(
        [
            [9.0, 8.0, 9.0, 8.0, 9.0],
            [3.0, 2.0, 3.0, 2.0, 3.0],
            [2.0, 1.0, 3.5, 1.5, 3.0],
            [4.0, 3.0, 4.0, 3.0, 4.0],
        ]
    )

    def __init__(self, scoring=None, l1_ratio=1.0):
        self.scoring = scoring
        self.l1_ratio = l1_ratio

    def fit(self, X, y=None):
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = np.shape(X)[1]
        self.alphas_, scores, self.alpha_ = self.alphas, self.errors, 0.1
        if np.ndim(self.l1_ratio):
            # The second of the ratios is the best.
            self.l1_ratio_ = self.l1_ratio[1]
            self.alphas_ = np.outer([10.0, 1.0], self.alphas)
            scores = np.stack([self.errors + 1.0, self.errors])
        if self.scoring is None:
            self.mse_path_ = scores
        else:
            self.score_path_ = -scores
        self.path_coef_ = sparse.csc_array(self.coefs)
        self.path_intercept_ = np.zeros(4)
        return self

    def predict(self, X):
        return np.asarray(X) @ self.coefs[:, 2]
