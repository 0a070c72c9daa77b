"""What the display of a path draws, asked of its artists."""

import itertools

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sparsestat.plotting import CoefficientPathDisplay
from tests.plotting.models import PathModel

plt = pytest.importorskip("matplotlib.pyplot")
Text = pytest.importorskip("matplotlib.text").Text

X = np.random.default_rng(0).standard_normal((20, 3))
Y = 2 * X[:, 0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def labels(display):
    return [label.get_text() for label in display.labels_]


def test_curves_are_the_path():
    display = CoefficientPathDisplay.from_path(PathModel.alphas, PathModel.coefs)
    assert labels(display) == ["x0", "x1"]
    for line, curve, begin in zip(
        display.lines_, PathModel.coefs, [0, 1], strict=False
    ):
        np.testing.assert_array_equal(line.get_xdata(), PathModel.alphas)
        np.testing.assert_array_equal(line.get_ydata()[begin:], curve[begin:])
        # Before a curve leaves zero it is not drawn.
        assert np.isnan(line.get_ydata()[:begin]).all()
    assert display.other_lines_ is None and display.alpha_line_ is None
    assert display.ax_.get_xscale() == "log" and display.ax_.xaxis_inverted()
    assert display.figure_ is display.ax_.figure


def test_a_curve_that_comes_back_to_zero_ends_there():
    display = CoefficientPathDisplay.from_path(
        [1.0, 0.8, 0.6, 0.4, 0.2, 0.1], [[0.0, 0.0, 2.0, 0.0, 0.0, 0.0]]
    )
    nan = np.nan
    expected = [nan, 0.0, 2.0, 0.0, nan, nan]
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), expected)


@pytest.mark.parametrize("container", [np.asarray, sparse.csc_array, sparse.coo_array])
def test_the_strongest_are_labelled_the_others_grey(container):
    rng = np.random.default_rng(1)
    coefs = rng.standard_normal((50, 1)) * np.linspace(0, 1, 7)
    coefs[7] = 0.0
    display = CoefficientPathDisplay.from_path(
        np.geomspace(1, 0.1, 7), container(coefs), n_labels=4
    )
    strongest = np.argsort(-np.abs(coefs[:, -1]))[:4]
    assert labels(display) == [f"x{j}" for j in strongest]
    assert len(display.lines_) == 4
    assert len(display.other_lines_.get_segments()) == 50 - 4 - 1
    assert len({line.get_color() for line in display.lines_}) == 4


def test_size_at_the_chosen_strength_comes_first():
    coefs = [[0.0, 1.0, 1.0], [0.0, 0.5, 3.0], [0.0, 0.0, 2.0]]
    alphas = [1.0, 0.5, 0.1]

    def order(alpha):
        return labels(CoefficientPathDisplay.from_path(alphas, coefs, alpha=alpha))

    assert order(None) == ["x1", "x2", "x0"]
    assert order(0.5) == ["x0", "x1", "x2"]
    assert order(1.0) == ["x1", "x2", "x0"]


def test_labels_stand_apart_in_the_order_of_the_curves():
    coefs = np.zeros((12, 3))
    coefs[:, 2] = 1 + 1e-3 * np.random.default_rng(2).permutation(12)
    display = CoefficientPathDisplay.from_path([1.0, 0.5, 0.1], coefs, n_labels=12)
    display.figure_.canvas.draw()
    # The extent of the text alone: an annotation's own holds its leader too.
    boxes = [Text.get_window_extent(label) for label in display.labels_]
    bottoms = np.array([box.y0 for box in boxes])
    assert (np.diff(np.sort(bottoms)) > 8).all()
    ends = [line.get_ydata()[-1] for line in display.lines_]
    np.testing.assert_array_equal(np.argsort(bottoms), np.argsort(ends))
    axes = display.ax_.get_window_extent()
    assert all(box.x0 > axes.x1 for box in boxes)


def test_more_labels_than_colours():
    coefs = np.arange(40)[:, None] * [0.0, 1.0]
    display = CoefficientPathDisplay.from_path([1.0, 0.1], coefs, n_labels=32)
    looks = {(line.get_color(), line.get_linestyle()) for line in display.lines_}
    assert len(looks) == 32


