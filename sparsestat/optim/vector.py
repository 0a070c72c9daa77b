"""Inner loops over contiguous vectors, shared by the kernels.

Loops over a slice of its own let LLVM vectorise; indexing a row of a larger array does
not, because numba must allow for negative indices there.
"""

from sparsestat.utils.dispatch import kernel

__all__ = ["axpy", "dot", "weighted_dot"]


@kernel
def axpy(step, x, out):
    """out += step * x."""
    for i in range(len(x)):
        out[i] += step * x[i]


@kernel
def dot(x, y):
    """sum(x * y)."""
    total = 0.0
    for i in range(len(x)):
        total += x[i] * y[i]
    return total


@kernel
def weighted_dot(weight, x, y):
    """sum(weight * x * y)."""
    total = 0.0
    for i in range(len(x)):
        total += weight[i] * x[i] * y[i]
    return total
