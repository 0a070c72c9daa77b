"""Prior variances of the factors of a Kronecker-structured fit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sparsestat.plotting import _fitted, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Height of a row that its largest bar takes.
_HEIGHT = 0.78
_GAP = 0.09


class KroneckerSupportDisplay:
    """Prior standard deviations along each factor, a row of bars for each.

    Bars are relative to the largest of their factor; what is zero has none. Dots below
    mark a known truth.

    Use :meth:`from_estimator` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    prior_variance : sequence of array-like of shapes (N_i,)
        Factors of the prior variances.

    true_supports : sequence of array-like of bool of shapes (N_i,), default=None
        For each factor a mask of the true support.

    names : sequence of str, default=None
        Names of the factors; by default ``"factor 1"``, ``"factor 2"``, ...

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the bars.

    figure_ : matplotlib Figure
        Figure with the axes.

    bars_ : list of matplotlib BarContainer
        Bars of each factor.

    truths_ : list of matplotlib Line2D
        Dots of each factor; empty without a truth.

    See Also
    --------
    SegmentDisplay : Coefficients along a line.
    sklearn.inspection.PartialDependenceDisplay : A display of scikit-learn.

    References
    ----------
    .. [1] He, Y. and Joseph, G. (2024). Bayesian algorithms for Kronecker-structured
       sparse vector recovery with application to IRS-MIMO channel estimation.
       :arxiv:`2307.14719`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.plotting import KroneckerSupportDisplay
    >>> display = KroneckerSupportDisplay(
    ...     prior_variance=[[0.0, 1.0], [4.0, 0.0, 1.0]],
    ...     true_supports=[[False, True], [True, False, True]],
    ... )
    >>> [float(bar.get_height()) for bar in display.plot().bars_[1]]
    [0.78, 0.0, 0.39]
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        prior_variance: Sequence[ArrayLike],
        true_supports: Sequence[ArrayLike] | None = None,
        names: Sequence[str] | None = None,
    ):
        self.prior_variance = prior_variance
        self.true_supports = true_supports
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        true_supports: Sequence[ArrayLike] | None = None,
        names: Sequence[str] | None = None,
        ax: "Axes | None" = None,
        bar_kw: dict | None = None,
    ) -> "KroneckerSupportDisplay":
        """Draw the prior variances of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted :class:`~sparsestat.bayes.KroneckerSparseBayesian`; may be the last
            step of a pipeline, or the best of a search.

        true_supports : sequence of array-like of bool of shapes (N_i,), default=None
            For each factor a mask of the true support.

        names : sequence of str, default=None
            Names of the factors.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        bar_kw : dict, default=None
            Options of ``Axes.bar``.

        Returns
        -------
        display : KroneckerSupportDisplay
            The display, drawn.
        """
        model, _ = _fitted.unwrap(estimator)
        caller = f"{cls.__name__}.from_estimator"
        _fitted.check_attributes(
            caller, model, ("prior_variance_", "supports_"), "KroneckerSparseBayesian"
        )
        return cls(
            prior_variance=model.prior_variance_,
            true_supports=true_supports,
            names=names,
        ).plot(ax, bar_kw=bar_kw)

    def plot(
        self, ax: "Axes | None" = None, *, bar_kw: dict | None = None
    ) -> "KroneckerSupportDisplay":
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        bar_kw : dict, default=None
            Options of ``Axes.bar``.

        Returns
        -------
        display : KroneckerSupportDisplay
            The display itself.
        """
        variances, truths, names = self._checked()
        self.ax_ = ax = _style.new_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = ax.figure
        self.bars_, self.truths_ = [], []
        n_factors = len(variances)
        for row, g in enumerate(variances):
            base = float(n_factors - 1 - row)
            height = _HEIGHT * np.sqrt(g / (g.max() or 1.0))
            color = _style.COLORS[row % len(_style.COLORS)]
            options = {"width": 0.8, "color": color, **(bar_kw or {})}
            self.bars_.append(ax.bar(np.arange(len(g)), height, bottom=base, **options))
            ax.plot(
                [-0.5, len(g) - 0.5], [base, base], color=_style.DARK, linewidth=0.8
            )
            if truths is not None:
                at = np.flatnonzero(truths[row])
                dots = ax.plot(
                    at, np.full(len(at), base - _GAP), ".", color=_style.DARK,
                    markersize=5, label="true support",
                )  # fmt: skip
                self.truths_ += dots
        ax.set_yticks(
            [n_factors - 1 - row + _HEIGHT / 2 for row in range(n_factors)], names
        )
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_ylim(-2 * _GAP, n_factors)
        ax.set_xlim(-0.7, max(map(len, variances)) - 0.3)
        ax.set_xlabel("index")
        ax.xaxis.get_major_locator().set_params(integer=True)
        if self.truths_:
            _style.legend(ax, self.truths_[:1], loc="upper right")
        return self

    def _checked(self):
        variances = [np.asarray(g, dtype=np.float64) for g in self.prior_variance]
        if not variances or any(g.ndim != 1 or not g.size for g in variances):
            raise ValueError(
                "prior_variance must be a non-empty sequence of vectors; got shapes "
                f"{[g.shape for g in variances]}."
            )
        if any((~np.isfinite(g) | (g < 0)).any() for g in variances):
            raise ValueError("prior_variance must be finite and >= 0.")
        truths = self.true_supports
        if truths is not None:
            truths = [np.asarray(mask, dtype=bool) for mask in truths]
            if [mask.shape for mask in truths] != [g.shape for g in variances]:
                raise ValueError(
                    f"true_supports must have shapes {[g.shape for g in variances]}; "
                    f"got {[mask.shape for mask in truths]}."
                )
        names = self.names
        if names is None:
            names = [f"factor {row + 1}" for row in range(len(variances))]
        if len(names) != len(variances):
            raise ValueError(
                f"names must have {len(variances)} entries; got {len(names)}."
            )
        return variances, truths, names
