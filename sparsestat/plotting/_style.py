"""What the displays share: colours, axes of regularisation, labels that do not overlap.

matplotlib is imported inside the functions only.
"""

import numpy as np
from scipy.optimize import isotonic_regression

# Colours that stay apart under every common colour blindness and on white paper
# (Wong 2011, doi:10.1038/nmeth.1618, without yellow; violet added, Tol's indigo).
COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#332288",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
LINE_STYLES = ("-", "--", "-.", ":")
GREY = "#BBBBBB"
DARK = "#444444"


def pyplot(caller):
    """Return matplotlib.pyplot, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib; it comes with pip install 'sparsestat[plot]'."
        ) from error
    return plt


def new_axes(caller, ax):
    """Return `ax`, or the axes of a new figure."""
    plt = pyplot(caller)
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def check_alphas(alphas):
    """Return strengths as a float64 vector."""
    alphas = np.asarray(alphas, dtype=np.float64)
    if alphas.ndim != 1 or not alphas.size:
        raise ValueError(
            f"alphas must have shape (n_alphas,), not empty; got {alphas.shape}."
        )
    if not (np.isfinite(alphas) & (alphas >= 0)).all():
        raise ValueError(f"alphas must be finite and >= 0; got {alphas}.")
    return alphas


def alpha_scale(alphas):
    """Return the options of a logarithmic scale, with a place for 0 where needed."""
    positive = alphas[alphas > 0]
    if positive.size == alphas.size:
        return {"value": "log"}
    return {
        "value": "symlog",
        "linthresh": positive.min(initial=1.0),
        "linscale": 0.3,
    }


def alpha_axis(ax, alphas):
    """Let alpha run from strong to weak, on its scale."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    ax.set_xscale(**alpha_scale(alphas))
    if ax.get_xscale() == "log" and alphas.max() < 100 * alphas.min():
        # Powers of ten are too few, and matplotlib's labels between them collide.
        narrow = alphas.max() < 5 * alphas.min()
        ax.xaxis.set_major_locator(
            MaxNLocator(5) if narrow else LogLocator(subs=(1.0, 2.0, 5.0))
        )
        ax.xaxis.set_major_formatter(FuncFormatter(lambda alpha, _: f"{alpha:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    if not ax.xaxis_inverted():
        ax.invert_xaxis()
    ax.set_xlabel("alpha")


def count_axis(ax, x, n_nonzero, scale):
    """Show along the top how many coefficients are not zero, at about seven places."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    top = ax.secondary_xaxis("top")
    # By itself a secondary axis follows linear and logarithmic scales only.
    top.set_xscale(**scale)
    ax.autoscale_view()
    at = ax.transData.transform(np.column_stack([x, np.zeros(len(x))]))[:, 0]
    wanted = np.linspace(at.min(), at.max(), 7)
    nearest = np.abs(at[:, None] - wanted).argmin(axis=0)
    # A path may leave gaps: a place too far from its tick would crowd the next.
    close = np.abs(at[nearest] - wanted) <= np.ptp(at) / 12
    picked = np.unique(nearest[close])
    top.xaxis.set_major_locator(FixedLocator(np.asarray(x)[picked]))
    top.xaxis.set_major_formatter(FixedFormatter([str(n_nonzero[i]) for i in picked]))
    top.xaxis.set_minor_locator(NullLocator())
    top.set_xlabel("nonzero coefficients")
    top.spines["top"].set_visible(False)
    top.tick_params(length=0)
    return top


def legend(ax, handles, **options):
    """Name the handles on a white ground, so that no line runs through the text."""
    labels = [
        (handle[-1] if isinstance(handle, tuple) else handle).get_label()
        for handle in handles
    ]
    return ax.legend(
        handles,
        labels,
        fontsize="small",
        facecolor="white",
        edgecolor="none",
        framealpha=0.9,
        **options,
    )


def spread(positions, gap):
    """Move sorted positions within [0, 1] as little as possible to keep a distance.

    Least squares subject to ``moved[i + 1] - moved[i] >= gap`` and to the bounds: an
    isotonic regression of the positions less i times the gap, clipped.
    """
    steps = gap * np.arange(len(positions))
    moved = isotonic_regression(positions - steps).x
    return np.clip(moved, 0.0, 1.0 - steps[-1]) + steps


def label_ends(ax, x, y, texts, colors):
    """Label the right ends of curves beside the axes, with leaders to moved labels."""
    from matplotlib.colors import to_rgb
    from matplotlib.font_manager import FontProperties

    if not texts:
        return []
    ax.autoscale_view()
    to_axes = ax.transData + ax.transAxes.inverted()
    ends = to_axes.transform(np.column_stack([np.full(len(y), x), y]))[:, 1]
    size = FontProperties(size="small").get_size_in_points()
    height = ax.get_window_extent().height * 72 / ax.figure.dpi
    order = np.argsort(ends)
    heights = np.empty(len(y))
    gap = min(1.25 * size / height, 1 / max(1, len(y) - 1))
    heights[order] = spread(ends[order], gap)
    return [
        ax.annotate(
            text,
            xy=(x, end),
            xytext=(1.035, label_height),
            textcoords="axes fraction",
            va="center",
            fontsize="small",
            color=np.multiply(0.8, to_rgb(color)),
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": color,
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 0,
            },
        )
        for text, end, label_height, color in zip(
            texts, y, heights, colors, strict=True
        )
    ]
