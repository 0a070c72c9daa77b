"""What the display of cross-validation draws, asked of its artists."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sparsestat.plotting import CrossValidationDisplay
from tests.plotting.models import PathModel

plt = pytest.importorskip("matplotlib.pyplot")

X = np.random.default_rng(0).standard_normal((20, 3))
MEAN = PathModel.errors.mean(axis=1)
ERROR = PathModel.errors.std(axis=1, ddof=1) / np.sqrt(5)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def draw(**parameters):
    return CrossValidationDisplay(
        **{"alphas": PathModel.alphas, "scores": PathModel.errors, **parameters}
    ).plot()


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def test_curve_and_band():
    display = draw()
    np.testing.assert_array_equal(display.line_.get_xdata(), PathModel.alphas)
    np.testing.assert_allclose(display.line_.get_ydata(), MEAN)
    (outline,) = display.fill_between_.get_paths()
    heights = outline.vertices[:, 1]
    for value in (*(MEAN - ERROR), *(MEAN + ERROR)):
        assert np.abs(heights - value).min() < 1e-12
    assert display.ax_.get_xscale() == "log" and display.ax_.xaxis_inverted()
    assert display.ax_.get_ylabel() == "mean squared error"
    assert display.fold_lines_ is None and display.count_ax_ is None


def test_best_and_one_standard_error():
    # Means 8.6, 2.6, 2.2, 3.6; the error of 2.2 is about 0.46.
    display = draw()
    assert (display.alpha_min_, display.alpha_1se_) == (0.1, 0.3)
    assert [line.get_xdata()[0] for line in display.alpha_lines_] == [0.1, 0.3]
    assert legend(display) == [
        "mean of 5 folds",
        "best: alpha = 0.1",
        "one standard error: alpha = 0.3",
    ]
    worse = np.array([[0.0], [0.2], [0.0], [0.0]])
    strict = draw(scores=PathModel.errors + worse)
    assert (strict.alpha_min_, strict.alpha_1se_) == (0.1, 0.1)
    assert len(strict.alpha_lines_) == 1


def test_the_rule_does_not_depend_on_order_or_sign():
    backwards = draw(alphas=PathModel.alphas[::-1], scores=PathModel.errors[::-1])
    assert (backwards.alpha_min_, backwards.alpha_1se_) == (0.1, 0.3)
    score = draw(scores=-PathModel.errors, greater_is_better=True)
    assert (score.alpha_min_, score.alpha_1se_) == (0.1, 0.3)


@pytest.mark.parametrize("step", [1, -1])
def test_of_equal_means_the_stronger_is_best(step):
    display = draw(alphas=[1.0, 0.1][::step], scores=[[2.0, 2.0], [1.0, 3.0]][::step])
    assert display.alpha_min_ == 1.0


def test_one_fold_has_no_error():
    display = draw(scores=PathModel.errors[:, :1])
    assert (display.alpha_min_, display.alpha_1se_) == (0.1, 0.1)


def test_folds():
    display = CrossValidationDisplay.from_estimator(PathModel().fit(X), show_folds=True)
    segments = display.fold_lines_.get_segments()
    assert len(segments) == 5
    np.testing.assert_array_equal(segments[2][:, 1], PathModel.errors[:, 2])
    assert "folds" in legend(display)


def test_from_estimator():
    display = CrossValidationDisplay.from_estimator(
        make_pipeline(StandardScaler(), PathModel()).fit(X)
    )
    np.testing.assert_allclose(display.line_.get_ydata(), MEAN)
    np.testing.assert_array_equal(display.n_nonzero, [0, 1, 2, 2])
    assert display.alpha == 0.1 and not display.greater_is_better
    assert legend(display)[1] == "best: alpha = 0.1, 2 nonzero"
    shown = [text.get_text() for text in display.count_ax_.get_xticklabels()]
    assert shown == ["0", "1", "2", "2"]


@pytest.mark.parametrize(
    ("scoring", "name"),
    [
        ("r2", "r2"),
        ("neg_mean_absolute_error", "negative mean absolute error"),
        (max, "score"),
    ],
)
def test_scores(scoring, name):
    display = CrossValidationDisplay.from_estimator(PathModel(scoring=scoring).fit(X))
    np.testing.assert_allclose(display.line_.get_ydata(), -MEAN)
    assert display.alpha_min_ == 0.1 and display.alpha_1se_ == 0.3
    assert display.ax_.get_ylabel() == name


def test_one_of_several_l1_ratios():
    model = PathModel(l1_ratio=[0.5, 0.9]).fit(X)
    best = CrossValidationDisplay.from_estimator(model)
    np.testing.assert_allclose(best.line_.get_ydata(), MEAN)
    assert best.alpha == 0.1 and best.n_nonzero is not None
    other = CrossValidationDisplay.from_estimator(model, l1_ratio=0.5)
    np.testing.assert_allclose(other.line_.get_ydata(), MEAN + 1)
    np.testing.assert_allclose(other.line_.get_xdata(), 10 * PathModel.alphas)
    # The path kept is that of the best.
    assert other.alpha is None and other.n_nonzero is None
    with pytest.raises(ValueError, match=r"one of \[0.5, 0.9\]; got 0.7"):
        CrossValidationDisplay.from_estimator(model, l1_ratio=0.7)


def test_another_choice_is_marked_too():
    display = draw(alpha=1.0, n_nonzero=[0, 1, 2, 2])
    assert legend(display)[-1] == "chosen: alpha = 1, 0 nonzero"
    assert len(draw(alpha=0.3).alpha_lines_) == 2


def test_given_axes_and_options():
    _, ax = plt.subplots()
    display = CrossValidationDisplay.from_estimator(
        PathModel().fit(X),
        ax=ax,
        line_kw={"color": "red", "label": "mine"},
        fill_between_kw={"alpha": 0.5},
    )
    assert display.ax_ is ax and legend(display)[0] == "mine"
    assert display.fill_between_.get_alpha() == 0.5
    np.testing.assert_allclose(display.fill_between_.get_facecolor()[0][:3], [1, 0, 0])


def test_a_strength_of_zero_has_a_place():
    display = draw(alphas=[1.0, 0.3, 0.1, 0.0], n_nonzero=[0, 1, 2, 3])
    display.figure_.canvas.draw()
    at = [display.ax_.transData.transform((alpha, 0))[0] for alpha in [1, 0.3, 0.1, 0]]
    assert (np.diff(at) > 10).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"scores": MEAN}, r"scores must have shape .*got \(4,\) and \(4,\)"),
        ({"scores": PathModel.errors.T}, "scores must have shape"),
        ({"scores": np.empty((4, 0))}, "scores must have shape"),
        ({"alphas": np.full(4, np.nan)}, "alphas must be finite"),
        ({"n_nonzero": [1, 2]}, r"n_nonzero must have shape \(4,\); got \(2,\)"),
    ],
)
def test_bad_input_is_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        draw(**parameters)


def test_other_estimators_are_refused():
    of = CrossValidationDisplay.from_estimator
    with pytest.raises(NotFittedError):
        of(PathModel())
    with pytest.raises(TypeError, match="alphas_ and mse_path_, such as LassoCV"):
        of(Ridge().fit(X, X[:, 0]))
    with pytest.raises(ValueError, match="show_folds must be True or False; got 1"):
        of(PathModel().fit(X), show_folds=1)
