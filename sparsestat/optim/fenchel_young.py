"""Linear models under a Fenchel-Young loss: value, gradient, curvature, duality gap.

The dual variables are distributions, one for each sample, after Blondel, Martins and
Niculae (2020), section 6.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from sparsestat.optim.design import CSC, Design, with_norms
from sparsestat.optim.entmax import apply_entmax
from sparsestat.optim.entmax_rows import target_rows
from sparsestat.optim.products import correlate_many, predict_many, take_rows

__all__ = ["Objective", "Point", "regulariser"]

# Rows without curvature are left out of products where they are at least so many.
_WORTH_SKIPPING = 0.2
_POLISH_STEPS = 30
_HALVINGS = 12
_ROUNDING = 1e-14
# Relative error of mean probabilities, over the tolerance of a gap, which it adds to.
_NEARLY = 1e-3
# What stands in for the missing strength where a bound without one is asked for.
_NO_PENALTY = 1e-8


class Point(NamedTuple):
    """Coefficients with everything that was computed at them.

    Parameters
    ----------
    coefs : ndarray of shape (n_features + fit_intercept, n_classes)
        Of X~; the last row is the intercept.
    Z, P : ndarray of shape (n_samples, n_classes)
        Scores and probabilities.
    tops, conjugates : ndarray of shape (n_samples,)
        Maxima of scores, conjugates of the regulariser less these.
    R : ndarray of shape (n_samples, n_classes)
        Weighted probabilities less targets.
    loss, value : float
        Mean loss, and with the squared norm.
    gradient : ndarray of the shape of `coefs`
        Of `value`.
    """

    coefs: np.ndarray
    Z: np.ndarray
    P: np.ndarray
    tops: np.ndarray
    conjugates: np.ndarray
    R: np.ndarray
    loss: float
    value: float
    gradient: np.ndarray


class Objective:
    r"""The problem in W and b, with l1 and l2 the strengths of the penalties.

    .. math:: \sum_i s_i L(W^\top \tilde x_i + b, q_i) + l_1 \|W\|_1
        + \tfrac{l_2}{2} \|W\|_F^2

    Parameters
    ----------
    design : Dense or CSC
        X with its centring and scaling.
    targets : ndarray of int of shape (n_samples,) or (n_samples, n_classes)
        Labels or distributions.
    n_classes : int
        Number of classes.
    shares : ndarray of shape (n_samples,)
        Sample weights that sum to one.
    order : float
        Of the map, in [1, 2].
    fit_intercept : bool
        Whether b is free.
    """

    def __init__(self, design, targets, n_classes, shares, order, fit_intercept):
        self.design: Design = design
        self.targets = targets
        self.n_classes = n_classes
        self.shares = shares
        self.order = order
        self.fit_intercept = fit_intercept
        self.l1 = self.l2 = self.tol = 0.0
        self.dtype = design.data.dtype if isinstance(design, CSC) else design.X.dtype
        self.rounding = 10.0 * float(np.finfo(self.dtype).eps)
        self._rows = np.arange(len(shares))
        self._is_labels = targets.ndim == 1
        if self._is_labels:
            self.mean_target = np.bincount(targets, shares, minlength=n_classes)
            self.mean_regulariser = 0.0
        else:
            self.mean_target = shares @ targets
            self.mean_regulariser = float(shares @ regulariser(targets, order))

    def set_strength(self, alpha: float, l1_ratio: float, tol: float = 0.0) -> None:
        """Use another strength of the penalty, for gaps of `tol`, which is relative."""
        self.l1, self.l2 = alpha * l1_ratio, alpha * (1.0 - l1_ratio)
        self.tol = tol

    @property
    def null_objective(self) -> float:
        """Objective without features, which has a closed form."""
        reference = self.mean_target
        if not self.fit_intercept:
            reference = np.full(self.n_classes, 1.0 / self.n_classes)
        return max(
            0.0, self.mean_regulariser - float(regulariser(reference, self.order))
        )

    @cached_property
    def target_moments(self) -> np.ndarray:
        """X~^T S Q, of shape (n_features, n_classes)."""
        return correlate_many(self.design, self._weighted_targets())

    @cached_property
    def totals(self) -> np.ndarray:
        """X~^T S 1, of shape (n_features,); zeros where X~ is centred."""
        return correlate_many(self.design, self.shares[:, None])[:, 0]

    @cached_property
    def squares(self) -> np.ndarray:
        """Weighted mean squares of the columns of X~."""
        return with_norms(self.design, self.shares).norm ** 2

    @property
    def largest_gradient(self) -> float:
        """Largest entry of the gradient of the null model."""
        reference = self.mean_target if self.fit_intercept else 1.0 / self.n_classes
        null = self.target_moments - np.multiply.outer(
            self.totals, np.broadcast_to(reference, self.n_classes)
        )
        return float(np.abs(null).max(initial=0.0))

    def start(self) -> np.ndarray:
        """Coefficients of the null model."""
        n_features = len(self.design.mean)
        coefs = np.zeros((n_features + self.fit_intercept, self.n_classes))
        if self.fit_intercept:
            q = np.maximum(self.mean_target, np.finfo(float).tiny)
            power = self.order - 1.0
            scores = np.log(q) if power == 0.0 else q**power / power
            if power > 0.0:
                # Classes without weight stay away by the margin.
                scores[self.mean_target == 0.0] = -1.0 / power
            coefs[-1] = scores - scores.mean()
        return coefs

    def at(self, coefs: np.ndarray) -> Point:
        """Everything at these coefficients, after Newton steps for the intercept.

        They move scores alone, which costs little beside products with X, and make the
        value a function of W that needs fewer steps; `bound` is then its duality gap.
        """
        Z = self.scores(coefs)
        state = self.probabilities(Z)
        if self.fit_intercept:
            bias, Z, state = self._polished(coefs[-1], Z, state)
            if bias is not coefs[-1]:
                coefs = coefs.copy()
                coefs[-1] = bias
        P, tops, conjugates, loss = state
        R = self.residual(P)
        W = coefs[: len(self.design.mean)]
        gradient = np.empty_like(coefs)
        gradient[: len(W)] = correlate_many(self.design, R) + self.l2 * W
        if self.fit_intercept:
            gradient[-1] = R.sum(axis=0, dtype=np.float64)
            gradient[-1] -= gradient[-1].mean()
        value = loss + 0.5 * self.l2 * float(np.vdot(W, W))
        return Point(coefs, Z, P, tops, conjugates, R, loss, value, gradient)

    def scores(self, coefs: np.ndarray) -> np.ndarray:
        """X~ W + b in the precision of X."""
        Z = predict_many(self.design, coefs[: len(self.design.mean)])
        if self.fit_intercept:
            Z += coefs[-1].astype(self.dtype)
        return Z

    def probabilities(self, Z: np.ndarray):
        """Probabilities, maxima and conjugates of scores; and their mean loss."""
        Z = _readonly(Z)
        n_samples = len(Z)
        P = np.empty(Z.shape, Z.dtype)
        tops, conjugates = np.empty(n_samples), np.empty(n_samples)
        orders = np.full(n_samples, float(self.order))
        bad = apply_entmax(Z, orders, 1.0, P, tops=tops, conjugates=conjugates)
        if bad < n_samples:
            raise ValueError(
                "X and the coefficients must have products that are finite; got "
                f"{Z[bad]} in row {bad}. Scale the features."
            )
        if self._is_labels:
            terms = Z[self._rows, self.targets] - tops
        else:
            terms = np.einsum("ij,ij->i", self.targets, Z) - tops
        loss = float(self.shares @ (conjugates - terms)) + self.mean_regulariser
        return P, tops, conjugates, max(loss, 0.0)

    def hessian(self, point: Point) -> Callable[[np.ndarray], np.ndarray]:
        """Product of the generalised Hessian of `value` with a direction."""
        S, total, active = self.curvatures(point.P)
        design = self.design
        if active is not None:
            design, S, total = take_rows(design, active), S[active], total[active]
        shares = self.shares if active is None else self.shares[active]
        weighted = S * shares[:, None]
        # Nothing changes if all scores of a row do by the same amount; a curvature for
        # this keeps rounding errors from growing along it.
        gauge = float(weighted.sum()) / self.n_classes
        S = S / total[:, None]

        def product(direction: np.ndarray) -> np.ndarray:
            D = direction[: len(self.design.mean)]
            V = predict_many(design, D).astype(np.float64, copy=False)
            if self.fit_intercept:
                V += direction[-1]
            V -= np.einsum("ij,ij->i", S, V)[:, None]
            V *= weighted
            out = np.empty_like(direction)
            out[: len(D)] = correlate_many(design, V) + self.l2 * D
            if self.l2 == 0.0:
                means = D.mean(axis=1, keepdims=True)
                out[: len(D)] += gauge * self.squares[:, None] * means
            if self.fit_intercept:
                out[-1] = V.sum(axis=0) + gauge * direction[-1].mean()
            return out

        return product

    def curvatures(self, P: np.ndarray):
        """The s of each row, their sums, and the rows with curvature; None: all."""
        S = self._slopes(P)
        total = S.sum(axis=1)
        if self.order == 1.0:
            return S, total, None
        curved = P.max(axis=1) < 1.0
        if np.count_nonzero(curved) > (1.0 - _WORTH_SKIPPING) * len(P):
            return S, total, None
        return S, total, np.flatnonzero(curved)

    def _slopes(self, P: np.ndarray) -> np.ndarray:
        if self.order == 2.0:
            return (P > 0.0).astype(np.float64)
        S = P.astype(np.float64, copy=False)
        if self.order == 1.0:
            return S
        return np.where(S > 0.0, np.maximum(S, 1e-300) ** (2.0 - self.order), 0.0)

    def inverse_diagonal(self, point: Point) -> np.ndarray:
        """Estimate of one over the diagonal of the Hessian."""
        S, total, _ = self.curvatures(point.P)
        by_class = self.shares @ (S - S * S / total[:, None])
        floor = 1e-3 * by_class.max() or 1.0
        by_class = np.maximum(by_class, floor)
        out = np.empty_like(point.coefs)
        out[: len(self.squares)] = np.outer(self.squares, by_class)
        out[: len(self.squares)] += self.l2 or _NO_PENALTY
        if self.fit_intercept:
            out[-1] = by_class
        return 1.0 / out

    def bound(self, point: Point) -> float:
        """Duality gap if the intercept is optimal and there is no l1 penalty.

        A gradient of the intercept counts as if it were penalised.
        """
        g = point.gradient
        bound = float(np.vdot(g, g)) / (2.0 * (self.l2 or _NO_PENALTY))
        return bound if self.l2 > 0.0 else min(bound, point.loss)

    def _polished(self, bias, Z, state):
        """Newton steps until mean probabilities are mean targets."""
        # Errors of a sum grow with its terms.
        tol = max(_NEARLY * self.tol, np.finfo(float).eps * len(self.shares))
        tol = max(tol, self.rounding)
        target = self.mean_target
        error = self.shares @ state[0] - target
        for _ in range(_POLISH_STEPS):
            worst = self._relative(error)
            if worst <= tol:
                break
            step = self._intercept_step(state[0], error)
            for _ in range(_HALVINGS):
                trial = Z + step.astype(Z.dtype)
                trial_state = self.probabilities(trial)
                error_trial = self.shares @ trial_state[0] - target
                change = trial_state[-1] - state[-1]
                closer = self._relative(error_trial) < worst or change < 0.0
                if closer and change <= _ROUNDING:
                    break
                step *= 0.5
            else:
                break
            bias, Z, state, error = bias + step, trial, trial_state, error_trial
        return bias, Z, state

    def _relative(self, error: np.ndarray) -> float:
        """Largest error of the mean probabilities, relative to the mean targets."""
        reference = np.where(self.mean_target > 0.0, self.mean_target, 1.0)
        return float((np.abs(error) / reference).max())

    def _intercept_step(self, P, error) -> np.ndarray:
        S = self._slopes(P)
        weighted = S * (self.shares / (S @ np.ones(S.shape[1])))[:, None]
        H = np.diag(self.shares @ S) - weighted.T @ S
        # The direction of ones is flat, and so are others where few rows are curved.
        H[np.diag_indices_from(H)] += 1e-12 * max(float(np.trace(H)), 1e-3)
        step = -np.linalg.lstsq(H, error, rcond=1e-11)[0]
        return step - step.mean()

    def penalty(self, W: np.ndarray) -> float:
        """l1 and squared l2 norms with their strengths."""
        value = 0.5 * self.l2 * float(np.vdot(W, W))
        return value + self.l1 * float(np.abs(W).sum()) if self.l1 > 0.0 else value

    def gap(self, point: Point) -> float:
        """Duality gap of a point, a sum of terms that are never negative.

        With an intercept, dual variables must average to the mean target: they are
        shrunk and a common distribution is added.  Without an l2 penalty they are then
        moved towards the targets until they are feasible.
        """
        W = point.coefs[: len(self.design.mean)]
        Z = point.Z.astype(np.float64, copy=False)
        P, tops, conjugates, _ = self.probabilities(Z)
        if self.fit_intercept and not self.mean_target.all():
            P = self._without_absent(P)
        shrink, shift = self._to_mean_target(P)
        M = (1.0 - shrink) * P + shift
        U = correlate_many(self.design, self._weighted_targets(-M))
        candidates = []
        largest = float(np.abs(U).max(initial=0.0))
        share = min(1.0, self.l1 / largest) if largest > 0.0 else 1.0
        if self.l2 > 0.0:
            candidates.append((1.0, M, U))
        if share < 1.0 or not candidates:
            Q = self._weighted_targets(weighted=False)
            candidates.append((share, Q + share * (M - Q), share * U))
        gaps = []
        for _, dual, U_dual in candidates:
            terms = np.empty(len(Z))
            target_rows(_readonly(Z), dual, tops, self.order, terms)
            terms += conjugates
            loss = float(self.shares @ np.maximum(terms, 0.0))
            gaps.append(loss + self._penalty_gap(W, U_dual))
        return min(gaps)

    def _penalty_gap(self, W, U) -> float:
        """h(W) + h*(U) - <W, U>."""
        excess = np.abs(U) - self.l1
        if self.l2 > 0.0:
            soft = np.sign(U) * np.maximum(excess, 0.0)
            if self.l1 == 0.0:
                return float(np.sum((self.l2 * W - U) ** 2)) / (2.0 * self.l2)
            terms = self.l1 * np.abs(W) + 0.5 * self.l2 * W * W - W * U
            return float(np.sum(terms + soft * soft / (2.0 * self.l2)))
        return float(np.sum(np.maximum(self.l1 * np.abs(W) - W * U, 0.0)))

    def _without_absent(self, P):
        """Distributions over the classes that have weight."""
        P = np.where(self.mean_target > 0.0, P, 0.0)
        total = P.sum(axis=1, keepdims=True)
        P = np.where(total > 0.0, P, self.mean_target)
        return P / np.where(total > 0.0, total, 1.0)

    def _to_mean_target(self, P):
        """How much to shrink rows and what to add for them to average to the target."""
        if not self.fit_intercept:
            return 0.0, np.zeros(self.n_classes)
        target, mean = self.mean_target, self.shares @ P
        held = mean > 0.0
        shrink = 1.0 - min(1.0, float((target[held] / mean[held]).min()))
        return shrink, np.maximum(target - (1.0 - shrink) * mean, 0.0)

    def _weighted_targets(self, add=None, weighted: bool = True) -> np.ndarray:
        """Targets, to which a matrix may be added, by default times the weights."""
        out = np.zeros((len(self.shares), self.n_classes)) if add is None else add
        if self._is_labels:
            out[self._rows, self.targets] += 1.0
        else:
            out = out + self.targets
        if weighted:
            out *= self.shares[:, None]
        return out

    def residual(self, P: np.ndarray) -> np.ndarray:
        """Weighted probabilities less targets."""
        R = P.copy()
        if self._is_labels:
            R[self._rows, self.targets] -= 1.0
        else:
            R -= self.targets.astype(R.dtype, copy=False)
        R *= self.shares[:, None].astype(R.dtype)
        return R


def regulariser(P: np.ndarray, order: float) -> np.ndarray:
    """Omega of distributions along the last axis."""
    P = np.asarray(P, dtype=np.float64)
    positive = np.where(P > 0.0, P, 1.0)
    if order == 1.0:
        return (P * np.log(positive)).sum(axis=-1)
    terms = np.expm1((order - 1.0) * np.log(positive))
    return (P * terms).sum(axis=-1) / (order * (order - 1.0))


def _readonly(Z: np.ndarray) -> np.ndarray:
    """One signature of every kernel, whether or not an array may be written to."""
    view = np.ascontiguousarray(Z).view()
    view.flags.writeable = False
    return view