def test_the_chosen_strength_is_marked_and_counted():
    display = CoefficientPathDisplay.from_estimator(PathModel().fit(X))
    assert set(display.alpha_line_.get_xdata()) == {0.1}
    (text,) = display.ax_.get_legend().get_texts()
    assert text.get_text() == "alpha = 0.1, 2 nonzero"


@pytest.mark.parametrize("alphas", [[1.0, 0.3, 0.1, 0.03], [0.0, 0.1, 0.3, 1.0]])
def test_counts_stand_over_their_strengths(alphas):
    display = CoefficientPathDisplay.from_path(alphas, PathModel.coefs)
    ax, top = display.ax_, display.count_ax_
    display.figure_.canvas.draw()
    shown = {
        tick: text.get_text()
        for tick, text in zip(top.get_xticks(), top.get_xticklabels(), strict=True)
    }
    counts = np.count_nonzero(PathModel.coefs, axis=0)
    assert {alphas[0], alphas[-1]} <= set(shown)
    for alpha, count in zip(alphas, counts, strict=True):
        if alpha in shown:
            assert shown[alpha] == str(count)
            above = top.transData.transform((alpha, 0))[0]
            assert above == pytest.approx(ax.transData.transform((alpha, 0))[0])
    assert len(top.get_xticks(minor=True)) == 0


@pytest.mark.parametrize("ratio", [0.9, 0.5, 0.2, 0.1, 0.05, 0.02, 1e-3, 1e-5])
def test_strengths_can_be_read(ratio):
    alphas = [0.19, 0.19 * ratio]
    display = CoefficientPathDisplay.from_path(
        alphas, [[0.0, 1.0]], feature_names=["a long name narrows the axes"]
    )
    display.figure_.canvas.draw()
    axis, box = display.ax_.xaxis, display.ax_.get_window_extent()
    labels = [*axis.get_ticklabels(), *axis.get_ticklabels(minor=True)]
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    boxes = sorted(
        (b for b in boxes if box.x0 - 1 <= (b.x0 + b.x1) / 2 <= box.x1 + 1),
        key=lambda b: b.x0,
    )
    assert len(boxes) >= 2
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


def test_other_axes():
    display = CoefficientPathDisplay.from_path(
        PathModel.alphas,
        PathModel.coefs,
        alpha=0.3,
        x_axis="l1_norm",
        deviance_ratio=[0.0, 0.5, 0.7, 0.9],
    )
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), [0, 1, 2, 2.25])
    assert set(display.alpha_line_.get_xdata()) == {1.0}
    assert not display.ax_.xaxis_inverted() and display.ax_.get_xscale() == "linear"
    display.plot(x_axis="deviance_ratio")
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), [0, 0.5, 0.7, 0.9])
    assert set(display.alpha_line_.get_xdata()) == {0.5}


@pytest.mark.parametrize(
    ("model", "scaled"),
    [
        (PathModel(), False),
        (make_pipeline(PathModel()), False),
        (make_pipeline(StandardScaler(), PathModel()), True),
    ],
)
def test_explained_deviance(model, scaled):
    display = CoefficientPathDisplay.from_estimator(
        model.fit(X), X, Y, x_axis="deviance_ratio"
    )
    design = StandardScaler().fit_transform(X) if scaled else X
    expected = [
        1 - ((Y - design @ w) ** 2).sum() / ((Y - Y.mean()) ** 2).sum()
        for w in PathModel.coefs.T
    ]
    np.testing.assert_allclose(display.deviance_ratio, expected)


def test_names_of_features():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["height", "age", "mass"])
    draw = CoefficientPathDisplay.from_estimator
    assert labels(draw(PathModel().fit(frame))) == ["height", "age"]
    assert labels(draw(PathModel().fit(X))) == ["x0", "x1"]
    pipeline = make_pipeline(StandardScaler(), PathModel()).fit(frame)
    assert labels(draw(pipeline)) == ["height", "age"]
    nameless = make_pipeline(FunctionTransformer(), PathModel()).fit(X)
    assert labels(draw(nameless)) == ["x0", "x1"]
    assert labels(draw(make_pipeline(PathModel()).fit(X))) == ["x0", "x1"]
    given = draw(pipeline, feature_names=["a", "b", "c"])
    assert labels(given) == ["a", "b"]
    search = GridSearchCV(
        pipeline, {"pathmodel__l1_ratio": [1.0]}, scoring="r2", cv=2
    ).fit(frame, Y)
    assert labels(draw(search)) == ["height", "age"]


