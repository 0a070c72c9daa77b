"""Rows of probabilities as decoders are given them and give them back."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.activations._maps import softmax
from sparsestat.activations._rows import to_rows
from sparsestat.activations._selection import FIRST, prefix_rows
from sparsestat.optim.row_blocks import grow_rows
from sparsestat.utils.validation import Boolean, Interval, OneOf

__all__ = ["COMMON", "Distributions"]

COMMON = {
    "from_logits": Boolean,
    "temperature": Interval(0, inf, closed="neither"),
    "output": OneOf("dense", "csr"),
}
# How far the sum of a distribution may be from one, by the bytes of its numbers.
_SLACK = {2: 1e-2, 4: 1e-4, 8: 1e-6}


class Distributions(NamedTuple):
    """Rows of probabilities that a decoder was given.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_tokens)
        Read-only, C order, float32 or float64.
    totals : ndarray of shape (n_rows,)
        Their sums, one up to rounding.
    logits : ndarray of shape (n_rows, n_tokens) or None
        What they are the softmax of.
    many : bool
        Whether a matrix was given.
    dtype : dtype
        Of the result.
    """

    values: np.ndarray
    totals: np.ndarray
    logits: np.ndarray | None
    many: bool
    dtype: np.dtype

    @classmethod
    def read(cls, caller, P, from_logits, temperature) -> Distributions:
        """Check what was given."""
        rows = to_rows(caller, "P", P, -1)
        if len(rows.shape) > 2:
            raise ValueError(
                f"{caller}: P must have one or two dimensions; got {len(rows.shape)}."
            )
        values, logits = rows.values, None
        if from_logits:
            logits = values
            try:
                values = softmax(logits, temperature=temperature)
            except ValueError as error:
                text = str(error).replace("softmax: ", f"{caller}: ").replace("Z", "P")
                raise ValueError(text) from None
            values.flags.writeable = False
            totals = np.ones(len(values))
        else:
            totals = values.sum(axis=1, dtype=np.float64)
            odd = ~(values.min(axis=1) >= 0.0)
            odd |= ~(np.abs(totals - 1.0) <= _SLACK[rows.dtype.itemsize])
            if odd.any():
                row = int(odd.argmax())
                raise ValueError(
                    f"{caller}: every row of P must be >= 0 and sum to one, or hold "
                    f"logits with from_logits=True; row {row} sums to {totals[row]}, "
                    f"with a smallest entry of {values[row].min()}."
                )
        return cls(values, totals, logits, len(rows.shape) == 2, rows.dtype)

    def prefix(self, order, output, count=FIRST, share=inf):
        """Keep prefixes of the rows sorted by `order`: a number or a share."""
        values = self.values
        order = order.view()
        order.flags.writeable = False

        def fill(*state):
            return prefix_rows(order, values, self.totals, count, float(share), *state)

        return self.restore(grow_rows(fill, values.shape, values.dtype)[0], output)

    def keep(self, mask, output):
        """Keep the masked tokens and, of rows without any, the most probable one."""
        empty = np.flatnonzero(~mask.any(axis=1))
        mask[empty, self.values[empty].argmax(axis=1)] = True
        if output == "dense":
            Q = np.where(mask, self.values, self.values.dtype.type(0))
            Q /= Q.sum(axis=1, keepdims=True)
            return self._shape(Q)
        # Tokens of no probability are masked too if the bound is zero.
        Q = sparse.csr_array(mask & (self.values > 0.0))
        rows = np.repeat(np.arange(len(mask)), np.diff(Q.indptr))
        data = self.values[rows, Q.indices]
        sums = np.bincount(rows, data, minlength=len(mask))
        data = (data / sums[rows]).astype(data.dtype)
        return sparse.csr_array((data, Q.indices, Q.indptr), shape=Q.shape)

    def restore(self, Q: sparse.csr_array, output: str):
        """Sparse rows in the form that was asked for."""
        if output == "dense":
            return self._shape(Q.toarray())
        Q.sort_indices()
        return Q

    def _shape(self, Q: np.ndarray) -> np.ndarray:
        return (Q if self.many else Q[0]).astype(self.dtype, copy=False)
