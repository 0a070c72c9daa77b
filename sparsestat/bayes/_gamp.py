"""Sparse Bayesian learning by approximate message passing: products with X only.

Damped Gaussian GAMP in the E-step, after Al-Shoukairi, Schniter and Rao (2018),
arXiv:1703.03044; targets that follow each other in time are smoothed along.
"""

from typing import NamedTuple

import numpy as np

from sparsestat.bayes._columns import Columns, rotate_rows, spectral_norm

__all__ = [
    "GampFit",
    "GampSettings",
    "auto_damping",
    "fit_gamp",
    "gamp_mean",
]

# Safety factor of the condition on damping.
_SAFETY = 1.1
# An inner loop ends at this share of the change of the outer one before.
_FORCING = 0.3
# No M-step can be judged by a larger residual than the first; means end at the second.
_LEAST_TOL, _POLISH = 1e-5, 1e-10
# Damping above which rows count as independent, and that of rotated ones.
_INDEPENDENT, _ROTATED_DAMPING = 0.9, 0.7
# Variances this far below what the data resolve, and falling, are dropped.
_UNRESOLVED = 0.03
# Nats of evidence that a coefficient has to earn in the end, and how often to ask.
_NATS, _ROUNDS = 1.0, 3
# Means this much larger than any that fit are lost; no damping below helps.
_LOST, _LEAST_DAMPING = 1e6, 1e-4
# Growth of the inner change that counts as divergence.
_BLOW_UP = 10.0


class GampSettings(NamedTuple):
    """How to fit.

    Parameters
    ----------
    damping : float or "auto"
        Share of each new message; "auto" by the condition for convergence, and halved
        where messages diverge all the same.
    fixed_noise : bool
        Whether the noise variance is known.
    noise_floor : float
        Least estimated noise variance.
    prune : bool
        Whether coefficients have to earn a nat of evidence in the end.
    max_iter : int
        Updates of the prior variances at most.
    max_inner : int
        Message passes at most for each.
    tol : float
        Bound of the fixed-point residual.
    correlation : float, "auto" or None
        Correlation of a coefficient with itself in the next target; None for targets
        independent given the prior variances.
    n_rows : float or None
        Rows that those of the matrix stand for, the sum of their weights.
    variance : {"scalar", "vector"}
        Whether variances of messages are averaged over the rows, or take two more
        products, with the squares of the matrix.
    """

    damping: float | str = "auto"
    fixed_noise: bool = True
    noise_floor: float = 0.0
    prune: bool = True
    max_iter: int = 1000
    max_inner: int = 100
    tol: float = 1e-3
    correlation: float | str | None = None
    n_rows: float | None = None
    variance: str = "scalar"


class GampFit(NamedTuple):
    """What was reached.

    Parameters
    ----------
    mean, variance : ndarray of shape (n_features, n_targets)
        Posterior means, exact at a fixed point, and approximate variances.
    prior_variance : ndarray of shape (n_features,)
        Prior variances.
    noise : float
        Noise variance.
    correlation : float
        Of subsequent targets.
    residual : float
        Relative change that one more undamped update would make to the means or to the
        prior variances.
    n_iter : int
        Updates of the prior variances.
    n_products : int
        Products with the whole matrix and its transpose.
    history : dict of str to list
        ``residual``, ``noise`` and ``n_active`` after each update.
    """

    mean: np.ndarray
    variance: np.ndarray
    prior_variance: np.ndarray
    noise: float
    correlation: float
    residual: float
    n_iter: int
    n_products: int
    history: dict[str, list]


def auto_damping(m: int, n: int, spectral: float, energy: float) -> float:
    """Largest damping factor for which message passing converges, with a margin.

    The positive root of 1.1 m n t (theta^2) + 2 (n - m) theta - 4 n, with t the squared
    spectral over the squared Frobenius norm; at most 1.
    """
    if energy == 0.0 or spectral == 0.0:
        return 1.0
    a, b = _SAFETY * m * n * spectral / energy, 2.0 * (n - m)
    return min(1.0, (np.sqrt(b * b + 16.0 * a * n) - b) / (2.0 * a))


