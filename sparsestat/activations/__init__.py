"""Sparse maps from scores to probabilities, and the losses that belong to them."""

from sparsestat.activations._derivatives import entmax_jvp, entmax_vjp
from sparsestat.activations._loss import fenchel_young_loss
from sparsestat.activations._maps import entmax, softmax, sparsemax

__all__ = [
    "entmax",
    "entmax_jvp",
    "entmax_vjp",
    "fenchel_young_loss",
    "softmax",
    "sparsemax",
]
