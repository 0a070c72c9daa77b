"""Sparse maps from scores to probabilities, their losses, and sparse decoding."""

from sparsestat.activations._bregman import bregman_decode
from sparsestat.activations._decoders import (
    epsilon,
    eta,
    min_p,
    sample,
    top_k,
    top_n_sigma,
    top_p,
    typical,
)
from sparsestat.activations._derivatives import (
    entmax_alpha_derivative,
    entmax_jvp,
    entmax_vjp,
)
from sparsestat.activations._loss import fenchel_young_loss
from sparsestat.activations._maps import entmax, softmax, sparsemax
from sparsestat.activations._structured import (
    constrained_sparsemax,
    fusedmax,
    fusedmax_vjp,
    oscarmax,
    oscarmax_vjp,
)

__all__ = [
    "bregman_decode",
    "constrained_sparsemax",
    "entmax",
    "entmax_alpha_derivative",
    "entmax_jvp",
    "entmax_vjp",
    "epsilon",
    "eta",
    "fenchel_young_loss",
    "fusedmax",
    "fusedmax_vjp",
    "min_p",
    "oscarmax",
    "oscarmax_vjp",
    "sample",
    "softmax",
    "sparsemax",
    "top_k",
    "top_n_sigma",
    "top_p",
    "typical",
]
