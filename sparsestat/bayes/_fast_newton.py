"""Newton's method for the logarithms of prior variances and of the noise variance."""

import numpy as np
from scipy.linalg import lapack

from sparsestat.bayes._fast_workspace import Workspace, energy, powers
from sparsestat.bayes._posterior import TINY_NOISE

__all__ = ["Newton", "State"]

# Shifts of the Hessian relative to what it would be of single variances at their
# optima, and the longest step.
_SHIFTS, _LONGEST = (0.0, 0.1, 1.0, 10.0, 100.0), 3.0


class State:
    """Variances of the candidates and of the noise while they change.

    Parameters
    ----------
    work : Workspace
        Products.
    noise : float
        Noise variance.
    fixed_noise : bool
        Whether it stays.
    noise_floor : float
        Least value of it.
    """

    def __init__(self, work: Workspace, noise, fixed_noise, noise_floor) -> None:
        self.work, self.noise, self.fixed_noise = work, noise, fixed_noise
        self.noise_floor = max(noise_floor, TINY_NOISE)
        self._found = None

    def move(self, noise: float | None = None, found=None) -> None:
        """Note that variances have changed; perhaps their posterior is known."""
        self.noise = self.noise if noise is None else noise
        self._found = found

    @property
    def found(self):
        """Posterior of these, computed once."""
        if self._found is None:
            self._found = self.work.posterior(self.work.g, self.noise)
        return self._found


class Newton:
    """Slopes at the present variances, and steps from there.

    Attributes
    ----------
    worst : float
        Largest slope of the cost with respect to a logarithm; that of the noise for
        each row.
    """

    def __init__(self, state: State) -> None:
        self.state, self.work = state, state.work
        self.found, noise, n_rows = state.found, state.noise, state.work.n_rows
        found = self.found
        g = self.work.g[found.act]
        self.slope = found.share - powers(found.mean).mean(axis=1) / g
        self.worst = float(np.abs(self.slope).max(initial=0.0))
        self.moves_noise = not state.fixed_noise
        if self.moves_noise:
            self.rest = energy(self.work.residual(found)) / found.mean.shape[1]
            self.left = n_rows - found.share.sum()
            self.noise_slope = self.left - self.rest / noise
            if noise <= state.noise_floor and self.noise_slope > 0.0:
                self.moves_noise = False
            else:
                self.worst = max(self.worst, abs(self.noise_slope) / n_rows)

    def improve(self) -> bool:
        """Take a step that lowers the cost; False if none was found."""
        found, state, g = self.found, self.state, self.work.g
        slope, hessian, size = self.slope, self._hessian(), found.share
        if self.moves_noise:
            slope = np.append(slope, self.noise_slope)
            size = np.append(size, np.sqrt(abs(hessian[-1, -1])))
        size = np.maximum(size, 1e-8)
        scaled = hessian / np.outer(size, size)
        for shift in _SHIFTS:
            shifted = scaled.copy()
            shifted.flat[:: len(size) + 1] += shift
            lower, info = lapack.dpotrf(shifted, lower=1, overwrite_a=1)
            if info:
                continue
            step = lapack.dpotrs(lower, -slope / size, lower=1)[0] / size
            step *= min(1.0, _LONGEST / np.abs(step).max(initial=1e-300))
            trial, noise = g.copy(), state.noise
            trial[found.act] *= np.exp(step[: len(found.act)])
            if self.moves_noise:
                noise = max(noise * np.exp(step[-1]), state.noise_floor)
            after = self.work.posterior(trial, noise)
            if after.cost < found.cost:
                self.work.g = trial
                state.move(noise, after)
                return True
        return False

    def step_noise(self) -> bool:
        """Take MacKay's step of the noise; whether it moved."""
        if not self.moves_noise:
            return False
        noise = max(self.rest / max(self.left, 1e-12), self.state.noise_floor)
        moved = noise != self.state.noise
        self.state.move(noise)
        return moved

    def _hessian(self) -> np.ndarray:
        found, noise = self.found, self.state.noise
        act, Sigma, mean, r = found.act, found.covariance, found.mean, found.share
        k, n_targets = mean.shape
        g = self.work.g[act]
        inner = (mean.conj() @ mean.T) / n_targets
        H = -(powers(Sigma) + 2.0 * (inner * Sigma).real) / np.outer(g, g)
        power = inner.diagonal().real / g
        H.flat[:: k + 1] = r * (2.0 * power - r) + self.slope
        if not self.moves_noise:
            return H
        # With the noise s: C^-1 = (1 - A Sigma A^H / s) / s, hence the terms below.
        hat = Sigma @ self.work.gram[np.ix_(act, act)].T / noise
        pulled = Sigma @ (mean / g[:, None])
        cross = 2.0 * (mean.conj() * pulled).real.mean(axis=1) / g
        cross -= (hat * Sigma.T).sum(axis=1).real / g
        pull = (mean.conj() * pulled / g[:, None]).real.sum() / n_targets
        own = self.noise_slope + 2.0 * (self.rest / noise - pull)
        own -= self.work.n_rows - 2.0 * r.sum() + (hat * hat.T).sum().real
        return np.block([[H, cross[:, None]], [cross[None, :], np.array([[own]])]])
