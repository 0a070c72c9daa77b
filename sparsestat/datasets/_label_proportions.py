"""Documents that mix the words of several topics in known shares."""

from math import inf
from typing import Literal

import numpy as np
from sklearn.utils import Bunch, check_random_state

from sparsestat.utils.validation import (
    Boolean,
    Interval,
    OneOf,
    RandomState,
    check_parameters,
)

__all__ = ["make_label_proportions"]

_PARAMETERS = {
    "n_samples": Interval(1, inf, closed="left", integer=True),
    "n_classes": Interval(2, inf, closed="left", integer=True),
    "n_features": Interval(1, inf, closed="left", integer=True) | None,
    "n_labels": Interval(0, inf, closed="neither"),
    "length": Interval(0, inf, closed="neither"),
    "proportions": OneOf("uniform", "mixed"),
    "random_state": RandomState,
    "return_X_y": Boolean,
}


def make_label_proportions(
    n_samples: int = 100,
    n_classes: int = 10,
    *,
    n_features: int | None = None,
    n_labels: float = 1.0,
    length: float = 1000.0,
    proportions: Literal["uniform", "mixed"] = "uniform",
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    r"""Draw word counts of documents about few of many topics, in known shares.

    .. math:: x_i \sim \operatorname{Multinomial}\Big(\ell_i, \sum_k q_{ik} \, w_k\Big),
        \qquad \ell_i \sim \operatorname{Poisson}(\ell)

    with a distribution :math:`w_k` over the words for each topic and the shares
    :math:`q_i` of the topics in a document, most of them zero.

    Parameters
    ----------
    n_samples : int, default=100
        Number of documents.

    n_classes : int, default=10
        Number of topics.

    n_features : int, default=None
        Number of words; None is one for each topic.

    n_labels : float, default=1.0
        Mean of the Poisson distribution from which the number of topics of a document
        is drawn, until it is in 1, ..., n_classes.

    length : float, default=1000.0
        Mean number of words of a document.

    proportions : {"uniform", "mixed"}, default="uniform"
        Whether all topics of a document have the same share, or uniform random numbers
        divided by their sum.

    random_state : int, RandomState instance or None, default=None
        Seed. Word distributions, shares and words have streams of their own, so that
        longer documents have the same topics.

    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the whole.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With these attributes:

        data : ndarray of shape (n_samples, n_features)
            Numbers of words, as float64.
        target : ndarray of shape (n_samples, n_classes)
            Shares of the topics; rows sum to one.
        class_prior : ndarray of shape (n_classes,)
            How likely each topic is drawn first.
        word_distributions : ndarray of shape (n_classes, n_features)
            The :math:`w_k`; rows sum to one.
        DESCR : str
            What was drawn.

    (data, target) : tuple if `return_X_y`
        These two only.

    Raises
    ------
    ValueError
        If a parameter is not allowed.

    See Also
    --------
    sklearn.datasets.make_multilabel_classification : Sets of labels without shares.
    sparsestat.linear_model.LabelProportionRegressor : Predicts the shares.

    References
    ----------
    .. [1] Martins, A. F. T. and Astudillo, R. F. (2016). From softmax to sparsemax: a
       sparse model of attention and multi-label classification. Section 4.1.
       :arxiv:`1602.02068`

    Examples
    --------
    >>> from sparsestat.datasets import make_label_proportions
    >>> dataset = make_label_proportions(200, 5, random_state=0)
    >>> dataset.data.shape, dataset.target[0]
    ((200, 5), array([0.5, 0. , 0. , 0. , 0.5]))
    """
    given = dict(locals())
    check_parameters(given, _PARAMETERS, name="make_label_proportions")
    seeds = np.random.SeedSequence(
        check_random_state(random_state).randint(0, 2**32, size=4, dtype=np.uint32)
    )
    topic_rng, share_rng, word_rng = map(np.random.default_rng, seeds.spawn(3))
    n_features = n_classes if n_features is None else n_features
    prior = _normalised(topic_rng.random(n_classes))
    words = _normalised(topic_rng.random((n_classes, n_features)))
    target = np.zeros((n_samples, n_classes))
    for row in target:
        size = _number_of_labels(share_rng, n_labels, n_classes)
        topics = share_rng.choice(n_classes, size, replace=False, p=prior)
        mixed = proportions == "mixed"
        row[topics] = _normalised(share_rng.random(size) if mixed else np.ones(size))
    lengths = word_rng.poisson(length, n_samples)
    mixtures = _normalised(target @ words)
    data = word_rng.multinomial(lengths, mixtures).astype(np.float64)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        class_prior=prior,
        word_distributions=words,
        DESCR=(
            f"{n_samples} documents of about {length:g} words out of {n_features}, on "
            f"some of {n_classes} topics with {proportions} shares.\n"
        ),
    )


def _normalised(values: np.ndarray) -> np.ndarray:
    return values / values.sum(axis=-1, keepdims=True)


def _number_of_labels(rng, mean: float, largest: int) -> int:
    """A Poisson number, given that it is in 1, ..., largest."""
    numbers = np.arange(1, largest + 1)
    # Probabilities relative to the first, in logarithms since they may underflow.
    steps = np.log(mean) - np.log(numbers)
    steps[0] = 0.0
    logarithms = np.cumsum(steps)
    return int(
        rng.choice(numbers, p=_normalised(np.exp(logarithms - logarithms.max())))
    )
