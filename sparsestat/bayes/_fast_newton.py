"""Newton's method for all prior variances that are or may become positive, and noise.

With s as if a feature were absent, the cost in u = log(1 + g s) of this one alone is
convex, with curvature one at its optimum, and u = 0 is where the feature leaves: steps
minimise the quadratic model of all u >= 0, within reach.
"""

import numpy as np

from sparsestat.bayes._fast_kernels import minimise_box
from sparsestat.bayes._fast_workspace import COLLINEAR, Workspace, energy, powers
from sparsestat.bayes._posterior import TINY_NOISE

__all__ = ["CLOSE", "Newton", "State"]

# |Q|^2 / S from which on a feature is expected to enter along with others.
CLOSE = 0.9
# The longest step, by what it shrinks when it fails, and how often.
_LONGEST, _SHRINK, _TRIALS = 3.0, 0.25, 5
# Sweeps over the quadratic model, and their last step as a share of the first.
_SWEEPS, _SETTLED = 200, 1e-3


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
        self.reach = _LONGEST
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
    S, Q : ndarray of shape (n_candidates,) and (n_candidates, n_targets)
        a^H C^-1 a and a^H C^-1 y.
    ratio : ndarray of shape (n_candidates,)
        |Q|^2 / S; zero where S is rounding.
    single : float
        Largest slope of the cost with respect to the logarithm of a variance, or excess
        of the ratio over one of a variance that is zero.
    worst : float
        The same, or the slope of the noise for each row.
    """

    def __init__(self, state: State) -> None:
        self.state, self.work = state, state.work
        self.found, noise, n_rows = state.found, state.noise, state.work.n_rows
        found, work = self.found, self.work
        act, g = found.act, work.g[found.act]
        rest = np.flatnonzero(work.g == 0.0)
        cross, features = work.gram[np.ix_(act, rest)], work.index[rest]
        energies = work.energy[work.index]
        self.S = np.empty(len(work.g))
        self.Q = np.empty((len(work.g), found.mean.shape[1]), dtype=found.mean.dtype)
        self.S[rest] = work.sparsity(cross, energies[rest], found, noise)
        self.Q[rest] = work.quality(cross, work.products[features], found, noise)
        self.S[act], self.Q[act] = found.share / g, found.mean / g[:, None]
        inside = self.S * noise <= COLLINEAR * energies
        inside[act] = found.share <= 0.0
        power = powers(self.Q).mean(axis=1)
        self.ratio = np.where(inside, 0.0, power / np.where(inside, 1.0, self.S))
        excess = self.ratio - 1.0
        excess[act] = np.abs(found.share - power[act] * g)
        self.single = self.worst = float(excess.max(initial=0.0))
        self.moves_noise = not state.fixed_noise
        if self.moves_noise:
            self.rest = energy(work.residual(found)) / found.mean.shape[1]
            self.left = n_rows - found.share.sum()
            self.noise_slope = self.left - self.rest / noise
            if noise <= state.noise_floor and self.noise_slope > 0.0:
                self.moves_noise = False
            else:
                self.worst = max(self.worst, abs(self.noise_slope) / n_rows)

    def improve(self) -> bool:
        """Take a step that lowers the cost; False if none was found."""
        state, found, g = self.state, self.found, self.work.g
        here = np.flatnonzero(found.share > 0.0)
        new = np.flatnonzero((g == 0.0) & (self.ratio > CLOSE))
        part = np.concatenate([found.act[here], new])
        hessian, slope = self._hessian(here, new), 1.0 - self.ratio[part]
        share = np.concatenate([found.share[here], np.zeros(len(new))])
        with np.errstate(divide="ignore"):
            lowest = np.log1p(-share)
        if self.moves_noise:
            slope = np.append(slope, self.noise_slope)
            lowest = np.append(lowest, -np.inf)
        for _ in range(_TRIALS):
            reach = np.full(len(slope), state.reach)
            step = minimise_box(
                hessian, slope, np.maximum(lowest, -reach), reach, _SWEEPS, _SETTLED
            )
            trial, noise, moved = g.copy(), state.noise, step[: len(part)]
            value = np.maximum(np.expm1(moved) + share, 0.0) / self.S[part]
            trial[part] = np.where(moved > lowest[: len(part)], value, 0.0)
            if self.moves_noise:
                noise = max(noise * np.exp(step[-1]), state.noise_floor)
            after = self.work.posterior(trial, noise)
            if after.cost < found.cost:
                self.work.g = trial
                state.move(noise, after)
                state.reach = min(_LONGEST, state.reach / _SHRINK)
                return True
            state.reach *= _SHRINK
        state.reach = _LONGEST
        return False

    def step_noise(self) -> bool:
        """Take MacKay's step of the noise; whether it moved."""
        if not self.moves_noise:
            return False
        noise = max(self.rest / max(self.left, 1e-12), self.state.noise_floor)
        moved = noise != self.state.noise
        self.state.move(noise)
        return moved

    def _hessian(self, here: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Of the cost in all u, and in the logarithm of the noise."""
        found, noise, gram = self.found, self.state.noise, self.work.gram
        act, part = found.act, np.concatenate([found.act[here], new])
        g, r, k = self.work.g[act[here]], found.share[here], len(here)
        # a_i^H C^-1 a_j, divided by what it is for i = j.
        N = np.empty((len(part), len(part)), dtype=gram.dtype)
        size = np.sqrt(g * r)
        N[:k, :k] = -found.covariance[np.ix_(here, here)] / np.outer(size, size)
        if len(new):
            inner = found.left @ (found.root[:, None] * gram[np.ix_(act, new)].conj())
            roots = np.sqrt(self.S[new])
            block = gram[np.ix_(new, new)].conj() - inner.conj().T @ inner
            N[k:, k:] = block / (noise * np.outer(roots, roots))
            across = (found.left[:, here].conj().T @ inner) / (
                np.sqrt(r)[:, None] * roots
            )
            N[:k, k:], N[k:, :k] = across, across.conj().T
        z = self.Q[part] / np.sqrt(self.S[part])[:, None]
        power = (z.conj() @ z.T) / z.shape[1]
        H = 2.0 * (power * N).real - powers(N)
        H.flat[:: len(part) + 1] = self.ratio[part]
        if not self.moves_noise:
            return H
        mean, g_all = found.mean, self.work.g[act]
        # With the noise s: C^-1 = (1 - A Sigma A^H / s) / s, hence the terms below.
        Sigma = found.covariance
        hat = Sigma @ gram[np.ix_(act, act)].T / noise
        pulled = Sigma @ (mean / g_all[:, None])
        cross = 2.0 * (mean.conj() * pulled).real.mean(axis=1) / g_all
        cross -= (hat * Sigma.T).sum(axis=1).real / g_all
        pull = (mean.conj() * pulled / g_all[:, None]).real.sum() / mean.shape[1]
        own = self.noise_slope + 2.0 * (self.rest / noise - pull)
        own -= self.work.n_rows - 2.0 * found.share.sum() + (hat * hat.T).sum().real
        # What is not there yet is taken to be as it is whatever the noise.
        side = np.concatenate([cross[here] / r, np.zeros(len(new))])[:, None]
        return np.block([[H, side], [side.T, np.array([[own]])]])
