"""Debiased regressions of classes, counts and amounts."""

from typing import ClassVar

import numpy as np

from sparsestat.linear_model._debiased_glm import DebiasedModel, DebiasedRegressor
from sparsestat.linear_model._gamma import (
    GammaMixin,
    SparseGammaRegressor,
    SparseGammaRegressorCV,
)
from sparsestat.linear_model._generalized import MeanPrediction
from sparsestat.linear_model._logistic import (
    LikelihoodClassifier,
    SparseLogisticRegression,
    SparseLogisticRegressionCV,
)
from sparsestat.linear_model._poisson import (
    PoissonMixin,
    SparsePoissonRegressor,
    SparsePoissonRegressorCV,
)
from sparsestat.optim.datafits import Logistic

__all__ = [
    "DebiasedGammaRegressor",
    "DebiasedLogisticRegression",
    "DebiasedPoissonRegressor",
]


class DebiasedLogisticRegression(LikelihoodClassifier, DebiasedModel):
    r"""Confidence intervals and p-values of a sparse logistic regression.

    The loss :math:`\sum_i s_i \log(1 + e^{-y_i z_i})` of
    :class:`SparseLogisticRegression` is fitted on the features S that the Lasso selects
    at alpha, with the share :math:`\phi` of the penalty (the relaxed Lasso, from whose
    predictions much of the shrinkage is gone); one Newton step for each coefficient
    removes the rest of the bias:

    .. math::
        \hat\beta_j = w_j + \frac{z_j^\top u}{z_j^\top H x_j}, \qquad
        \mathrm{se}_j =
        \frac{\sqrt{z_j^\top H z_j}}{\sqrt n \, |z_j^\top H x_j|},

    with u minus the derivative of the loss, H its expected curvatures
    :math:`s_i p_i (1 - p_i)` and :math:`z_j = x_j - X_{-j} g_j` the residual of feature
    j in its own Lasso on the others, weighted by H. For a sparse truth
    :math:`(\hat\beta_j - \beta_j) / \mathrm{se}_j` is close to standard normal, also
    with more features than samples. With few features and ``alpha=0`` it is the
    estimate of greatest likelihood with Wald's standard errors. Columns are taken at
    unit variance throughout, so that intervals do not depend on their units.

    Parameters
    ----------
    alpha : {"bic", "ebic", "cv"} or float, default="bic"
        Strength of the Lasso that selects, >= 0, on columns of unit variance; or how to
        choose it on a path: by an information criterion or five folds.
    phi : float, default=0.1
        Share of the penalty, in (0, 1], on the selected features; 1 is the Lasso. A
        smaller share shrinks predictions less; above zero a finite fit exists for
        every y.
    precision : "nodewise" or array-like, default="nodewise"
        Where the z_j come from: a Lasso for every feature, or X times the columns of a
        matrix of shape (n_features, n_features), an estimate of the inverse of
        :math:`X^\top H X` up to factors of the columns.
    alpha_nodewise : float, default=None
        Strength > 0 of the Lasso of each feature, on columns of unit variance; None is
        :math:`\tfrac12 \sqrt{2 \log p / n}`. Smaller values leave less bias, and wider
        intervals.
    covariance : {"fisher", "sandwich"}, default="fisher"
        Where the variance of u comes from: the curvatures, as above, or its squares,
        which also holds where probabilities are not those of the model.
    confidence_level : float, default=0.95
        Level of `conf_int_`.
    n_bootstraps : int, default=1000
        Draws of the multiplier bootstrap for simultaneous statements.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded from the fit.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    max_iter : int, default=100
        Outer rounds at most, of the path and of the fit.
    tol : float, default=1e-6
        Bound of the duality gaps, relative to the loss of the null model; the problems
        of the features are solved to 1e-4 or `tol`, whichever is larger. float32 data:
        at least 1e-5.
    n_jobs : int, default=None
        Threads over features and folds; the result does not depend on it.
    random_state : int or RandomState, default=0
        Draws of the bootstrap.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Classes; coefficients are those of the second one.
    coef_debiased_ : ndarray of shape (n_features,)
        The :math:`\hat\beta_j`, changes of the logarithm of the odds of the second
        class.
    std_err_ : ndarray of shape (n_features,)
        Their standard errors; infinite for constant features.
    conf_int_ : ndarray of shape (n_features, 2)
        Confidence interval of each coefficient by itself, at `confidence_level`.
    pvalues_ : ndarray of shape (n_features,)
        Two-sided p-values of each coefficient being zero.
    adjusted_pvalues_ : ndarray of shape (n_features,)
        The same, valid for all coefficients at once: the probability, by the bootstrap,
        that the largest of all statistics comes out that large.
    alpha_ : float
        Strength of the Lasso that selects.
    alpha_nodewise_ : float
        Strength of the problems of the features, only if `precision` is "nodewise".
    nodewise_gap_ : float
        Largest duality gap of these problems relative to their null models, only if
        `precision` is "nodewise".
    coef_ : ndarray of shape (1, n_features)
        Coefficients w of the relaxed Lasso, which predict.
    intercept_ : ndarray of shape (1,)
        Intercept of the relaxed Lasso.
    dual_gap_ : float
        Duality gap of the relaxed Lasso.
    dual_gap_tol_ : float
        Bound that was asked for.
    objective_ : float
        Objective of the relaxed Lasso.
    n_iter_ : int
        Outer rounds of the relaxed Lasso.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients of the relaxed Lasso as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    sparsestat.plotting.CoefficientIntervalDisplay : Draws the intervals.
    SparseLogisticRegressionCV : Predictions by cross-validation, without intervals.
    DebiasedLasso : Least squares.
    sklearn.linear_model.LogisticRegression : Other penalties, without intervals.

    Notes
    -----
    All problems of single features are solved on one weighted Gram matrix, in threads
    that share it; beyond 8192 features, where it is not formed, each is a fit of its
    own.

    Corrections are of first order: where predictions are shrunk much, the curvatures
    are wrong and what is left of the bias is not small. Hence the relaxed Lasso.
    Intervals are as good as the linear approximation of the scores about it, which
    wants ten or more samples of the rarer class for each feature that matters.

    References
    ----------
    van de Geer, Buhlmann, Ritov and Dezeure (2014), doi:10.1214/14-AOS1221; for
    simultaneous intervals Zhang and Cheng (2017), doi:10.1080/01621459.2016.1166114;
    for the relaxed Lasso Meinshausen (2007), doi:10.1016/j.csda.2006.12.019.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import DebiasedLogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 50))
    >>> y = X[:, 0] + 0.5 * rng.logistic(size=200) > 0
    >>> model = DebiasedLogisticRegression().fit(X, y)
    >>> (model.adjusted_pvalues_ < 0.05).nonzero()[0]
    array([0])
    """

    _datafit = Logistic()
    _selectors: ClassVar = SparseLogisticRegression, SparseLogisticRegressionCV
    class_weight = None  # weights of classes would not be frequencies

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _validated(self, X, y, sample_weight, offset=None):
        before = vars(self).get("classes_")
        checked = super()._validated(X, y, sample_weight, offset)
        if len(self.classes_) > 2:
            found = self.classes_
            del self.classes_
            if before is not None:
                self.classes_ = before
            raise ValueError(
                "Only binary classification is supported. y must have two classes; got "
                f"{len(found)}: {found[:5].tolist()}."
            )
        return checked