def test_several_l1_ratios():
    model = PathModel(l1_ratio=[0.5, 0.9]).fit(X)
    display = CoefficientPathDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), PathModel.alphas)


def test_colours_of_groups():
    to_rgba = pytest.importorskip("matplotlib.colors").to_rgba
    sizes = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    display = CoefficientPathDisplay.from_path(
        [1.0, 0.1],
        np.column_stack([np.zeros(5), sizes]),
        # x2 is in both groups and has the colour of the first, x4 in none.
        feature_groups=[[0, 2], [2, 1, 3]],
        n_labels=2,
    )
    first, second = (line.get_color() for line in display.lines_)
    assert labels(display) == ["x0", "x1"] and first != second
    others = [tuple(color) for color in display.other_lines_.get_colors()]
    assert others[:2] == [to_rgba(first), to_rgba(second)]
    assert others[2] not in others[:2]


def test_given_axes_and_options():
    _, ax = plt.subplots()
    display = CoefficientPathDisplay.from_path(
        PathModel.alphas, PathModel.coefs, ax=ax, line_kw={"linewidth": 7}
    )
    assert display.ax_ is ax
    assert all(line.get_linewidth() == 7 for line in display.lines_)


@pytest.mark.parametrize("coefs", [np.zeros((3, 4)), np.ones((3, 4))])
@pytest.mark.parametrize("n_labels", [0, 2])
def test_degenerate_paths_are_drawn(coefs, n_labels):
    for columns in (4, 1):
        display = CoefficientPathDisplay.from_path(
            PathModel.alphas[:columns],
            coefs[:, :columns],
            alpha=0.5,
            n_labels=n_labels,
        )
        display.figure_.canvas.draw()
        assert len(display.labels_) == (n_labels if coefs.any() else 0)


@pytest.mark.parametrize(
    ("alphas", "coefs", "kwargs", "message"),
    [
        ([1.0, 0.1], [[1.0]], {}, r"coefs must have shape .*got \(1, 1\) and \(2,\)"),
        ([1.0, 0.1], [1.0, 2.0], {}, "coefs must have shape"),
        ([[1.0]], [[1.0]], {}, r"alphas must have shape \(n_alphas,\)"),
        ([], np.empty((3, 0)), {}, "not empty"),
        ([-1.0], [[1.0]], {}, r"alphas must be finite and >= 0; got \[-1.\]"),
        ([1.0], [[1.0]], {"feature_names": ["a", "b"]}, "inconsistent"),
        ([1.0], [[1.0]], {"x_axis": "lambda"}, "x_axis must be 'alpha'"),
        ([1.0], [[1.0]], {"x_axis": "deviance_ratio"}, "needs deviance_ratio"),
        (
            [1.0],
            [[1.0]],
            {"x_axis": "deviance_ratio", "deviance_ratio": [1.0, 2.0]},
            r"deviance_ratio must have shape \(1,\); got \(2,\)",
        ),
        ([1.0], [[1.0]], {"n_labels": -1}, "n_labels must be an integer"),
    ],
)
def test_bad_input_is_named(alphas, coefs, kwargs, message):
    with pytest.raises(ValueError, match=message):
        CoefficientPathDisplay.from_path(alphas, coefs, **kwargs)


def test_other_estimators_are_refused():
    draw = CoefficientPathDisplay.from_estimator
    with pytest.raises(NotFittedError):
        draw(PathModel())
    with pytest.raises(TypeError, match="path_coef_ and alphas_, such as LassoCV"):
        draw(Ridge().fit(X, Y))
    with pytest.raises(ValueError, match="X and y go together; got only X"):
        draw(PathModel().fit(X), X)
