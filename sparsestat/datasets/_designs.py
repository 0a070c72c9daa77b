"""Random designs whose features correlate in a known way.

A design is a value with two methods: ``draw`` fills an array column by column or row
block by row block, and ``covariance`` gives any part of the covariance. Neither forms
the (n_features, n_features) matrix. The dense ones have features of variance one.
"""

from typing import NamedTuple

import numpy as np
from scipy import fft, sparse


class Independent(NamedTuple):
    """Independent normal entries; with a density, each is zero unless drawn."""

    n_features: int
    density: float | None = None

    def draw(self, rng, n_samples, dtype):
        if self.density is None:
            return _normal(rng, n_samples, self.n_features, dtype)
        positions = _bernoulli_positions(rng, n_samples * self.n_features, self.density)
        column, row = np.divmod(positions, n_samples)
        counts = np.bincount(column, minlength=self.n_features)
        index = np.int32 if max(positions.size, n_samples) < 2**31 else np.int64
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(index)
        values = rng.standard_normal(positions.size, dtype=dtype)
        return sparse.csc_array(
            (values, row.astype(index), indptr), shape=(n_samples, self.n_features)
        )

    def covariance(self, indices=None):
        i = _indices(indices, self.n_features)
        variance = 1.0 if self.density is None else self.density
        return variance * (i[:, None] == i)


class AutoRegressive(NamedTuple):
    """Feature j is `correlation` times feature j - 1, plus noise."""

    n_features: int
    correlation: float

    def draw(self, rng, n_samples, dtype):
        X = _normal(rng, n_samples, self.n_features, dtype)
        innovation = np.sqrt(1 - self.correlation**2)
        for j in range(1, self.n_features):
            X[:, j] *= innovation
            X[:, j] += self.correlation * X[:, j - 1]
        return X

    def covariance(self, indices=None):
        return self.correlation ** _lags(indices, self.n_features)


class Toeplitz(NamedTuple):
    """A stationary sequence with autocorrelations r_1, r_2, ...

    A number r stands for the power law r_h = r**log2(1 + h), which decays as slowly as
    (1 + h)**log2(r): convex, hence an autocorrelation by Pólya's criterion. Of an
    array, all further autocorrelations are zero.
    """

    n_features: int
    correlation: float | np.ndarray

    def autocorrelation(self, lags):
        if np.ndim(self.correlation) == 0:
            return self.correlation ** np.log2(1 + lags)
        given = np.concatenate([[1.0], self.correlation, [0.0]])
        return given[np.minimum(lags, given.size - 1)]

    def draw(self, rng, n_samples, dtype):
        """Embed the sequence into a circle, whose covariance the FFT diagonalises."""
        given, needed = np.size(self.correlation), self.n_features - 1
        if np.ndim(self.correlation) > 0 and given >= needed:
            # The smallest circle: nothing that was not given enters it.
            size = max(2 * needed, 1)
        else:
            size = fft.next_fast_len(2 * (max(needed, given) + 1))
        lags = np.arange(size)
        lags = np.minimum(lags, size - lags)
        spectrum = fft.fft(self.autocorrelation(lags)).real
        if spectrum.min() < -1e-10 * spectrum.max():
            raise ValueError(
                "correlation must hold the autocorrelations of a stationary sequence; "
                f"the spectral density of those given falls to {spectrum.min():.3g}."
            )
        scale = np.sqrt(np.maximum(spectrum, 0) / size).astype(dtype)
        X = np.empty((n_samples, self.n_features), dtype, order="F")
        # Real and imaginary parts of one transform are two independent rows.
        pairs = max(1, 2**20 // size)
        for start in range(0, n_samples, 2 * pairs):
            stop = min(start + 2 * pairs, n_samples)
            white = rng.standard_normal((2, (stop - start + 1) // 2, size), dtype)
            rows = fft.fft(scale * (white[0] + 1j * white[1]), overwrite_x=True)
            rows = rows[:, : self.n_features]
            X[start:stop] = np.concatenate([rows.real, rows.imag])[: stop - start]
        return X

    def covariance(self, indices=None):
        return self.autocorrelation(_lags(indices, self.n_features))


class Block(NamedTuple):
    """Features of one group share a correlation, those of different groups none."""

    n_features: int
    correlation: float
    group_size: int

    def draw(self, rng, n_samples, dtype):
        X = _normal(rng, n_samples, self.n_features, dtype)
        X *= dtype(np.sqrt(1 - self.correlation))
        shared = dtype(np.sqrt(self.correlation))
        for start in range(0, self.n_features, self.group_size):
            common = shared * rng.standard_normal((n_samples, 1), dtype)
            X[:, start : start + self.group_size] += common
        return X

    def covariance(self, indices=None):
        i = _indices(indices, self.n_features)
        group = i // self.group_size
        within = np.where(i[:, None] == i, 1.0, self.correlation)
        return np.where(group[:, None] == group, within, 0.0)


class Factor(NamedTuple):
    """A few common factors explain the share `correlation` of each feature."""

    loadings: np.ndarray
    correlation: float

    @classmethod
    def create(cls, rng, n_features, correlation, n_factors):
        loadings = rng.standard_normal((n_features, n_factors))
        loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
        return cls(loadings, correlation)

    def draw(self, rng, n_samples, dtype):
        n_features, n_factors = self.loadings.shape
        X = _normal(rng, n_samples, n_features, dtype)
        X *= dtype(np.sqrt(1 - self.correlation))
        factors = rng.standard_normal((n_samples, n_factors), dtype)
        loadings = (np.sqrt(self.correlation) * self.loadings).astype(dtype)
        for start in range(0, n_features, 256):
            part = slice(start, start + 256)
            X[:, part] += factors @ loadings[part].T
        return X

    def covariance(self, indices=None):
        i = _indices(indices, len(self.loadings))
        common = self.loadings[i] @ self.loadings[i].T
        return np.where(i[:, None] == i, 1.0, self.correlation * common)


def _normal(rng, n_samples, n_features, dtype):
    """Return independent standard normal entries, Fortran-ordered."""
    return rng.standard_normal((n_features, n_samples), dtype).T


def _bernoulli_positions(rng, size, probability):
    """Return the sorted successes of `size` trials, in time and memory of their number.

    Gaps between successes are geometric.
    """
    positions = np.zeros(0, np.int64)
    last = -1
    while last < size:
        expected = (size - last) * probability
        n_gaps = int(expected + 4 * np.sqrt(expected)) + 1
        more = last + np.cumsum(rng.geometric(probability, n_gaps))
        positions = np.concatenate([positions, more])
        last = positions[-1]
    return positions[positions < size]


def _indices(indices, n_features):
    return np.arange(n_features)[slice(None) if indices is None else indices]


def _lags(indices, n_features):
    i = _indices(indices, n_features)
    return np.abs(i[:, None] - i)