class DebiasedPoissonRegressor(PoissonMixin, MeanPrediction, DebiasedRegressor):
    r"""Confidence intervals and p-values of a sparse Poisson regression.

    The loss :math:`\sum_i s_i (e^{z_i} - y_i z_i)` of :class:`SparsePoissonRegressor`
    is fitted on the features S that the Lasso selects at alpha, with the share
    :math:`\phi` of the penalty (the relaxed Lasso, from whose predictions much of the
    shrinkage is gone); one Newton step for each coefficient removes the rest of the
    bias:

    .. math::
        \hat\beta_j = w_j + \frac{z_j^\top u}{z_j^\top H x_j}, \qquad
        \mathrm{se}_j =
        \frac{\sqrt{z_j^\top H z_j}}{\sqrt n \, |z_j^\top H x_j|},

    with u minus the derivative of the loss, H its expected curvatures :math:`s_i
    e^{z_i}` and :math:`z_j = x_j - X_{-j} g_j` the residual of feature j in its own
    Lasso on the others, weighted by H. For a sparse truth :math:`(\hat\beta_j -
    \beta_j) / \mathrm{se}_j` is close to standard normal, also with more features than
    samples. With few features and ``alpha=0`` it is the estimate of greatest likelihood
    with Wald's standard errors. Columns are taken at unit variance throughout, so that
    intervals do not depend on their units.

    Parameters
    ----------
    alpha : {"bic", "ebic", "cv"} or float, default="bic"
        Strength of the Lasso that selects, >= 0, on columns of unit variance; or how to
        choose it on a path: by an information criterion or five folds.
    phi : float, default=0.1
        Share of the penalty, in (0, 1], on the selected features; 1 is the Lasso. A
        smaller share shrinks predictions less; above zero a finite fit exists for
        every y.
    precision : "nodewise" or array-like, default="nodewise"
        Where the z_j come from: a Lasso for every feature, or X times the columns of a
        matrix of shape (n_features, n_features), an estimate of the inverse of
        :math:`X^\top H X` up to factors of the columns.
    alpha_nodewise : float, default=None
        Strength > 0 of the Lasso of each feature, on columns of unit variance; None is
        :math:`\tfrac12 \sqrt{2 \log p / n}`. Smaller values leave less bias, and wider
        intervals.
    covariance : {"fisher", "sandwich"}, default="fisher"
        Where the variance of u comes from: the curvatures, as above, or its squares,
        which also holds where the variance of counts is not their mean.
    confidence_level : float, default=0.95
        Level of `conf_int_`.
    n_bootstraps : int, default=1000
        Draws of the multiplier bootstrap for simultaneous statements.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded from the fit.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    max_iter : int, default=100
        Outer rounds at most, of the path and of the fit.
    tol : float, default=1e-6
        Bound of the duality gaps, relative to the loss of the null model; the problems
        of the features are solved to 1e-4 or `tol`, whichever is larger. float32 data:
        at least 1e-5.
    n_jobs : int, default=None
        Threads over features and folds; the result does not depend on it.
    random_state : int or RandomState, default=0
        Draws of the bootstrap.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_debiased_ : ndarray of shape (n_features,)
        The :math:`\hat\beta_j`.
    std_err_ : ndarray of shape (n_features,)
        Their standard errors; infinite for constant features.
    conf_int_ : ndarray of shape (n_features, 2)
        Confidence interval of each coefficient by itself, at `confidence_level`.
    pvalues_ : ndarray of shape (n_features,)
        Two-sided p-values of each coefficient being zero.
    adjusted_pvalues_ : ndarray of shape (n_features,)
        The same, valid for all coefficients at once: the probability, by the bootstrap,
        that the largest of all statistics comes out that large.
    alpha_ : float
        Strength of the Lasso that selects.
    alpha_nodewise_ : float
        Strength of the problems of the features, only if `precision` is "nodewise".
    nodewise_gap_ : float
        Largest duality gap of these problems relative to their null models, only if
        `precision` is "nodewise".
    coef_ : ndarray of shape (n_features,)
        Coefficients w of the relaxed Lasso, which predict.
    intercept_ : float
        Intercept of the relaxed Lasso.
    dual_gap_ : float
        Duality gap of the relaxed Lasso.
    dual_gap_tol_ : float
        Bound that was asked for.
    objective_ : float
        Objective of the relaxed Lasso.
    n_iter_ : int
        Outer rounds of the relaxed Lasso.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients of the relaxed Lasso as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    sparsestat.plotting.CoefficientIntervalDisplay : Draws the intervals.
    SparsePoissonRegressorCV : Predictions by cross-validation, without intervals.
    DebiasedLasso : Least squares.
    sklearn.linear_model.PoissonRegressor : Ridge regression of counts.

    Notes
    -----
    All problems of single features are solved on one weighted Gram matrix, in threads
    that share it; beyond 8192 features, where it is not formed, each is a fit of its
    own.

    Corrections are of first order: where predictions are shrunk much, the curvatures
    are wrong and what is left of the bias is not small. Hence the relaxed Lasso.
    Intervals are as good as the linear approximation of the scores about it, which
    wants counts that are not all small.

    References
    ----------
    van de Geer, Buhlmann, Ritov and Dezeure (2014), doi:10.1214/14-AOS1221; for
    simultaneous intervals Zhang and Cheng (2017), doi:10.1080/01621459.2016.1166114;
    for the relaxed Lasso Meinshausen (2007), doi:10.1016/j.csda.2006.12.019.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import DebiasedPoissonRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 50))
    >>> y = rng.poisson(np.exp(0.5 * X[:, 0]))
    >>> model = DebiasedPoissonRegressor().fit(X, y)
    >>> (model.adjusted_pvalues_ < 0.05).nonzero()[0]
    array([0])
    """

    _selectors: ClassVar = SparsePoissonRegressor, SparsePoissonRegressorCV


