"""The best few spectra of a labelled library for each pixel, by branch and bound.

A branch is a set of spectra that are left. Least squares on their simplex bounds it
from below; where that uses at most one spectrum of each class, and few classes, it is
the best of its branch. Otherwise one class too many is taken for certain in one branch
and left out in the other, or a class is split between its two largest members.
Up to two members are found by trying all pairs, each by its closed form.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.optim.gram_qp import EXCLUDED, solve_row
from sparsestat.utils.dispatch import kernel

__all__ = ["Members", "best_members"]

# A branch has to promise this much, as a share of the largest product.
_WORTH = 1e-11


class Members(NamedTuple):
    """Best models of pixels.

    Parameters
    ----------
    members : ndarray of shape (n_samples, max_members), int64
        Rows of the library, -1 where fewer are used.
    abundances : ndarray of shape (n_samples, max_members)
        Their abundances.
    shade : ndarray of shape (n_samples,)
        Abundance of the shade.
    gap : ndarray of shape (n_samples,)
        Bound of the objective above its minimum.
    finished : ndarray of shape (n_samples,), bool
        Whether no branch was left open.
    """

    members: np.ndarray
    abundances: np.ndarray
    shade: np.ndarray
    gap: np.ndarray
    finished: np.ndarray


def best_members(
    X: np.ndarray,
    E: np.ndarray,
    labels: np.ndarray,
    max_members: int,
    shade: bool,
    max_nodes: int,
) -> Members:
    """Best models of pixels with at most one spectrum of each class.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Pixels.
    E : ndarray of shape (n_spectra, n_features)
        Library in double precision.
    labels : ndarray of shape (n_spectra,)
        Classes, counted from zero.
    max_members : int
        Classes in a pixel at most.
    shade : bool
        Whether a black spectrum is part of each model.
    max_nodes : int
        Branches of a pixel at most.
    """
    n_classes = int(labels.max()) + 1
    max_members = min(max_members, n_classes)
    if shade:
        E = np.vstack([E, np.zeros(E.shape[1])])
        labels = np.append(labels, -1)
    centre = E.mean(axis=0)
    centred = E - centre
    gram = centred @ centred.T
    scale = np.trace(gram) / len(gram) or 1.0
    products = X @ centred.T - centred @ centre
    coef = np.zeros((len(X), len(E)))
    gap, finished = np.zeros(len(X)), np.ones(len(X), dtype=bool)
    _search_rows(
        gram / scale + 1.0, products / scale + 1.0, labels.astype(np.int64), n_classes,
        max_members, max_nodes, coef, gap, finished,
    )  # fmt: skip
    black = coef[:, -1] if shade else np.zeros(len(X))
    own = coef[:, :-1] if shade else coef
    order = np.argsort(-own, axis=1, kind="stable")[:, :max_members]
    abundances = np.take_along_axis(own, order, axis=1)
    members = np.where(abundances > 0.0, order, -1)
    return Members(members, abundances, black, np.maximum(gap, 0.0) * scale, finished)


@kernel
def _search_rows(
    G, C, labels, n_classes, max_members, max_nodes, coef, gap, finished
):  # fmt: skip
    p = len(G)
    depth = p + n_classes + 2
    R = np.empty((p, p))
    face, left = np.empty(p, dtype=np.int64), np.empty(p, dtype=np.int64)
    work = np.empty((6, p))
    states = np.empty((depth, p), dtype=np.int8)
    taken = np.empty((depth, n_classes), dtype=np.int8)
    bounds = np.empty(depth)
    state, a, trial = np.empty(p, dtype=np.int8), np.empty(p), np.empty(p)
    total = np.empty(n_classes)
    first = np.empty(n_classes, dtype=np.int64)
    second = np.empty(n_classes, dtype=np.int64)
    for row in range(len(C)):
        c, best = C[row], coef[row]
        worth = 0.0
        for k in range(p):
            worth = max(worth, _WORTH * abs(c[k]))
            states[0, k] = 0
        for k in range(n_classes):
            taken[0, k] = 0
        objective, bounds[0], size, nodes = np.inf, -np.inf, 1, 0
        if max_members <= 2:
            _best_pair(G, c, labels, max_members, best)
            size = 0
            objective = 0.0
        while size > 0 and nodes < max_nodes:
            size -= 1
            if bounds[size] >= objective - worth:
                continue
            nodes += 1
            for k in range(p):
                state[k] = states[size, k]
                a[k] = 0.0
            solve_row(G, c, True, 1e-12, R, face, left, state, work, a)
            bound = _objective(c, work[0], a)
            if bound >= objective - worth:
                continue
            n_used = _largest(a, labels, total, first, second)
            split = _class_to_split(a, second)
            if split < 0 and n_used <= max_members:
                objective = bound
                for k in range(p):
                    best[k] = a[k]
                continue
            # The spectra that are left wait while the largest ones make a model.
            for k in range(p):
                states[size, k] = state[k]
                trial[k] = 0.0
            _keep_largest(labels, total, first, max_members, state)
            solve_row(G, c, True, 1e-12, R, face, left, state, work, trial)
            value = _objective(c, work[0], trial)
            if value < objective:
                objective = value
                for k in range(p):
                    best[k] = trial[k]
            if n_used > max_members:
                _split_use(labels, total, max_members, states, taken, size)
            else:
                _split_class(G, labels, split, first, second, states, taken, size)
            bounds[size] = bounds[size + 1] = bound
            size += 2
        lowest = objective
        for i in range(size):
            lowest = min(lowest, bounds[i])
        gap[row] = objective - lowest
        finished[row] = size == 0 or gap[row] <= worth


@kernel
def _best_pair(G, c, labels, max_members, best):
    """Coefficients of the best vertex, edge, or triangle with the shade, which is last.

    What lies on an edge or at a vertex of a triangle is found there.
    """
    p = len(c)
    shade = p - 1 if labels[p - 1] < 0 else p
    lowest, first, second, s, t = np.inf, 0, 0, 0.0, 0.0
    for j in range(p):
        value = 0.5 * G[j, j] - c[j]
        if value < lowest:
            lowest, first, second, s, t = value, j, j, 0.0, 0.0
        # Edges from j, along which the slope is d and the curvature q.
        for k in range(j + 1, p):
            d = c[k] - c[j] - G[j, k] + G[j, j]
            q = G[k, k] - 2.0 * G[j, k] + G[j, j]
            if 0.0 < d < q and value - 0.5 * d * d / q < lowest:
                allowed = k == shade or (max_members == 2 and labels[j] != labels[k])
                if allowed:
                    lowest = value - 0.5 * d * d / q
                    first, second, s, t = j, k, d / q, 0.0
    if shade < p and max_members == 2:
        origin = 0.5 * G[shade, shade] - c[shade]
        x, y = G[shade], c - c[shade] - G[shade] + G[shade, shade]
        for j in range(shade):
            u, a = y[j], G[j, j] - 2.0 * x[j] + x[shade]
            for k in range(j + 1, shade):
                v, b = y[k], G[k, k] - 2.0 * x[k] + x[shade]
                m = G[j, k] - x[j] - x[k] + x[shade]
                det = a * b - m * m
                along, across = b * u - m * v, a * v - m * u
                if along > 0.0 and across > 0.0 and along + across < det:
                    value = origin - 0.5 * (u * along + v * across) / det
                    if value < lowest and labels[j] != labels[k]:
                        lowest, first, second = value, j, k
                        s, t = across / det, 1.0 - (along + across) / det
    for k in range(p):
        best[k] = 0.0
    best[first] += 1.0 - s - t
    best[second] += s
    if t > 0.0:
        best[shade] = t


@kernel
def _objective(c, g, a):
    """a.T G a / 2 - c.T a from the gradient g = c - G a."""
    total = 0.0
    for k in range(len(a)):
        total -= 0.5 * a[k] * (c[k] + g[k])
    return total


@kernel
def _largest(a, labels, total, first, second):
    """Sums, and the two largest members, of each class; how many classes are used."""
    for k in range(len(total)):
        total[k], first[k], second[k] = 0.0, -1, -1
    for k in range(len(a)):
        label = labels[k]
        if label >= 0 and a[k] > 0.0:
            total[label] += a[k]
            if first[label] < 0 or a[k] > a[first[label]]:
                second[label] = first[label]
                first[label] = k
            elif second[label] < 0 or a[k] > a[second[label]]:
                second[label] = k
    used = 0
    for k in range(len(total)):
        used += total[k] > 0.0
    return used


@kernel
def _class_to_split(a, second):
    """The class whose second member is largest, or -1."""
    best, split = 0.0, -1
    for k in range(len(second)):
        if second[k] >= 0 and a[second[k]] > best:
            best, split = a[second[k]], k
    return split


@kernel
def _keep_largest(labels, total, first, max_members, state):
    """Exclude all but the largest members of the classes used most, and the shade."""
    for k in range(len(state)):
        state[k] = 1 if labels[k] < 0 else EXCLUDED
    for _ in range(max_members):
        top = -1
        for k in range(len(total)):
            free = first[k] >= 0 and state[first[k]] == EXCLUDED
            if free and (top < 0 or total[k] > total[top]):
                top = k
        if top < 0:
            break
        state[first[top]] = 1


@kernel
def _split_class(G, labels, split, first, second, states, taken, size):
    """One branch has the spectra nearer to the largest member, the other the rest."""
    i, j = first[split], second[split]
    for k in range(states.shape[1]):
        states[size + 1, k] = states[size, k]
        if labels[k] == split and states[size, k] != EXCLUDED:
            nearer = 2.0 * (G[k, j] - G[k, i]) <= G[j, j] - G[i, i]
            if k == i or (nearer and k != j):
                states[size, k] = EXCLUDED
            else:
                states[size + 1, k] = EXCLUDED
    for k in range(taken.shape[1]):
        taken[size + 1, k] = taken[size, k]


@kernel
def _split_use(labels, total, max_members, states, taken, size):
    """One branch takes the class used most for certain, the other leaves it out."""
    top, n_taken = -1, 1
    for k in range(len(total)):
        taken[size + 1, k] = taken[size, k]
        n_taken += taken[size, k]
        if taken[size, k] == 0 and (top < 0 or total[k] > total[top]):
            top = k
    taken[size + 1, top] = 1
    for k in range(states.shape[1]):
        label = labels[k]
        states[size + 1, k] = states[size, k]
        if label < 0:
            continue
        if n_taken == max_members and taken[size + 1, label] == 0:
            states[size + 1, k] = EXCLUDED
        if label == top:
            states[size, k] = EXCLUDED
