"""NumPy: the textbook algorithm by its own vectorised sort, and the memory's speed."""

from __future__ import annotations

from benchmarks._peers import distribution_versions

NAME = "NumPy"


def versions() -> dict[str, str]:
    """Versions of what runs."""
    return distribution_versions("numpy")


def sparsemax(Z) -> dict:
    """Held, Wolfe and Crowder's rule on sorted rows; two reads and one write."""
    import numpy as np

    ranks = np.arange(1, Z.shape[1] + 1, dtype=Z.dtype)

    def call():
        ordered = np.sort(Z - Z.max(axis=1, keepdims=True), axis=1)[:, ::-1]
        taus = (np.cumsum(ordered, axis=1, dtype=np.float64) - 1) / ranks
        size = np.count_nonzero(ordered > taus, axis=1)
        tau = taus[np.arange(len(Z)), size - 1] + Z.max(axis=1)
        return np.maximum(Z - tau[:, None].astype(Z.dtype), 0)

    return {"NumPy, sort": call, **_memory(Z)}


def entmax15(Z) -> dict:
    """Two reads and one write."""
    return _memory(Z)


def decode(P) -> dict:
    """Sorting all, without decoding."""
    import numpy as np

    def call():
        np.argsort(-P, axis=1)

    return {"np.argsort alone": call}


def _memory(Z) -> dict:
    import numpy as np

    out = np.empty_like(Z)

    def call():
        Z.max()
        np.copyto(out, Z)

    return {"two reads, one write": call}
