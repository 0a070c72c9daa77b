"""entmax: the maps and their losses for PyTorch, by sorting or by bisection.

It lives in a virtual environment of its own with PyTorch for the CPU: the one whose
Python the variable ``SPARSESTAT_TORCH_PYTHON`` names, else ``.venv/bench-torch``, which
is made on first use.
"""

from __future__ import annotations

from benchmarks._peers import distribution_versions, own_environment

NAME = "entmax"

# Of its partial sort; doubled by itself until it holds the support.
_FIRST = 100


def interpreter() -> str:
    """Python of its environment; ImportError if there is none."""
    requirements = ("torch", "entmax==1.3", "numpy", "threadpoolctl")
    return own_environment("torch", "entmax", requirements)


def versions() -> dict[str, str]:
    """Versions of what runs, on the processor whatever PyTorch was built for."""
    import torch

    found = distribution_versions("entmax", "torch")
    if torch.version.cuda:
        found["torch"] += " (a build for GPUs, on the CPU)"
    return found


def sparsemax(Z) -> dict:
    """Sorting all, sorting in parts, and PyTorch's softmax for comparison."""
    import entmax

    return {**_sorted(entmax.sparsemax, Z), **_softmax(Z)}


def entmax15(Z) -> dict:
    """The same of order 1.5, and bisection."""
    import entmax

    return {
        **_sorted(entmax.entmax15, Z),
        "entmax, bisection": _call(lambda Z: entmax.entmax_bisect(Z, 1.5, -1), Z),
        **_softmax(Z),
    }


def entmax125(Z) -> dict:
    """Bisection, the only way there."""
    import entmax

    return {
        "entmax, bisection": _call(lambda Z: entmax.entmax_bisect(Z, 1.25, -1), Z),
        **_softmax(Z),
    }


def loss(Z) -> dict:
    """Loss of labels, forward and backward."""
    import entmax
    import torch

    scores = torch.from_numpy(Z).requires_grad_()
    labels = torch.arange(len(Z)) % Z.shape[1]

    def call(k: int | None):
        scores.grad = None
        losses = entmax.sparsemax_loss(scores, labels, k=k)
        losses.sum().backward()
        return losses.detach().numpy()

    return {
        "entmax, sort": lambda: call(None),
        f"entmax, k={_FIRST}": lambda: call(_FIRST),
    }


def decode(P) -> dict:
    """PyTorch's selection of the largest alone, without decoding."""
    import torch

    rows = torch.from_numpy(P)

    def call():
        torch.topk(rows, 256)

    return {"torch.topk(256) alone": call}


def _sorted(function, Z) -> dict:
    k = min(_FIRST, Z.shape[1])
    return {
        "entmax, sort": _call(lambda Z: function(Z, -1), Z),
        f"entmax, k={_FIRST}": _call(lambda Z: function(Z, -1, k=k), Z),
    }


def _softmax(Z) -> dict:
    import torch

    softmax = _call(lambda Z: torch.softmax(Z, -1), Z)

    def call():
        softmax()

    return {"torch.softmax": call}


def _call(function, Z):
    import torch

    scores = torch.from_numpy(Z)

    def call():
        with torch.inference_mode():
            return function(scores).numpy()

    return call
