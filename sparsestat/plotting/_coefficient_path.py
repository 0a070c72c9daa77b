"""Coefficients against the strength of the penalty."""

from math import inf
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length

from sparsestat.plotting import _fitted, _style
from sparsestat.utils.validation import Interval, OneOf, check_parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_XAxis = Literal["alpha", "l1_norm", "deviance_ratio"]

_PARAMETERS = {
    "x_axis": OneOf("alpha", "l1_norm", "deviance_ratio"),
    "n_labels": Interval(0, inf, closed="left", integer=True),
}


class CoefficientPathDisplay:
    r"""Coefficients along a path of regularisation strengths.

    Each curve is a coefficient :math:`w_j(\alpha)`. The strongest ones are in colour
    and labelled, the others grey; where a coefficient is zero it is not drawn. The
    number of nonzero ones is on top, and a vertical line marks the chosen strength. Of
    several tasks or classes a curve is the norm over them, :math:`\|w_j(\alpha)\|_2`;
    features of one group share a colour.

    Use :meth:`from_estimator` or :meth:`from_path` to create one. All parameters are
    stored as attributes.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,)
        Strengths of the penalty.

    coefs : array-like of shape (n_features, n_alphas)
        A column of coefficients for each of them; may be sparse.

    alpha : float, default=None
        The chosen strength.

    deviance_ratio : array-like of shape (n_alphas,), default=None
        Fraction of the deviance explained by each column, for least squares
        :math:`R^2`.

    feature_names : array-like of str of shape (n_features,), default=None
        Names; by default ``"x0"``, ``"x1"``, ...

    feature_groups : list of array-likes of int, default=None
        Features of each group, which share a colour; a feature of several groups has
        that of the first. By default each feature has its own.

    norm_over : str, default=None
        What `coefs` are norms over, such as ``"tasks"``, for the labels of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure with the axes.

    lines_ : list of matplotlib Line2D
        Curves of the labelled features, the strongest first.

    other_lines_ : matplotlib LineCollection or None
        Curves of all others.

    labels_ : list of matplotlib Annotation
        Labels of the features, in the order of `lines_`.

    alpha_line_ : matplotlib Line2D or None
        Vertical line at the chosen strength.

    count_ax_ : matplotlib SecondaryAxis
        Number of nonzero coefficients.

    See Also
    --------
    CrossValidationDisplay : The scores by which a strength is chosen.
    sklearn.linear_model.lasso_path : A path in scikit-learn.

    References
    ----------
    .. [1] Efron, B., Hastie, T., Johnstone, I. and Tibshirani, R. (2004). Least angle
       regression. :doi:`10.1214/009053604000000067`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import lasso_path
    >>> from sparsestat.plotting import CoefficientPathDisplay
    >>> diabetes = load_diabetes()
    >>> alphas, coefs, _ = lasso_path(diabetes.data, diabetes.target)
    >>> display = CoefficientPathDisplay.from_path(
    ...     alphas,
    ...     coefs,
    ...     alpha=0.1,
    ...     feature_names=diabetes.feature_names,
    ...     n_labels=3,
    ... )
    >>> [label.get_text() for label in display.labels_]
    ['bmi', 's5', 'bp']
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        alphas: ArrayLike,
        coefs: ArrayLike,
        alpha: float | None = None,
        deviance_ratio: ArrayLike | None = None,
        feature_names: ArrayLike | None = None,
        feature_groups: list[ArrayLike] | None = None,
        norm_over: str | None = None,
    ):
        self.alphas = alphas
        self.coefs = coefs
        self.alpha = alpha
        self.deviance_ratio = deviance_ratio
        self.feature_names = feature_names
        self.feature_groups = feature_groups
        self.norm_over = norm_over

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        feature_names: ArrayLike | None = None,
        x_axis: _XAxis = "alpha",
        n_labels: int = 10,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
    ) -> "CoefficientPathDisplay":
        """Draw the path of a fitted estimator.

        With several tasks or classes there is one curve for each feature, the Euclidean
        norm over them; features of one of the estimator's groups share a colour.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with ``path_coef_`` and ``alphas_``, such as
            :class:`~sparsestat.linear_model.LassoCV`; may be the last step of a
            pipeline, or the best of a search.

        X : array-like of shape (n_samples, n_features), default=None
            Samples on which to explain the deviance, as given to the estimator.

        y : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
            Their targets.

        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features; by default the estimator's, or the pipeline's.

        x_axis : {"alpha", "l1_norm", "deviance_ratio"}, default="alpha"
            Horizontal axis. The last needs `X` and `y`.

        n_labels : int, default=10
            Number of features to label.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the labelled curves.

        Returns
        -------
        display : CoefficientPathDisplay
            The display, drawn.
        """
        caller = f"{cls.__name__}.from_estimator"
        model, before = _fitted.unwrap(estimator)
        _fitted.check_attributes(caller, model, ("path_coef_", "alphas_"), "LassoCV")
        if (X is None) != (y is None):
            raise ValueError(
                f"{caller}: X and y go together; got only {'X' if y is None else 'y'}."
            )
        coefs, norm_over = _fitted.path_by_features(model)
        if feature_names is None:
            feature_names = _fitted.names_of_features(model, before, coefs.shape[0])
        return cls(
            alphas=_fitted.path_of(model),
            coefs=coefs,
            alpha=getattr(model, "alpha_", None),
            deviance_ratio=None if X is None else _explained(model, before, X, y),
            feature_names=feature_names,
            feature_groups=getattr(model, "feature_groups_", None),
            norm_over=norm_over,
        ).plot(ax, x_axis=x_axis, n_labels=n_labels, line_kw=line_kw)

    @classmethod
    def from_path(
        cls,
        alphas: ArrayLike,
        coefs: ArrayLike,
        *,
        alpha: float | None = None,
        deviance_ratio: ArrayLike | None = None,
        feature_names: ArrayLike | None = None,
        feature_groups: list[ArrayLike] | None = None,
        x_axis: _XAxis = "alpha",
        n_labels: int = 10,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
    ) -> "CoefficientPathDisplay":
        """Draw a path, such as that of ``lasso_path``.

        Parameters
        ----------
        alphas : array-like of shape (n_alphas,)
            Strengths of the penalty.

        coefs : array-like of shape (n_features, n_alphas)
            A column of coefficients for each of them; may be sparse.

        alpha : float, default=None
            The chosen strength.

        deviance_ratio : array-like of shape (n_alphas,), default=None
            Fraction of the deviance explained by each column.

        feature_names : array-like of str of shape (n_features,), default=None
            Names; by default ``"x0"``, ``"x1"``, ...

        feature_groups : list of array-likes of int, default=None
            Features of each group, which share a colour.

        x_axis : {"alpha", "l1_norm", "deviance_ratio"}, default="alpha"
            Horizontal axis. The last needs `deviance_ratio`.

        n_labels : int, default=10
            Number of features to label.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the labelled curves.

        Returns
        -------
        display : CoefficientPathDisplay
            The display, drawn.
        """
        return cls(
            alphas=alphas,
            coefs=coefs,
            alpha=alpha,
            deviance_ratio=deviance_ratio,
            feature_names=feature_names,
            feature_groups=feature_groups,
        ).plot(ax, x_axis=x_axis, n_labels=n_labels, line_kw=line_kw)

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        x_axis: _XAxis = "alpha",
        n_labels: int = 10,
        line_kw: dict | None = None,
    ) -> "CoefficientPathDisplay":
        """Draw the path.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        x_axis : {"alpha", "l1_norm", "deviance_ratio"}, default="alpha"
            Horizontal axis: the strength on a logarithmic axis from strong to weak, the
            sum of the absolute coefficients, or the fraction of deviance explained.

        n_labels : int, default=10
            Number of features to label: those with the largest coefficients at the
            chosen strength, then those with the largest anywhere.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the labelled curves.

        Returns
        -------
        display : CoefficientPathDisplay
            The display itself.
        """
        check_parameters(
            {"x_axis": x_axis, "n_labels": n_labels},
            _PARAMETERS,
            name=f"{type(self).__name__}.plot",
        )
        alphas, coefs, names = self._checked()
        active = np.flatnonzero(np.abs(coefs).max(axis=1))
        strongest = self._rank(alphas, coefs, active)[:n_labels]
        others = np.setdiff1d(active, strongest)
        x = self._abscissa(x_axis, alphas, coefs)
        groups = self._groups(len(coefs))
        # The groups of the labelled features, the strongest first.
        ranks = {g: rank for rank, g in enumerate(dict.fromkeys(groups[strongest]))}

        self.ax_ = ax = _style.new_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = ax.figure
        ax.plot(x, np.zeros_like(x), color=_style.DARK, linewidth=0.8, zorder=1)
        self.other_lines_ = self._draw_others(
            x, coefs[others], [_color(ranks.get(g)) for g in groups[others]]
        )
        self.lines_ = [
            ax.plot(
                x,
                _without_zeros(coefs[j]),
                **{
                    "color": _color(ranks[groups[j]]),
                    "linestyle": _line_style(ranks[groups[j]]),
                    "linewidth": 1.6,
                    "label": names[j],
                    "zorder": 3,
                    **(line_kw or {}),
                },
            )[0]
            for j in strongest
        ]
        self._dress(x, x_axis, alphas, coefs)
        last = x.argmin() if x_axis == "alpha" else x.argmax()
        self.labels_ = _style.label_ends(
            ax,
            x[last],
            coefs[strongest, last],
            [names[j] for j in strongest],
            [line.get_color() for line in self.lines_],
        )
        return self

    def _checked(self):
        alphas = _style.check_alphas(self.alphas)
        coefs = self.coefs
        coefs = coefs.toarray() if sparse.issparse(coefs) else np.asarray(coefs)
        if coefs.ndim != 2 or coefs.shape[1] != alphas.size:
            raise ValueError(
                "coefs must have shape (n_features, n_alphas) and alphas (n_alphas,); "
                f"got {coefs.shape} and {alphas.shape}."
            )
        names = self.feature_names
        if names is None:
            names = [f"x{j}" for j in range(len(coefs))]
        check_consistent_length(coefs, names)
        return alphas, coefs, names

    def _rank(self, alphas, coefs, active):
        """Sort features by their size at the chosen strength, then by their largest."""
        largest = np.abs(coefs[active]).max(axis=1)
        chosen = np.zeros(active.size)
        if self.alpha is not None:
            chosen = np.abs(coefs[active, np.abs(alphas - self.alpha).argmin()])
        return active[np.lexsort((-largest, -chosen))]

    def _groups(self, n_features):
        """Return the number of each feature's group; without one it is its own."""
        groups = np.arange(n_features)
        sets = [] if self.feature_groups is None else list(self.feature_groups)
        for g, features in reversed(list(enumerate(sets))):
            groups[np.asarray(features, dtype=np.intp)] = n_features + g
        return groups

    def _abscissa(self, x_axis, alphas, coefs):
        if x_axis == "alpha":
            return alphas
        if x_axis == "l1_norm":
            return np.abs(coefs).sum(axis=0)
        if self.deviance_ratio is None:
            raise ValueError(
                "x_axis='deviance_ratio' needs deviance_ratio, or X and y of "
                "from_estimator; got None."
            )
        ratio = np.asarray(self.deviance_ratio, dtype=np.float64)
        if ratio.shape != alphas.shape:
            raise ValueError(
                f"deviance_ratio must have shape {alphas.shape}; got {ratio.shape}."
            )
        return ratio

    def _draw_others(self, x, curves, colors):
        from matplotlib.collections import LineCollection

        if not len(curves):
            return None
        lines = LineCollection(
            [np.column_stack([x, _without_zeros(curve)]) for curve in curves],
            colors=colors,
            linewidths=0.7,
            zorder=2,
        )
        self.ax_.add_collection(lines)
        return lines

    def _dress(self, x, x_axis, alphas, coefs):
        ax = self.ax_
        scale = {"value": "linear"}
        if x_axis == "alpha":
            scale = _style.alpha_scale(alphas)
            _style.alpha_axis(ax, alphas)
        else:
            ax.set_xlabel(
                "fraction of deviance explained"
                if x_axis == "deviance_ratio"
                else f"sum of norms over {self.norm_over}"
                if self.norm_over
                else "sum of absolute coefficients"
            )
        ax.margins(x=0)
        ax.set_ylabel(
            f"norm over {self.norm_over}" if self.norm_over else "coefficient"
        )
        n_nonzero = np.count_nonzero(coefs, axis=0)
        self.alpha_line_ = None
        if self.alpha is not None:
            order = np.argsort(alphas)
            nearest = np.abs(alphas - self.alpha).argmin()
            self.alpha_line_ = ax.axvline(
                np.interp(self.alpha, alphas[order], x[order]),
                color=_style.DARK,
                linestyle="--",
                linewidth=1.0,
                label=f"alpha = {self.alpha:.3g}, {n_nonzero[nearest]} nonzero",
                zorder=2,
            )
            # The strong end of the path leaves this corner free.
            _style.legend(ax, [self.alpha_line_], loc="upper left")
        self.count_ax_ = _style.count_axis(ax, x, n_nonzero, scale)
        if self.norm_over:
            self.count_ax_.set_xlabel("nonzero features")


