"""Several targets on one design: X~ for each task, as one design of all coefficients.

Coefficient j * n_tasks + t is that of feature j in task t, sample i * n_tasks + t the
sample i of task t: the Kronecker product of X~ and the identity, which is never formed.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sparsestat.optim.design import Dense, Design, columns, correlate, predict

__all__ = ["Tasks", "make_tasks"]


class Tasks(NamedTuple):
    """X~ repeated for several tasks.

    Parameters
    ----------
    base : Dense or CSC
        X of shape (n_samples, n_features) with its centring and scaling.
    n_tasks : int
        Number of tasks.
    mean, scale, norm : ndarray of shape (n_features * n_tasks,)
        Those of the base, repeated for each task.
    """

    base: Any
    n_tasks: int
    mean: Any
    scale: Any
    norm: Any

    @property
    def n_samples(self) -> int:
        """Samples of the base."""
        base = self.base
        return base.X.shape[0] if isinstance(base, Dense) else base.n_samples


def make_tasks(base: Design, n_tasks: int) -> Tasks:
    """Repeat a design for several tasks."""
    repeated = (np.repeat(a, n_tasks) for a in (base.mean, base.scale, base.norm))
    return Tasks(base, n_tasks, *repeated)


def task_means(design: Tasks) -> sparse.csr_array:
    """Matrix of shape (n_tasks, n_coefs) that takes coefficients to mean predictions.

    Coefficients are those of X as it was given.
    """
    places = np.arange(len(design.mean))
    return sparse.csr_array(
        (design.mean, (places % design.n_tasks, places)),
        shape=(design.n_tasks, len(places)),
    )


def base_features(design: Tasks, features: np.ndarray) -> np.ndarray:
    """Features whose coefficients are meant, each once, in order of appearance."""
    return features[:: design.n_tasks] // design.n_tasks


@predict.register(Tasks)
def _(design, features, coef):
    n_tasks = design.n_tasks
    out = np.empty((design.n_samples, n_tasks))
    for t in range(n_tasks):
        mine = features % n_tasks == t
        out[:, t] = predict(design.base, features[mine] // n_tasks, coef[mine])
    return out.ravel()


@correlate.register(Tasks)
def _(design, v, features=None):
    v = v.reshape(-1, design.n_tasks)
    base, chosen = design.base, slice(None)
    if features is not None:
        chosen = base_features(design, features)
    if isinstance(base, Dense) and base.X.dtype == np.float64:
        X = base.X if features is None else base.X[:, chosen]
        out = X.T @ v
        out -= np.outer(base.mean[chosen], v.sum(axis=0))
        out /= base.scale[chosen, None]
        return out.ravel()
    part = None if features is None else chosen
    tasks = [correlate(base, np.ascontiguousarray(column), part) for column in v.T]
    return np.column_stack(tasks).ravel()


@columns.register(Tasks)
def _(design, features, rows):
    blocks = columns(design.base, features // design.n_tasks, rows)
    out = np.zeros((len(features), blocks.shape[1], design.n_tasks))
    out[np.arange(len(features)), :, features % design.n_tasks] = blocks
    return out.reshape(len(features), -1)