def fit_gamp(
    columns: Columns,
    Y: np.ndarray,
    noise: float,
    settings: GampSettings,
    start: np.ndarray | None = None,
) -> GampFit:
    """Expectation maximisation with message passing in its E-step.

    Parameters
    ----------
    columns : Columns
        The matrix.
    Y : ndarray of shape (n_samples, n_targets)
        Targets.
    noise : float
        Noise variance, or where to start.
    settings : GampSettings
        How to fit.
    start : ndarray of shape (n_features,), default=None
        Prior variances to start from; None is flat ones with the power of the targets.

    Returns
    -------
    fit : GampFit
        What was reached.
    """
    n_rows, rest = settings.n_rows or len(Y), 0.0
    if settings.damping == "auto" and isinstance(columns.X, np.ndarray):
        theta = _columns_damping(columns)
        if theta < _INDEPENDENT:
            columns, Y, rest = rotate_rows(columns, Y)
            settings = settings._replace(variance="vector")
    state = _State(columns, Y, noise, settings, start)
    state.n_rows, state.rest = n_rows, rest
    history = {"residual": [], "noise": [], "n_active": []}
    tol = min(settings.tol, _LEAST_TOL)
    change, rounds, n_iter = 1.0, 0, 0
    while n_iter < settings.max_iter and state.g.any():
        n_iter += 1
        before = state.x
        with np.errstate(over="ignore", invalid="ignore"):
            inner = state.pass_messages(_FORCING * max(tol, change))
        if state.diverged:
            history["residual"].append(np.inf)
            return state.result(n_iter, history)
        change = _relative(state.x - before, state.x)
        moved = state.update_variances()
        residual = max(inner, moved)
        history["residual"].append(residual)
        history["noise"].append(state.noise)
        if residual <= tol:
            if not settings.prune or rounds == _ROUNDS or not state.drop_unearned():
                history["n_active"].append(int(np.count_nonzero(state.g)))
                break
            rounds += 1
        state.drop_unresolved()
        history["n_active"].append(int(np.count_nonzero(state.g)))
    if state.g.any():
        # Means at the last prior variances, not at those before.
        state.pass_messages(_POLISH, settings.max_inner)
    return state.result(n_iter, history)


def _columns_damping(columns: Columns) -> float:
    """Damping that the whole matrix would need."""
    energy = columns.energies()
    m, n = columns.X.shape
    spectral = spectral_norm(columns, np.ones(n, dtype=bool))
    return auto_damping(m, n, spectral, float(energy.sum()))


def gamp_mean(
    columns: Columns,
    Y: np.ndarray,
    prior_variance: np.ndarray,
    noise: float,
    settings: GampSettings,
    tol: float = _POLISH,
) -> np.ndarray:
    """Posterior means at fixed prior variances, by messages alone.

    Parameters
    ----------
    columns : Columns
        The matrix.
    Y : ndarray of shape (n_samples, n_targets)
        Targets.
    prior_variance : ndarray of shape (n_features,)
        Prior variances.
    noise : float
        Noise variance.
    settings : GampSettings
        How to pass messages.
    tol : float, default=1e-10
        Relative change of the means at which to stop.

    Returns
    -------
    mean : ndarray of shape (n_features, n_targets)
        Exact at a fixed point, whatever the variances of the messages.
    """
    state = _State(columns, Y, noise, settings, prior_variance)
    state.pass_messages(tol, settings.max_inner)
    return state.x