class DebiasedGammaRegressor(GammaMixin, MeanPrediction, DebiasedRegressor):
    r"""Confidence intervals and p-values of a sparse gamma regression.

    The loss :math:`\sum_i s_i (y_i e^{-z_i} + z_i)` of :class:`SparseGammaRegressor` is
    fitted on the features S that the Lasso selects at alpha, with the share
    :math:`\phi` of the penalty (the relaxed Lasso, from whose predictions much of the
    shrinkage is gone); one Newton step for each coefficient removes the rest of the
    bias:

    .. math::
        \hat\beta_j = w_j + \frac{z_j^\top u}{z_j^\top H x_j}, \qquad
        \mathrm{se}_j = \hat\varphi^{1/2}
        \frac{\sqrt{z_j^\top H z_j}}{\sqrt n \, |z_j^\top H x_j|},

    with u minus the derivative of the loss, H its expected curvatures :math:`s_i` and
    :math:`z_j = x_j - X_{-j} g_j` the residual of feature j in its own Lasso on the
    others, weighted by H. For a sparse truth :math:`(\hat\beta_j - \beta_j) /
    \mathrm{se}_j` is close to standard normal, also with more features than samples.
    With few features and ``alpha=0`` it is the estimate of greatest likelihood with
    Wald's standard errors. Columns are taken at unit variance throughout, so that
    intervals do not depend on their units.

    Parameters
    ----------
    alpha : {"bic", "ebic", "cv"} or float, default="bic"
        Strength of the Lasso that selects, >= 0, on columns of unit variance; or how to
        choose it on a path: by an information criterion or five folds.
    phi : float, default=0.1
        Share of the penalty, in (0, 1], on the selected features; 1 is the Lasso. A
        smaller share shrinks predictions less; above zero a finite fit exists for
        every y.
    precision : "nodewise" or array-like, default="nodewise"
        Where the z_j come from: a Lasso for every feature, or X times the columns of a
        matrix of shape (n_features, n_features), an estimate of the inverse of
        :math:`X^\top H X` up to factors of the columns.
    alpha_nodewise : float, default=None
        Strength > 0 of the Lasso of each feature, on columns of unit variance; None is
        :math:`\tfrac12 \sqrt{2 \log p / n}`. Smaller values leave less bias, and wider
        intervals.
    covariance : {"fisher", "sandwich"}, default="fisher"
        Where the variance of u comes from: the curvatures, as above, or its squares,
        which also holds where variances are not in proportion to the squares of means.
    confidence_level : float, default=0.95
        Level of `conf_int_`.
    n_bootstraps : int, default=1000
        Draws of the multiplier bootstrap for simultaneous statements.
    penalty_weights : array-like of shape (n_features,), default=None
        Weights of the penalty: 0 is unpenalised, inf excluded from the fit.
    fit_intercept : bool, default=True
        Fit an intercept, which is never penalised.
    max_iter : int, default=100
        Outer rounds at most, of the path and of the fit.
    tol : float, default=1e-6
        Bound of the duality gaps, relative to the loss of the null model; the problems
        of the features are solved to 1e-4 or `tol`, whichever is larger. float32 data:
        at least 1e-5.
    n_jobs : int, default=None
        Threads over features and folds; the result does not depend on it.
    random_state : int or RandomState, default=0
        Draws of the bootstrap.
    verbose : bool or int, default=0
        Print a line about the fit.

    Attributes
    ----------
    coef_debiased_ : ndarray of shape (n_features,)
        The :math:`\hat\beta_j`.
    std_err_ : ndarray of shape (n_features,)
        Their standard errors; infinite for constant features.
    conf_int_ : ndarray of shape (n_features, 2)
        Confidence interval of each coefficient by itself, at `confidence_level`.
    pvalues_ : ndarray of shape (n_features,)
        Two-sided p-values of each coefficient being zero.
    adjusted_pvalues_ : ndarray of shape (n_features,)
        The same, valid for all coefficients at once: the probability, by the bootstrap,
        that the largest of all statistics comes out that large.
    dispersion_ : float
        The :math:`\hat\varphi`, ratio of the variance to the square of the mean, by
        Pearson's statistic with n less the number of nonzero coefficients (and one for
        the intercept) as degrees of freedom.
    alpha_ : float
        Strength of the Lasso that selects.
    alpha_nodewise_ : float
        Strength of the problems of the features, only if `precision` is "nodewise".
    nodewise_gap_ : float
        Largest duality gap of these problems relative to their null models, only if
        `precision` is "nodewise".
    coef_ : ndarray of shape (n_features,)
        Coefficients w of the relaxed Lasso, which predict.
    intercept_ : float
        Intercept of the relaxed Lasso.
    dual_gap_ : float
        Duality gap of the relaxed Lasso.
    dual_gap_tol_ : float
        Bound that was asked for.
    objective_ : float
        Objective of the relaxed Lasso.
    n_iter_ : int
        Outer rounds of the relaxed Lasso.
    sparse_coef_ : csr_array of shape (1, n_features)
        Coefficients of the relaxed Lasso as a sparse row.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, only if X has string column names.

    See Also
    --------
    sparsestat.plotting.CoefficientIntervalDisplay : Draws the intervals.
    SparseGammaRegressorCV : Predictions by cross-validation, without intervals.
    DebiasedLasso : Least squares.
    sklearn.linear_model.GammaRegressor : Ridge regression of amounts.

    Notes
    -----
    All problems of single features are solved on one weighted Gram matrix, in threads
    that share it; beyond 8192 features, where it is not formed, each is a fit of its
    own.

    Corrections are of first order: where predictions are shrunk much, the curvatures
    are wrong and what is left of the bias is not small. Hence the relaxed Lasso.
    Intervals are as good as the linear approximation of the scores about it, which
    wants n well above the number of features that matter.

    References
    ----------
    van de Geer, Buhlmann, Ritov and Dezeure (2014), doi:10.1214/14-AOS1221; for
    simultaneous intervals Zhang and Cheng (2017), doi:10.1080/01621459.2016.1166114;
    for the relaxed Lasso Meinshausen (2007), doi:10.1016/j.csda.2006.12.019.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.linear_model import DebiasedGammaRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 50))
    >>> y = rng.gamma(2.0, np.exp(0.5 * X[:, 0]))
    >>> model = DebiasedGammaRegressor().fit(X, y)
    >>> (model.adjusted_pvalues_ < 0.05).nonzero()[0]
    array([0])
    """

    _selectors: ClassVar = SparseGammaRegressor, SparseGammaRegressorCV
    _has_dispersion = True

    def _information(self, y, z):
        return np.ones(len(y))
