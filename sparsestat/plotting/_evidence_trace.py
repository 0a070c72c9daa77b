"""How fast fits have raised the evidence."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sparsestat.plotting import _fitted, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class EvidenceTraceDisplay:
    """The evidence over the iterations of one or several fits to the same data.

    Curves show how far, in nats, the evidence lies below the best that any of the fits
    has reached; a curve ends where it reaches that. Steps of methods that promise to
    raise the evidence never go up.

    Use :meth:`from_estimator` or :meth:`from_estimators` to create one. All parameters
    are stored as attributes.

    Parameters
    ----------
    evidences : mapping of str to array-like of shape (n_iter,)
        For each name the logarithm of the evidence before each iteration's step, up to
        a constant that all share.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure with the axes.

    lines_ : list of matplotlib Line2D
        Curve of each fit.

    See Also
    --------
    KroneckerSupportDisplay : What was found.
    sklearn.model_selection.LearningCurveDisplay : A display of scikit-learn.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.plotting import EvidenceTraceDisplay
    >>> display = EvidenceTraceDisplay(
    ...     evidences={"slow": [-9.0, -5.0, -2.0], "fast": [-9.0, -1.0]}
    ... )
    >>> [line.get_ydata().tolist() for line in display.plot().lines_]
    [[8.0, 4.0, 1.0], [8.0]]
    >>> plt.close(display.figure_)
    """

    def __init__(self, *, evidences: Mapping[str, ArrayLike]):
        self.evidences = evidences

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
    ) -> "EvidenceTraceDisplay":
        """Draw the trace of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, of :mod:`sparsestat.bayes`, by any solver but messages; may be the
            last step of a pipeline, or the best of a search.

        name : str, default=None
            Name in the legend; by default that of the solver.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot``.

        Returns
        -------
        display : EvidenceTraceDisplay
            The display, drawn.
        """
        names = None if name is None else [name]
        return cls._draw(
            f"{cls.__name__}.from_estimator", [estimator], names, ax, line_kw
        )

    @classmethod
    def from_estimators(
        cls,
        estimators: Sequence[BaseEstimator],
        *,
        names: Sequence[str] | None = None,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
    ) -> "EvidenceTraceDisplay":
        """Draw the traces of estimators that were fitted to the same data.

        Parameters
        ----------
        estimators : sequence of estimators
            Fitted, of :mod:`sparsestat.bayes`, by any solver but messages.

        names : sequence of str, default=None
            Names in the legend; by default those of the solvers.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot``.

        Returns
        -------
        display : EvidenceTraceDisplay
            The display, drawn.
        """
        caller = f"{cls.__name__}.from_estimators"
        return cls._draw(caller, estimators, names, ax, line_kw)

    @classmethod
    def _draw(cls, caller, estimators, names, ax, line_kw):
        models = [_fitted.unwrap(estimator)[0] for estimator in estimators]
        for model in models:
            _fitted.check_attributes(
                caller, model, ("history_",), "SparseBayesianRegression"
            )
            if "cost" not in model.history_:
                raise ValueError(
                    f"{caller} needs a trace of the cost, which solver="
                    f"{model.solver!r} does not leave."
                )
        if names is None:
            names = [model.solver for model in models]
        if len(names) != len(models) or len(set(names)) < len(names):
            raise ValueError(
                f"names must be {len(models)} different ones, for each estimator one; "
                f"got {list(names)}."
            )
        traces = {
            name: _evidence(model) for name, model in zip(names, models, strict=True)
        }
        return cls(evidences=traces).plot(ax, line_kw=line_kw)

    def plot(
        self, ax: "Axes | None" = None, *, line_kw: dict | None = None
    ) -> "EvidenceTraceDisplay":
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot``.

        Returns
        -------
        display : EvidenceTraceDisplay
            The display itself.
        """
        traces = self._checked()
        self.ax_ = ax = _style.new_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = ax.figure
        best = max(trace.max() for trace in traces.values())
        self.lines_ = []
        for i, (name, trace) in enumerate(traces.items()):
            below = best - trace
            shown = below > 0.0
            options = {
                "color": _style.COLORS[i % len(_style.COLORS)],
                "linestyle": _style.LINE_STYLES[i % len(_style.LINE_STYLES)],
                "label": name,
                **(line_kw or {}),
            }
            at = np.arange(1, len(trace) + 1)
            self.lines_ += ax.plot(at[shown], below[shown], **options)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("iteration")
        ax.set_ylabel("evidence below the best / nats")
        if len(traces) > 1:
            _style.legend(ax, self.lines_, loc="lower left")
        return self

    def _checked(self) -> dict[str, np.ndarray]:
        traces = {
            name: np.asarray(trace, dtype=np.float64)
            for name, trace in dict(self.evidences).items()
        }
        if not traces or any(t.ndim != 1 or not t.size for t in traces.values()):
            raise ValueError(
                "evidences must map names to non-empty vectors; got shapes "
                f"{[trace.shape for trace in traces.values()]}."
            )
        if not all(np.isfinite(trace).all() for trace in traces.values()):
            raise ValueError("evidences must be finite.")
        return traces


def _evidence(model: BaseEstimator) -> np.ndarray:
    """Of all targets, from costs that are averages over them."""
    coef = np.asarray(model.coef_)
    n_targets = len(coef) if coef.ndim == 2 else 1
    half = 1.0 if np.iscomplexobj(coef) else 0.5
    return -half * n_targets * np.asarray(model.history_["cost"])