class _State:
    """Messages x, s with variances, on the columns that are left."""

    def __init__(self, columns, Y, noise, settings, start):
        self.settings, self.Y, self.noise = settings, Y, noise
        self.n_features = columns.X.shape[1]
        self.columns = columns
        self.energy = columns.energies()
        self.active = np.arange(self.n_features)
        total = self.energy.sum()
        if start is None:
            flat = np.sum(np.abs(Y) ** 2) / (Y.shape[1] * total) if total > 0.0 else 0.0
            start = np.full(self.n_features, flat)
        self.g = np.where(self.energy > 0.0, start, 0.0)
        is_complex = np.iscomplexobj(Y) or np.issubdtype(
            columns.X.dtype, np.complexfloating
        )
        kind = np.complex128 if is_complex else np.float64
        self.is_complex = is_complex
        self.x = np.zeros((self.n_features, Y.shape[1]), dtype=kind)
        self.s = np.zeros(Y.shape, dtype=kind)
        self.vx = np.tile(self.g[:, None], (1, Y.shape[1]))
        self.vr, self.r = np.ones_like(self.vx), self.x
        self.squares = None
        self.correlation = settings.correlation
        if self.correlation == "auto":
            self.correlation = 0.0
        self.n_products = 0
        self.cross = None
        self.diverged = False
        self.theta, self.n_rows, self.rest = 1.0, len(Y), 0.0
        mean_energy = total / max(self.n_features, 1) or 1.0
        self.reach = _LOST * (np.linalg.norm(Y) or 1.0) / np.sqrt(mean_energy)
        self._prepare()

    def _prepare(self) -> None:
        """What depends on the columns that are left."""
        if self.settings.variance == "vector":
            self.squares = np.abs(self.columns.dense()) ** 2
        if self.settings.damping != "auto":
            self.theta = self.settings.damping
        elif self.squares is not None:
            self.theta = min(self.theta, _ROTATED_DAMPING)
        else:
            kept = self.g > 0.0
            n = int(np.count_nonzero(kept))
            self.theta = auto_damping(
                len(self.Y),
                n,
                spectral_norm(self.columns, kept),
                self.energy[kept].sum(),
            )

    def pass_messages(self, tol: float, max_inner: int | None = None) -> float:
        """Inner loop at fixed prior variances; returns its last relative change."""
        start, is_auto = (self.x, self.s, self.vx), self.settings.damping == "auto"
        least, first, change = np.inf, None, np.inf
        left = max_inner or self.settings.max_inner
        while left:
            left -= 1
            x = self.x
            new = self._pass()
            change = _relative(new - x, new)
            lost = not np.linalg.norm(new) < self.reach
            wild = not change < _BLOW_UP * least
            stalled = left == 0 and first is not None and change > max(tol, first)
            if lost or (is_auto and (wild or stalled)):
                self.x, self.s, self.vx = start
                if not is_auto or self.theta < _LEAST_DAMPING:
                    self.diverged = True
                    return np.inf
                self.theta *= 0.5
                least, first = np.inf, None
                left = max_inner or self.settings.max_inner
                continue
            least = min(least, max(change, 1e-3))
            first = first or change
            self.x = (1.0 - self.theta) * x + self.theta * new
            if change <= tol:
                break
        return change

    def _pass(self) -> np.ndarray:
        """One pass forth and back; returns the undamped means."""
        product = self.columns.product(self.x)
        if self.squares is None:
            vp = (self.energy @ self.vx) / len(self.Y)
        else:
            vp = self.squares @ self.vx
        vs = 1.0 / (self.noise + vp)
        new = (product + vp * self.s - self.Y) * vs
        self.s = (1.0 - self.theta) * self.s + self.theta * new
        if self.squares is None:
            weight = np.outer(self.energy, vs)
        else:
            weight = self.squares.T @ vs
        self.vr = 1.0 / np.maximum(weight, np.finfo(np.float64).tiny)
        self.r = self.x - self.vr * self.columns.adjoint(self.s)
        self.n_products += 1
        mean, self.vx, self.cross = _smooth(self.r, self.vr, self.g, self.correlation)
        return mean

    def update_variances(self) -> float:
        """M-step; returns the relative change of the prior variances."""
        before = self.g
        second = np.abs(self.x) ** 2 + self.vx
        if self.correlation:
            beta, T = self.correlation, self.x.shape[1]
            step = np.abs(self.x[:, 1:] - beta * self.x[:, :-1]) ** 2
            step += self.vx[:, 1:] + beta**2 * self.vx[:, :-1] - 2 * beta * self.cross
            self.g = (second[:, 0] + step.sum(axis=1) / (1.0 - beta**2)) / T
        else:
            self.g = second.mean(axis=1)
        self.g = np.where(before > 0.0, self.g, 0.0)
        moved = _relative(self.g - before, self.g)
        if not self.settings.fixed_noise:
            rest = self.Y - self.columns.product(self.x)
            r = np.divide(
                self.vx, before[:, None], out=np.ones_like(self.vx),
                where=before[:, None] > 0.0,
            )  # fmt: skip
            freedom = np.sum(1.0 - np.minimum(r, 1.0)) / self.x.shape[1]
            noise = self.rest + np.sum(np.abs(rest) ** 2) / self.x.shape[1]
            noise = (noise + self.noise * freedom) / self.n_rows
            noise = max(noise, self.settings.noise_floor)
            moved = max(moved, abs(noise - self.noise) / noise)
            self.noise = noise
        if self.settings.correlation == "auto" and self.x.shape[1] > 1:
            self.correlation = self._correlation(second)
        return moved

    def _correlation(self, second) -> float:
        """Lag-one over lag-zero moments of the coefficients, each over its variance."""
        lag = (self.x[:, 1:] * self.x[:, :-1].conj()).real
        if self.cross is not None:
            lag = lag + self.cross
        weight = np.divide(1.0, self.g, out=np.zeros_like(self.g), where=self.g > 0.0)
        # Coefficients that are nothing but prior would repeat the correlation.
        gain = self.g / (self.g + self.vr.mean(axis=1))
        weight = weight * gain**2
        zero = 0.5 * (second[:, 1:] + second[:, :-1])
        ratio = (weight @ lag).sum() / max((weight @ zero).sum(), 1e-300)
        return float(np.clip(ratio, -0.99, 0.99))

    def drop_unresolved(self) -> None:
        """Zero variances that fall and lie far below what the data resolve."""
        vr, r = self.vr.mean(axis=1), np.mean(np.abs(self.r) ** 2, axis=1)
        self._drop((self.g < _UNRESOLVED * vr) & (r < vr))

    def drop_unearned(self) -> bool:
        """Zero variances worth less than a nat of evidence; tell whether any is."""
        ratio = self.g / self.vr.mean(axis=1)
        gain = ratio - np.log1p(ratio)
        gain *= self.x.shape[1] * (1.0 if self.is_complex else 0.5)
        unearned = (self.g > 0.0) & (gain < _NATS)
        self._drop(unearned, shrink=False)
        return bool(unearned.any())

    def _drop(self, drop, shrink: bool = True) -> None:
        if not drop.any():
            return
        self.g[drop] = 0.0
        self.x[drop], self.vx[drop] = 0.0, 0.0
        kept = self.g > 0.0
        few = np.count_nonzero(kept) < (0.7 if shrink else 0.95) * len(kept)
        if few and self.columns.can_take:
            self.columns = self.columns.take(np.flatnonzero(kept))
            self.active, self.energy = self.active[kept], self.energy[kept]
            self.g, self.x, self.vx = self.g[kept], self.x[kept], self.vx[kept]
            self.r, self.vr = self.r[kept], self.vr[kept]
            if self.g.size:
                self._prepare()

    def result(self, n_iter: int, history: dict) -> GampFit:
        shape = (self.n_features, self.x.shape[1])
        mean, variance = np.zeros(shape, self.x.dtype), np.zeros(shape)
        prior = np.zeros(self.n_features)
        mean[self.active], variance[self.active] = self.x, self.vx
        prior[self.active] = self.g
        residual = history["residual"][-1] if history["residual"] else 0.0
        return GampFit(
            mean, variance, prior, float(self.noise), float(self.correlation or 0.0),
            residual, n_iter, self.n_products, history,
        )  # fmt: skip


