"""A next-token distribution and what decoders keep of it."""

from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from sparsestat.plotting import _style
from sparsestat.utils.validation import Interval, check_parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PARAMETERS = {"max_rank": Interval(1, inf, closed="left", integer=True) | None}


class DecoderDisplay:
    """Probabilities by rank, before and after decoding.

    The distribution is grey, ordered from the most to the least probable token. Each
    decoder has a curve over the tokens that it keeps, ending where it cuts, and its
    number of tokens in the legend.

    Use :meth:`from_decoders` to create one. All parameters are stored as attributes.

    Parameters
    ----------
    probabilities : array-like of shape (n_tokens,)
        The distribution.

    decoded : mapping of str to array-like of shape (n_tokens,)
        Sparse distributions by the name of their decoder.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure with the axes.

    line_ : matplotlib Line2D
        The distribution.

    decoded_lines_ : list of matplotlib Line2D
        Curves of the decoders, in the order of `decoded`.

    sizes_ : dict of str to int
        Number of tokens that each decoder keeps.

    See Also
    --------
    SimplexMapDisplay : Sparse maps along a line of scores.
    sparsestat.activations.bregman_decode : Decoding with an adaptive size.

    References
    ----------
    .. [1] Noarov, G. et al. (2025). Foundations of top-k decoding for language models.
       :arxiv:`2505.19371`

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sparsestat.activations import bregman_decode, top_p
    >>> from sparsestat.plotting import DecoderDisplay
    >>> display = DecoderDisplay.from_decoders(
    ...     [0.5, 0.2, 0.15, 0.1, 0.05],
    ...     {
    ...         "top-p": lambda p: top_p(p, 0.8),
    ...         "Bregman": lambda p: bregman_decode(p, alpha=2.0, penalty=0.05)[0],
    ...     },
    ... )
    >>> display.sizes_
    {'top-p': 3, 'Bregman': 2}
    >>> plt.close(display.figure_)
    """

    def __init__(self, *, probabilities: ArrayLike, decoded: Mapping[str, ArrayLike]):
        self.probabilities = probabilities
        self.decoded = decoded

    @classmethod
    def from_decoders(
        cls,
        probabilities: ArrayLike,
        decoders: Mapping[str, Callable[[np.ndarray], np.ndarray]],
        *,
        max_rank: int | None = None,
        ax: "Axes | None" = None,
        line_kw: dict | None = None,
    ) -> "DecoderDisplay":
        """Draw what decoders make of a distribution.

        Parameters
        ----------
        probabilities : array-like of shape (n_tokens,)
            The distribution.

        decoders : mapping of str to callable
            Functions of the distribution by name; they return a distribution over the
            same tokens.

        max_rank : int, default=None
            Last rank to show; by default four times the largest support, if there are
            as many tokens.

        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the decoders.

        Returns
        -------
        display : DecoderDisplay
            The display, drawn.
        """
        p = np.asarray(probabilities)
        decoded = {name: np.asarray(function(p)) for name, function in decoders.items()}
        return cls(probabilities=p, decoded=decoded).plot(
            ax, max_rank=max_rank, line_kw=line_kw
        )

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        max_rank: int | None = None,
        line_kw: dict | None = None,
    ) -> "DecoderDisplay":
        """Draw the distribution and the decoders.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; by default those of a new figure.

        max_rank : int, default=None
            Last rank to show; by default four times the largest support, if there are
            as many tokens.

        line_kw : dict, default=None
            Options of ``Axes.plot`` for the decoders.

        Returns
        -------
        display : DecoderDisplay
            The display itself.
        """
        caller = f"{type(self).__name__}.plot"
        check_parameters({"max_rank": max_rank}, _PARAMETERS, name=caller)
        p = np.asarray(self.probabilities, dtype=float)
        if p.ndim != 1 or not p.size:
            raise ValueError(
                f"probabilities must have shape (n_tokens,), not empty; got {p.shape}."
            )
        decoded = {name: np.asarray(q, float) for name, q in self.decoded.items()}
        for name, q in decoded.items():
            if q.shape != p.shape:
                raise ValueError(
                    f"decoded[{name!r}] must have shape {p.shape}; got {q.shape}."
                )
        self.sizes_ = {name: int(np.count_nonzero(q)) for name, q in decoded.items()}
        order = np.argsort(-p, kind="stable")
        ranks = np.arange(1, len(p) + 1)
        last = max_rank or 4 * max(self.sizes_.values(), default=len(p))
        shown = slice(0, min(last, len(p)))
        self.ax_ = ax = _style.new_axes(caller, ax)
        self.figure_ = ax.figure
        (self.line_,) = ax.plot(
            ranks[shown],
            p[order][shown],
            color=_style.GREY,
            linewidth=4,
            solid_capstyle="round",
            label=f"distribution, {np.count_nonzero(p)} tokens",
        )
        self.decoded_lines_ = []
        for k, (name, q) in enumerate(decoded.items()):
            kept = q[order] > 0
            kept[shown.stop :] = False
            style = {
                "color": _style.COLORS[k % len(_style.COLORS)],
                "marker": "o",
                "markersize": 3.5,
                "linewidth": 1.0,
                "label": f"{name}, {self.sizes_[name]}",
                **(line_kw or {}),
            }
            self.decoded_lines_ += ax.plot(ranks[kept], q[order][kept], **style)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("rank of the token")
        ax.set_ylabel("probability")
        _style.legend(ax, [self.line_, *self.decoded_lines_])
        return self
