"""Scores of cross-validation against the strength of the penalty."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator

from sparsestat.plotting import _fitted, _style
from sparsestat.utils.validation import Boolean, OneOf, check_parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARAMETERS = {
    "show_folds": Boolean,
    "counted": OneOf("coefficients", "features"),
}
# What estimators keep for each strength and fold where they do not keep scores.
_LOSSES = {
    "mse_path_": "mean squared error",
    "deviance_path_": "mean deviance",
    "mae_path_": "mean absolute error",
    "pinball_path_": "mean check loss",
}


class CrossValidationDisplay:
    r"""Mean score of cross-validation along a path, with its standard error.

    The band is :math:`\bar s(\alpha) \pm \sigma(\alpha) / \sqrt K` over the K folds.
    Vertical lines mark the best strength and the strongest one whose mean is within one
    standard error of the best.

    Use :meth:`from_estimator` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,)
        Strengths of the penalty.

    scores : array-like of shape (n_alphas, n_folds)
        Score of each of them on each fold.

    alpha : float, default=None
        The chosen strength, marked too where it is neither of the two.

    n_nonzero : array-like of int of shape (n_alphas,), default=None
        Number of nonzero coefficients, or of features in use, of the fits on all data.

    counted : {"coefficients", "features"}, default="coefficients"
        What `n_nonzero` counts: features where several tasks or classes have a
        coefficient for each.

    score_name : str, default="mean squared error"
        Name of the score.

    greater_is_better : bool, default=False
        Whether higher scores are better.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curve.

    figure_ : matplotlib Figure
        Figure with the axes.

    line_ : matplotlib Line2D
        Mean score.

    fill_between_ : matplotlib PolyCollection
        Band of one standard error.

    fold_lines_ : matplotlib LineCollection or None
        Scores of the folds.

    alpha_lines_ : list of matplotlib Line2D
        Vertical lines: best, one standard error, chosen.

    count_ax_ : matplotlib SecondaryAxis or None
        Number of nonzero coefficients, or of features in use.

    alpha_min_ : float
        The strength with the best mean score.

    alpha_1se_ : float
        The largest strength whose mean score is within one standard error of it.

    See Also
    --------
    CoefficientPathDisplay : The coefficients themselves.
    sklearn.model_selection.ValidationCurveDisplay : Any parameter of any estimator.

    References
    ----------
    .. [1] Breiman, L., Friedman, J., Olshen, R. and Stone, C. (1984). Classification
       and Regression Trees, section 3.4.3 (the rule of one standard error).
       Wadsworth.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.plotting import CrossValidationDisplay
    >>> display = CrossValidationDisplay(
    ...     alphas=[1.0, 0.1, 0.01], scores=[[5.0, 7.0], [2.0, 4.0], [2.0, 3.0]]
    ... ).plot()
    >>> display.alpha_min_, display.alpha_1se_
    (0.01, 0.1)
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        alphas: ArrayLike,
        scores: ArrayLike,
        alpha: float | None = None,
        n_nonzero: ArrayLike | None = None,
        counted: str = "coefficients",
        score_name: str = "mean squared error",
        greater_is_better: bool = False,
    ):
        self.alphas = alphas
        self.scores = scores
        self.alpha = alpha
        self.n_nonzero = n_nonzero
        self.counted = counted
        self.score_name = score_name
        self.greater_is_better = greater_is_better

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        l1_ratio: float | None = None,
        show_folds: bool = False,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
        fill_between_kw: dict | None = None,
    ) -> "CrossValidationDisplay":
        """Draw the scores of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with ``alphas_`` and ``score_path_``, ``mse_path_`` or
            the losses of another model, such as
            :class:`~sparsestat.linear_model.LassoCV`; may be the last step of a
            pipeline, or the best of a search.

        l1_ratio : float, default=None
            Which of several ``l1_ratio`` to draw; by default the best.

        show_folds : bool, default=False
            Draw each fold too.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the mean.

        fill_between_kw : dict, default=None
            Options of ``Axes.fill_between`` for the band.

        Returns
        -------
        display : CrossValidationDisplay
            The display, drawn.
        """
        model, _ = _fitted.unwrap(estimator)
        caller = f"{cls.__name__}.from_estimator"
        scored = hasattr(model, "score_path_")
        losses = [name for name in _LOSSES if hasattr(model, name)] or ["mse_path_"]
        attribute = "score_path_" if scored else losses[0]
        _fitted.check_attributes(caller, model, ("alphas_", attribute), "LassoCV")
        alphas, scores = (
            np.asarray(model.alphas_),
            np.asarray(getattr(model, attribute)),
        )
        is_best = True
        if alphas.ndim == 2:
            row = best = _fitted.best_row(model)
            if l1_ratio is not None:
                row = _row(caller, model, l1_ratio)
            is_best = row == best
            alphas, scores = alphas[row], scores[row]
        n_nonzero, counted = None, "coefficients"
        if is_best and hasattr(model, "path_coef_"):
            coefs, over = _fitted.path_by_features(model)
            n_nonzero = _count(coefs)
            counted = "features" if over else counted
        return cls(
            alphas=alphas,
            scores=scores,
            alpha=getattr(model, "alpha_", None) if is_best else None,
            n_nonzero=n_nonzero,
            counted=counted,
            score_name=_score_name(model.scoring) if scored else _LOSSES[attribute],
            greater_is_better=scored,
        ).plot(
            ax, show_folds=show_folds, line_kw=line_kw, fill_between_kw=fill_between_kw
        )

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        show_folds: bool = False,
        line_kw: dict | None = None,
        fill_between_kw: dict | None = None,
    ) -> "CrossValidationDisplay":
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        show_folds : bool, default=False
            Draw each fold too.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the mean.

        fill_between_kw : dict, default=None
            Options of ``Axes.fill_between`` for the band.

        Returns
        -------
        display : CrossValidationDisplay
            The display itself.
        """
        given = {"show_folds": show_folds, "counted": self.counted}
        check_parameters(given, _PARAMETERS, name=f"{type(self).__name__}.plot")
        alphas, scores = self._checked()
        mean, error = scores.mean(axis=1), _standard_error(scores)
        best, strong = _choose(alphas, mean, error, self.greater_is_better)
        self.alpha_min_, self.alpha_1se_ = float(alphas[best]), float(alphas[strong])

        self.ax_ = ax = _style.new_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = ax.figure
        self.fold_lines_ = self._draw_folds(alphas, scores) if show_folds else None
        (self.line_,) = ax.plot(
            alphas,
            mean,
            **{
                "color": _style.COLORS[0],
                "linewidth": 1.8,
                "label": f"mean of {scores.shape[1]} folds",
                "zorder": 3,
                **(line_kw or {}),
            },
        )
        self.fill_between_ = ax.fill_between(
            alphas,
            mean - error,
            mean + error,
            **{
                "color": self.line_.get_color(),
                "alpha": 0.2,
                "linewidth": 0,
                "zorder": 2,
                **(fill_between_kw or {}),
            },
        )
        self._dress(alphas, mean, best, strong)
        return self

    def _checked(self):
        alphas = _style.check_alphas(self.alphas)
        scores = np.asarray(self.scores, dtype=np.float64)
        if scores.ndim != 2 or len(scores) != alphas.size or not scores.size:
            raise ValueError(
                "scores must have shape (n_alphas, n_folds) and alphas (n_alphas,); "
                f"got {scores.shape} and {alphas.shape}."
            )
        if self.n_nonzero is not None and np.shape(self.n_nonzero) != alphas.shape:
            raise ValueError(
                f"n_nonzero must have shape {alphas.shape}; "
                f"got {np.shape(self.n_nonzero)}."
            )
        return alphas, scores

    def _draw_folds(self, alphas, scores):
        from matplotlib.collections import LineCollection

        lines = LineCollection(
            [np.column_stack([alphas, fold]) for fold in scores.T],
            colors=_style.GREY,
            linewidths=0.8,
            label="folds",
            zorder=1,
        )
        self.ax_.add_collection(lines)
        return lines

    def _dress(self, alphas, mean, best, strong):
        ax = self.ax_
        _style.alpha_axis(ax, alphas)
        ax.set_ylabel(self.score_name)
        marks = [(best, "best", "--")]
        if strong != best:
            marks.append((strong, "one standard error", ":"))
        if self.alpha is not None:
            chosen = int(np.abs(alphas - self.alpha).argmin())
            if chosen not in (best, strong):
                marks.append((chosen, "chosen", "-."))
        self.alpha_lines_ = [
            ax.axvline(
                alphas[i],
                color=_style.DARK,
                linestyle=linestyle,
                linewidth=1.0,
                label=self._describe(name, alphas[i], i),
                zorder=2,
            )
            for i, name, linestyle in marks
        ]
        marked = [i for i, _, _ in marks]
        ax.plot(
            alphas[marked],
            mean[marked],
            "o",
            color=self.line_.get_color(),
            markeredgecolor="white",
            markersize=7,
            zorder=4,
        )
        self.count_ax_ = None
        if self.n_nonzero is not None:
            self.count_ax_ = _style.count_axis(
                ax, alphas, self.n_nonzero, _style.alpha_scale(alphas)
            )
            self.count_ax_.set_xlabel(f"nonzero {self.counted}")
        mean_and_band = (self.fill_between_, self.line_)
        folds = [] if self.fold_lines_ is None else [self.fold_lines_]
        _style.legend(ax, [mean_and_band, *folds, *self.alpha_lines_])

    def _describe(self, name, alpha, i):
        text = f"{name}: alpha = {alpha:.3g}"
        if self.n_nonzero is not None:
            what = "" if self.counted == "coefficients" else f" {self.counted}"
            text += f", {self.n_nonzero[i]} nonzero{what}"
        return text


def _standard_error(scores):
    n_folds = scores.shape[1]
    if n_folds == 1:
        return np.zeros(len(scores))
    return scores.std(axis=1, ddof=1) / np.sqrt(n_folds)


def _choose(alphas, mean, error, greater_is_better):
    """Return the index of the best mean and of the strongest within its error."""
    loss = -mean if greater_is_better else mean
    best = int(np.lexsort((-alphas, loss))[0])  # the stronger of two as good
    within = np.flatnonzero(loss <= loss[best] + error[best])
    return best, int(within[alphas[within].argmax()])


def _row(caller, model, l1_ratio):
    ratios = np.atleast_1d(model.l1_ratio)
    found = np.flatnonzero(np.isclose(ratios, l1_ratio))
    if not found.size:
        raise ValueError(
            f"{caller}: l1_ratio must be one of {ratios.tolist()}; got {l1_ratio!r}."
        )
    return int(found[0])


def _count(coefs):
    if sparse.issparse(coefs):
        return np.asarray(coefs.count_nonzero(axis=0))
    return np.count_nonzero(coefs, axis=0)


def _score_name(scoring):
    """Name a scorer as scikit-learn's displays do, without its prefix neg."""
    if not isinstance(scoring, str):
        return "score"
    name = scoring.replace("_", " ")
    return f"negative {name[4:]}" if name.startswith("neg ") else name
