"""scikit-image: total variation by Chambolle's projection."""

from __future__ import annotations

from benchmarks._peers import decades, distribution_versions

NAME = "scikit-image"
TOLERANCES = decades(4, 9)

_MAX_ITER = 20_000


def versions() -> dict[str, str]:
    """Versions of what runs."""
    return distribution_versions("scikit-image", "numpy", "scipy")


def options(task: str, n_samples: int, n_features: int, sparse: bool) -> dict:
    """Its defaults."""
    return {"default": {}}


def denoise_line(signal, strength: float, tol: float):
    """Total variation on a line."""
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(signal, strength, eps=tol, max_num_iter=_MAX_ITER)
