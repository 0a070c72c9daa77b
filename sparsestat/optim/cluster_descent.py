"""Coordinate descent over clusters of equal magnitude, for SLOPE on a Gram matrix.

After Larsson, Klopfenstein, Massias and Wallin (2023), arXiv:2210.14780.
"""

import numpy as np

from sparsestat.optim.vector import axpy
from sparsestat.utils.dispatch import kernel

__all__ = ["descend_clusters", "directional_derivative", "reduce_gram", "subtract_rows"]


@kernel
def subtract_rows(gram, rows, move, out):
    """out -= move[rows] @ gram[rows], four rows at a time."""
    k = 0
    while k + 4 <= len(rows):
        j0, j1, j2, j3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        r0, r1, r2, r3 = gram[j0], gram[j1], gram[j2], gram[j3]
        a0, a1, a2, a3 = move[j0], move[j1], move[j2], move[j3]
        for i in range(len(out)):
            out[i] -= a0 * r0[i] + a1 * r1[i] + a2 * r2[i] + a3 * r3[i]
        k += 4
    while k < len(rows):
        axpy(-move[rows[k]], gram[rows[k]], out)
        k += 1


@kernel
def reduce_gram(gram, active, sign, stops, out):
    """Upper half of the Gram matrix of clusters: signed sums over their members.

    Parameters
    ----------
    gram : ndarray of shape (m, m)
    active, sign : ndarray of shape (n_active,)
        Members of the clusters, one cluster after another, and their signs.
    stops : ndarray of shape (n_clusters,)
        Where each cluster ends.
    out : ndarray of shape (n_clusters, n_clusters)
        Zeros; its upper half is filled.
    """
    i = 0
    for k in range(len(stops)):
        row = out[k]
        while i < stops[k]:
            members = gram[active[i]]
            # Singletons are the rule: their inner loop has one turn.
            j = stops[k - 1] if k > 0 else 0
            for other in range(k, len(stops)):
                part = 0.0
                while j < stops[other]:
                    part += sign[j] * members[active[j]]
                    j += 1
                row[other] += sign[i] * part
            i += 1


@kernel
def directional_derivative(w, direction, lambdas):
    """Derivative of sum lambdas_i |w|_(i) along a direction."""
    order = np.argsort(-np.abs(w))
    total = 0.0
    for i in range(len(order)):
        j = order[i]
        if w[j] > 0.0:
            total += lambdas[i] * direction[j]
        elif w[j] < 0.0:
            total -= lambdas[i] * direction[j]
        else:
            total += lambdas[i] * abs(direction[j])
    return total


@kernel
def descend_clusters(gram, w, q, sums, n_passes):
    """Minimise over the magnitude of one cluster after another.

    Parameters
    ----------
    gram : ndarray of shape (m, m)
    w, q : ndarray of shape (m,)
        Coefficients and q = c - G w, changed in place.
    sums : ndarray of shape (m + 1,)
        Cumulative lambdas times alpha, from 0.
    n_passes : int
        Passes over all clusters.
    """
    m = len(w)
    active = np.flatnonzero(w)
    if len(active) == 0:
        return
    active = active[np.argsort(-np.abs(w[active]))]
    # Members are linked lists; `ranking` holds the clusters, largest magnitude first.
    head, tail = np.empty(m, np.int64), np.empty(m, np.int64)
    following = np.full(m, -1)
    count, curvature = np.zeros(m, np.int64), np.zeros(m)
    level = np.zeros(m)
    ranking = np.empty(m, np.int64)
    n = 0
    for j in active:
        if n > 0 and abs(w[j]) == level[n - 1]:
            k = n - 1
            curvature[k] += gram[j, j] + 2.0 * _cross(gram, w, head[k], following, j)
            following[tail[k]] = j
            tail[k] = j
            count[k] += 1
        else:
            head[n] = tail[n] = j
            count[n], curvature[n], level[n] = 1, gram[j, j], abs(w[j])
            ranking[n] = n
            n += 1
    everyone = n
    for _ in range(n_passes):
        largest = 0.0
        for k in range(everyone):
            if count[k] == 0 or not curvature[k] > 0.0:
                continue
            gradient = 0.0
            j = head[k]
            while j >= 0:
                gradient += q[j] if w[j] > 0.0 else -q[j]
                j = following[j]
            pull = gradient + curvature[k] * level[k]
            flip = pull < 0.0
            place, size, partner = _place(
                k, abs(pull), curvature[k], count, level, ranking, n, sums
            )
            change = (-size if flip else size) - level[k]
            if change != 0.0:
                largest = max(largest, abs(change))
                j = head[k]
                while j >= 0:
                    positive = w[j] > 0.0
                    axpy(-change if positive else change, gram[j], q)
                    w[j] = size if positive != flip else -size
                    j = following[j]
            level[k] = size
            n = _reorder(k, place, size > 0.0 and partner < 0, ranking, n)
            if size == 0.0:
                count[k] = 0
            elif partner >= 0:
                j = head[k]
                while j >= 0:
                    curvature[partner] += 2.0 * _cross(
                        gram, w, head[partner], following, j
                    )
                    j = following[j]
                curvature[partner] += curvature[k]
                following[tail[partner]] = head[k]
                tail[partner] = tail[k]
                count[partner] += count[k]
                count[k] = 0
        if largest == 0.0:
            return


@kernel
def _cross(gram, w, first, following, j):
    """sum of sign(w_i) sign(w_j) G_ij over the members i of a list."""
    total = 0.0
    i = first
    while i >= 0:
        same = (w[i] > 0.0) == (w[j] > 0.0)
        total += gram[i, j] if same else -gram[i, j]
        i = following[i]
    return total


@kernel
def _place(k, pull, curvature, count, level, ranking, n, sums):
    """Minimiser over the magnitude of cluster k, the others fixed.

    Returns its place among the others, its magnitude and, where it meets another
    cluster, that one, else -1.
    """
    slot, place = 0, 0
    size = count[k]
    for r in range(n):
        other = ranking[r]
        if other == k:
            continue
        here = sums[slot + size] - sums[slot]
        if pull - here > curvature * level[other]:
            return place, (pull - here) / curvature, -1
        slot += count[other]
        below = sums[slot + size] - sums[slot]
        if pull - below >= curvature * level[other]:
            return place, level[other], other
        place += 1
    here = sums[slot + size] - sums[slot]
    return place, max(pull - here, 0.0) / curvature, -1


@kernel
def _reorder(k, place, keep, ranking, n):
    """Take k out of the ranking and, if kept, put it in at a place; the new length."""
    r = 0
    while ranking[r] != k:
        r += 1
    if not keep:
        for i in range(r, n - 1):
            ranking[i] = ranking[i + 1]
        return n - 1
    while r > place:
        ranking[r] = ranking[r - 1]
        r -= 1
    while r < place:
        ranking[r] = ranking[r + 1]
        r += 1
    ranking[place] = k
    return n
