"""Probabilities along a line of scores, with their supports."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from sparsestat.plotting import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAR = 0.055
"""Height that a bar of support takes below the axis."""


class SimplexMapDisplay:
    """Probabilities that a map gives to scores along a line.

    A curve for each class shows its probability; a bar below shows where that is
    positive, so that one sees where a class enters and leaves the support. Sparse maps
    have straight or polynomial pieces between such points, softmax has none.

    Use :meth:`from_map` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    positions : array-like of shape (n_points,)
        Places on the line, increasing.

    probabilities : array-like of shape (n_points, n_classes)
        Probabilities there.

    class_names : array-like of str of shape (n_classes,), default=None
        Names; by default ``"0"``, ``"1"``, ...

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure with the axes.

    lines_ : list of matplotlib Line2D
        Curves of the classes.

    supports_ : list of matplotlib PolyCollection
        Bars of the classes, over the points at which they are in the support.

    labels_ : list of matplotlib Annotation
        Names of the classes.

    See Also
    --------
    DecoderDisplay : A single distribution and what decoders keep of it.
    sparsestat.activations.entmax : The maps.

    References
    ----------
    .. [1] Blondel, M., Martins, A. F. T. and Niculae, V. (2020). Learning with
       Fenchel-Young losses. :arxiv:`1901.02324`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.activations import sparsemax
    >>> from sparsestat.plotting import SimplexMapDisplay
    >>> display = SimplexMapDisplay.from_map(
    ...     sparsemax, [0.0, 0.5, 0.0], [1.0, 0.0, -1.0], class_names=["a", "b", "c"]
    ... )
    >>> [label.get_text() for label in display.labels_]
    ['a', 'b', 'c']
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        positions: ArrayLike,
        probabilities: ArrayLike,
        class_names: ArrayLike | None = None,
    ):
        self.positions = positions
        self.probabilities = probabilities
        self.class_names = class_names

    @classmethod
    def from_map(
        cls,
        function: Callable[[np.ndarray], np.ndarray],
        origin: ArrayLike,
        direction: ArrayLike,
        *,
        positions: ArrayLike | None = None,
        class_names: ArrayLike | None = None,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
    ) -> "SimplexMapDisplay":
        """Draw a map at the scores ``origin + t * direction``.

        Parameters
        ----------
        function : callable
            Takes scores of shape (n_points, n_classes) to probabilities, such as
            :func:`~sparsestat.activations.sparsemax`.

        origin : array-like of shape (n_classes,)
            Scores at t = 0.

        direction : array-like of shape (n_classes,)
            Direction of the line.

        positions : array-like of shape (n_points,), default=None
            The values of t; by default 601 of them in [-3, 3].

        class_names : array-like of str of shape (n_classes,), default=None
            Names of the classes.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the curves.

        Returns
        -------
        display : SimplexMapDisplay
            The display, drawn.
        """
        origin, direction = np.asarray(origin, float), np.asarray(direction, float)
        if origin.ndim != 1 or origin.shape != direction.shape:
            raise ValueError(
                f"{cls.__name__}.from_map: origin and direction must both have shape "
                f"(n_classes,); got {origin.shape} and {direction.shape}."
            )
        t = np.linspace(-3.0, 3.0, 601) if positions is None else np.asarray(positions)
        return cls(
            positions=t,
            probabilities=function(origin + np.multiply.outer(t, direction)),
            class_names=class_names,
        ).plot(ax, line_kw=line_kw)

    def plot(
        self, ax: "Axes | None" = None, *, line_kw: dict | None = None
    ) -> "SimplexMapDisplay":
        """Draw curves and supports.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the curves.

        Returns
        -------
        display : SimplexMapDisplay
            The display itself.
        """
        t, P = np.asarray(self.positions), np.asarray(self.probabilities)
        if t.ndim != 1 or len(t) < 2 or not (np.diff(t) > 0).all():
            raise ValueError(
                "positions must increase, with shape (n_points,) of at least two; got "
                f"shape {t.shape}."
            )
        if P.ndim != 2 or len(P) != len(t) or P.shape[1] == 0:
            raise ValueError(
                f"probabilities must have shape ({len(t)}, n_classes); got {P.shape}."
            )
        names = self.class_names
        names = range(P.shape[1]) if names is None else names
        names = [str(name) for name in names]
        if len(names) != P.shape[1]:
            raise ValueError(
                f"class_names must have shape ({P.shape[1]},); got {len(names)} names."
            )
        self.ax_ = ax = _style.new_axes(f"{type(self).__name__}.plot", ax)
        self.figure_ = ax.figure
        self.lines_, self.supports_, colors = [], [], []
        for k, name in enumerate(names):
            color = _style.COLORS[k % len(_style.COLORS)]
            style = {"color": color, "linewidth": 1.8, "label": name, **(line_kw or {})}
            self.lines_ += ax.plot(t, P[:, k], **style)
            colors.append(self.lines_[-1].get_color())
            top = -_BAR * (k + 0.6)
            self.supports_.append(
                ax.fill_between(
                    t,
                    top - 0.6 * _BAR,
                    top,
                    where=P[:, k] > 0,
                    color=colors[-1],
                    linewidth=0,
                )
            )
        ax.set_xlim(t[0], t[-1])
        ax.set_ylim(-_BAR * (len(names) + 0.8), 1.03)
        ax.set_yticks(np.linspace(0.0, 1.0, 5))
        ax.axhline(0.0, color=_style.GREY, linewidth=0.8, zorder=0)
        ax.set_xlabel("position on the line of scores")
        ax.set_ylabel("probability, with supports below")
        self.labels_ = _style.label_ends(ax, t[-1], P[-1], names, colors)
        return self