def _smooth(r, vr, g, beta):
    """Posterior of each coefficient given its pseudo-data r of variances vr.

    Along targets with correlation beta it is a Gaussian chain, smoothed by forward
    messages (eta, psi) and backward ones in natural parameters, which stay finite.
    Returns means, variances and the covariances of neighbours.
    """
    if not beta:
        share = g[:, None] / (g[:, None] + vr)
        return r * share, vr * share, None
    T = r.shape[1]
    fresh = (1.0 - beta**2) * g
    eta, psi = np.zeros_like(r), np.empty_like(vr)
    filtered = np.empty_like(vr)
    psi[:, 0] = g
    for t in range(T):
        total = psi[:, t] + vr[:, t]
        filtered[:, t] = psi[:, t] * vr[:, t] / total
        if t + 1 < T:
            mean = (psi[:, t] * r[:, t] + vr[:, t] * eta[:, t]) / total
            eta[:, t + 1] = beta * mean
            psi[:, t + 1] = beta**2 * filtered[:, t] + fresh
    precision, weighted = np.zeros_like(vr), np.zeros_like(r)
    for t in range(T - 1, 0, -1):
        shrink = 1.0 / (1.0 + vr[:, t] * precision[:, t])
        mean = (r[:, t] + vr[:, t] * weighted[:, t]) * shrink
        spread = vr[:, t] * shrink + fresh
        precision[:, t - 1] = beta**2 / spread
        weighted[:, t - 1] = beta * mean / spread
    shrink = 1.0 / (1.0 + psi * (1.0 / vr + precision))
    mean = (psi * (r / vr + weighted) + eta) * shrink
    variance = psi * shrink
    gain = np.divide(
        beta * filtered[:, :-1], psi[:, 1:], out=np.zeros_like(psi[:, 1:]),
        where=psi[:, 1:] > 0.0,
    )  # fmt: skip
    return mean, variance, gain * variance[:, 1:]


def _relative(difference, whole) -> float:
    size = np.linalg.norm(whole)
    return 0.0 if size == 0.0 else float(np.linalg.norm(difference) / size)