def _color(rank):
    return _style.GREY if rank is None else _style.COLORS[rank % len(_style.COLORS)]


def _line_style(rank):
    return _style.LINE_STYLES[rank // len(_style.COLORS) % len(_style.LINE_STYLES)]


def _without_zeros(curve):
    """Replace zeros by NaN, but for those next to a nonzero, where the curve begins."""
    nonzero = np.pad(curve != 0, 1)
    return np.where(nonzero[1:-1] | nonzero[:-2] | nonzero[2:], curve, np.nan)


def _explained(model, before, X, y):
    """Return R^2 of every column of the path on the samples given, over all tasks."""
    if before is not None:
        X = before.transform(X)
    X = X if sparse.issparse(X) else np.asarray(X)
    y = np.asarray(y, dtype=np.float64)
    y = y.reshape(len(y), -1)
    coefs = model.path_coef_
    coefs = coefs.toarray() if sparse.issparse(coefs) else np.asarray(coefs)
    coefs = coefs.reshape(-1, X.shape[1], coefs.shape[1])
    if y.shape[1] != len(coefs):
        raise ValueError(
            f"y must have {len(coefs)} columns, as many as tasks, to explain its "
            f"deviance; got {y.shape[1]}."
        )
    intercepts = np.broadcast_to(
        getattr(model, "path_intercept_", 0.0), (len(coefs), coefs.shape[2])
    )
    residual = sum(
        ((target[:, None] - X @ coef - intercept) ** 2).sum(axis=0)
        for target, coef, intercept in zip(y.T, coefs, intercepts, strict=True)
    )
    return 1 - residual / ((y - y.mean(axis=0)) ** 2).sum()
