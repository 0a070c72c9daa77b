"""Spectra of endmembers, beside reference spectra."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sparsestat.metrics import match_endmembers
from sparsestat.plotting import _fitted, _scenes, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class EndmemberDisplay:
    """Spectra of endmembers against the wavelength.

    Lines are broken where bands are missing. Each reference is dashed, in the colour of
    the endmember that matches it, and scaled to it: angles ignore brightness.

    Use :meth:`from_estimator` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    endmembers : array-like of shape (n_components, n_bands)
        Spectra.

    wavelengths : array-like of shape (n_bands,), default=None
        In nm; by default bands are counted.

    reference : array-like of shape (n_references, n_bands), default=None
        Spectra to compare with, in any order.

    names : sequence of str, default=None
        Names of the references if there are any, else of the endmembers.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the spectra.

    figure_ : matplotlib Figure
        Figure with the axes.

    lines_ : list of matplotlib Line2D
        Lines of the endmembers.

    references_ : list of matplotlib Line2D
        Lines of the references that match; empty without any.

    labels_ : list of matplotlib Annotation
        Names at the right ends.

    See Also
    --------
    BandWeightDisplay : How much each band counts.
    sklearn.inspection.PartialDependenceDisplay : A display of scikit-learn.

    References
    ----------
    .. [1] Keshava, N. and Mustard, J. F. (2002). Spectral unmixing.
       :doi:`10.1109/79.974727`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.datasets import make_hyperspectral
    >>> from sparsestat.plotting import EndmemberDisplay
    >>> scene = make_hyperspectral(24, 24, endmembers=3, random_state=0)
    >>> display = EndmemberDisplay(
    ...     endmembers=scene.endmembers, wavelengths=scene.wavelengths
    ... )
    >>> len(display.plot().lines_)
    3
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        endmembers: ArrayLike,
        wavelengths: ArrayLike | None = None,
        reference: ArrayLike | None = None,
        names: Sequence[str] | None = None,
    ):
        self.endmembers = endmembers
        self.wavelengths = wavelengths
        self.reference = reference
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        wavelengths: ArrayLike | None = None,
        reference: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
    ) -> "EndmemberDisplay":
        """Draw the endmembers of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with ``components_``, such as
            :class:`~sparsestat.unmixing.NFINDR`; may be the last step of a pipeline,
            or the best of a search. Bands that the pipeline left out are missing.

        wavelengths : array-like of shape (n_bands,), default=None
            In nm, of all bands, those left out by a pipeline too.

        reference : array-like of shape (n_references, n_bands), default=None
            Spectra to compare with, with all bands.

        names : sequence of str, default=None
            Names of the references if there are any, else of the endmembers.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the endmembers.

        Returns
        -------
        display : EndmemberDisplay
            The display, drawn.
        """
        model, before = _fitted.unwrap(estimator)
        caller = f"{cls.__name__}.from_estimator"
        _fitted.check_attributes(caller, model, ("components_",), "NFINDR")
        kept = kept_bands(before, model.components_.shape[1])
        return cls(
            endmembers=model.components_,
            wavelengths=restricted(wavelengths, kept),
            reference=restricted(reference, kept),
            names=names,
        ).plot(ax, line_kw=line_kw)

    def plot(
        self, ax: "Axes | None" = None, *, line_kw: dict | None = None
    ) -> "EndmemberDisplay":
        """Draw the spectra.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the endmembers.

        Returns
        -------
        display : EndmemberDisplay
            The display itself.
        """
        E = np.asarray(self.endmembers, dtype=np.float64)
        if E.ndim != 2 or not E.size or not np.isfinite(E).all():
            raise ValueError(
                "endmembers must be finite of shape (n_components, n_bands); got shape "
                f"{E.shape}."
            )
        x, order = _scenes.positions_of(self.wavelengths, E.shape[1])
        names, matched = self._matched(E)
        self.ax_ = ax = _style.new_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = ax.figure
        self.lines_, self.references_, colors = [], [], []
        for k, spectrum in enumerate(E):
            color = _style.COLORS[k % len(_style.COLORS)]
            style = {
                "color": color,
                "linewidth": 1.6,
                "linestyle": _style.LINE_STYLES[k // len(_style.COLORS) % 4],
                "label": names[k],
                **(line_kw or {}),
            }
            line = _scenes.broken(x[order], spectrum[order])
            self.lines_ += ax.plot(*line, **style)
            colors.append(self.lines_[-1].get_color())
            if matched[k] is not None:
                line = _scenes.broken(x[order], matched[k][order])
                self.references_ += ax.plot(
                    *line, color=colors[-1], linewidth=1.0, linestyle=(0, (4, 2))
                )
        _scenes.band_axis(ax, x, self.wavelengths)
        ax.set_ylabel("reflectance")
        ends = E[:, order[-1]]
        self.labels_ = _style.label_ends(ax, x.max(), ends, names, colors)
        return self

    def _matched(self, E):
        """Names of the endmembers, and the reference of each, scaled to it."""
        if self.reference is None:
            return _scenes.names_of(self.names, len(E)), [None] * len(E)
        reference = np.asarray(self.reference, dtype=np.float64)
        if reference.ndim != 2 or reference.shape[1] != E.shape[1]:
            raise ValueError(
                f"reference must have shape (n_references, {E.shape[1]}); got "
                f"{reference.shape}."
            )
        known = _scenes.names_of(self.names, len(reference), "reference")
        names, matched = [], []
        for k, r in enumerate(match_endmembers(E, reference)):
            names.append(known[r] if r >= 0 else f"endmember {k + 1}")
            matched.append(None if r < 0 else _scaled(reference[r], E[k]))
        return names, matched


def kept_bands(before, n_bands):
    """Bands that the selections of a pipeline leave, as indices of the first ones."""
    kept = None
    for step in () if before is None else [step for _, step in before.steps]:
        if hasattr(step, "get_support") and getattr(step, "fill", "drop") == "drop":
            chosen = step.get_support(indices=True)
            kept = chosen if kept is None else kept[chosen]
    return np.arange(n_bands) if kept is None or len(kept) != n_bands else kept


def restricted(values, kept):
    """The last axis at the kept bands, unless it has only these already."""
    if values is None:
        return None
    values = np.asarray(values)
    n_bands = values.shape[-1]
    return values if n_bands == len(kept) else values[..., kept[kept < n_bands]]


def _scaled(reference, spectrum):
    power = reference @ reference
    return reference * (reference @ spectrum / power if power > 0.0 else 1.0)
