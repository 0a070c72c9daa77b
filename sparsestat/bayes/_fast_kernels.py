"""Steps of single prior variances, after Tipping and Faul (2003).

The arrays hold w candidates; `order` lists the k active ones first. A matrix of zeros
outside the active rows and columns stands for the posterior covariance.
"""

import numpy as np

from sparsestat.utils.dispatch import kernel

__all__ = ["climb", "minimise_box"]


@kernel
def climb(gram, S, Q, Sigma, mean, g, order, k, noise, floor, tol, coarse, max_steps):
    """Take the step that gains most, again and again; number of steps taken.

    Inactive candidates move if their relative excess is above `tol`, active ones if
    their slope is above `coarse`. All arrays are kept up to date.
    """
    w = len(g)
    pull, u = np.empty(w, gram.dtype), np.empty(w, gram.dtype)
    for step in range(max_steps):
        j, target = _best(S, Q, Sigma, mean, g, floor, tol, coarse)
        if j < 0:
            return step
        if g[j] > 0.0:
            _change(gram, S, Q, Sigma, mean, g, order, k, noise, j, target, pull, u)
            if target == 0.0:
                k = _remove(Sigma, mean, order, k, j)
        else:
            _enter(gram, S, Q, Sigma, mean, g, order, k, noise, j, target, pull, u)
            order[k] = j
            k += 1
        g[j] = target
    return max_steps


@kernel
def _best(S, Q, Sigma, mean, g, floor, tol, coarse):
    """Candidate whose best variance gains most, and this variance; -1 if none moves.

    With s and q2 as if the candidate were absent, the cost is log(1 + g s) minus
    g q2 / (1 + g s) but for a constant, which is least at (q2 - s) / s^2, or at 0.
    """
    best, chosen, target = 0.0, -1, 0.0
    for m in range(len(g)):
        gain = 0.0
        if g[m] > 0.0:
            d = Sigma[m, m].real
            power = _power(mean, m)
            r = _share(S[m], d, g[m])
            s, q2 = r / d, power / (d * d)
            if q2 > s and abs(r - power / g[m]) <= coarse:
                continue
            gain = np.log1p(g[m] * s) - g[m] * q2 / (1.0 + g[m] * s)
        else:
            s, q2 = S[m], _power(Q, m)
            if s <= floor[m] or q2 <= (1.0 + tol) * s:
                continue
        optimum = 0.0
        if q2 > s:
            optimum = (q2 - s) / (s * s)
            gain += q2 / s - 1.0 - np.log(q2 / s)
        if gain > best:
            best, chosen, target = gain, m, optimum
    return chosen, target


@kernel
def _share(S, d, g):
    """Share of a variance that the data take away, by what does not cancel."""
    r = 1.0 - d / g
    return r if r >= 0.5 else g * S


@kernel
def _change(gram, S, Q, Sigma, mean, g, order, k, noise, j, target, pull, u):
    """Change or remove an active variance: an update of rank one."""
    w, n_targets = Q.shape
    d = Sigma[j, j].real
    s = _share(S[j], d, g[j]) / d
    # 1 / (d + 1 / (1 / target - 1 / g)), which neither divides by zero nor cancels.
    kappa = (g[j] - target) / (d * (g[j] - target) + g[j] * target)
    for m in range(w):
        pull[m] = 0.0
    for p in range(k):
        i = order[p]
        u[p] = Sigma[i, j]
        _add(pull, u[p] / noise, gram, i)
    for m in range(w):
        S[m] += kappa * (pull[m].real ** 2 + pull[m].imag ** 2)
    for t in range(n_targets):
        factor, alone = kappa * mean[j, t], mean[j, t] / d
        for m in range(w):
            Q[m, t] += factor * pull[m]
        for p in range(k):
            mean[order[p], t] -= factor * u[p]
        if target == 0.0:
            Q[j, t] = alone
    for p in range(k):
        for i in range(k):
            Sigma[order[p], order[i]] -= kappa * u[p] * np.conj(u[i])
    S[j] = s / (1.0 + target * s)


@kernel
def _remove(Sigma, mean, order, k, j):
    """Take a candidate from the active ones; how many are left."""
    last = 0
    for p in range(k):
        Sigma[order[p], j] = 0.0
        Sigma[j, order[p]] = 0.0
        if order[p] == j:
            last = p
    for t in range(mean.shape[1]):
        mean[j, t] = 0.0
    order[last] = order[k - 1]
    return k - 1


@kernel
def _enter(gram, S, Q, Sigma, mean, g, order, k, noise, j, target, pull, u):
    """Make a candidate active: the covariance gains a row and a column."""
    w, n_targets = Q.shape
    s = S[j]
    d = target / (1.0 + target * s)
    for m in range(w):
        pull[m] = gram[j, m] / noise
    for p in range(k):
        u[p] = 0.0
        for i in range(k):
            u[p] += Sigma[order[p], order[i]] * gram[j, order[i]]
        u[p] /= noise
    for p in range(k):
        _add(pull, -u[p] / noise, gram, order[p])
    for m in range(w):
        S[m] -= d * (pull[m].real ** 2 + pull[m].imag ** 2)
    for t in range(n_targets):
        factor = d * Q[j, t]
        for m in range(w):
            Q[m, t] -= factor * pull[m]
        for p in range(k):
            mean[order[p], t] -= factor * u[p]
        mean[j, t] = factor
    for p in range(k):
        for i in range(k):
            Sigma[order[p], order[i]] += d * u[p] * np.conj(u[i])
        Sigma[order[p], j] = -d * u[p]
        Sigma[j, order[p]] = -d * np.conj(u[p])
    Sigma[j, j] = d
    S[j] = s / (1.0 + target * s)


@kernel
def _add(out, factor, rows, i):
    for m in range(len(out)):
        out[m] += factor * rows[i, m]


@kernel
def _power(values, m):
    """Squared absolute values of a row, on average."""
    total = 0.0
    for t in range(values.shape[1]):
        total += values[m, t].real ** 2 + values[m, t].imag ** 2
    return total / values.shape[1]


@kernel
def minimise_box(H, slope, lower, upper, max_sweeps, tol):
    """Minimise x^T H x / 2 + slope^T x in a box, one x at a time, from zero.

    Ends when no x moves by more than `tol` times what the first sweep moved one.
    """
    n = len(slope)
    x, pull = np.zeros(n), slope.copy()
    first = 0.0
    for _ in range(max_sweeps):
        largest = 0.0
        for j in range(n):
            d = max(H[j, j], 1e-12)
            move = min(max(x[j] - pull[j] / d, lower[j]), upper[j]) - x[j]
            if move == 0.0:
                continue
            x[j] += move
            largest = max(largest, abs(move))
            for i in range(n):
                pull[i] += move * H[j, i]
        first = max(first, largest)
        if largest <= tol * first:
            break
    return x
