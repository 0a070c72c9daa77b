"""Data in parts: rows of arrays in this process, chunks of dask collections."""

import copy
import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse

from sparsestat.utils.threads import one_blas_thread

__all__ = ["LocalShards", "Shard", "Shards", "as_shards"]

# Rows of a shard of plain arrays: whatever the number of jobs, so that bits stay.
_ROWS = 65_536


class Shard(NamedTuple):
    """Rows that lie together.

    Parameters
    ----------
    X : {ndarray, sparse matrix, DataFrame} of shape (n_rows, n_features)
    y : array-like of shape (n_rows,) or (n_rows, n_targets), or None
    sample_weight : array-like of shape (n_rows,) or None
    extra : array-like of shape (n_rows,) or None
        One more value for each row, such as the number of its fold.
    number : int or None
        Place among the shards; the engine fills it in.
    """

    X: Any
    y: Any = None
    sample_weight: Any = None
    extra: Any = None
    number: int | None = None


class About(NamedTuple):
    """What is known of shards without a look at their data.

    Parameters
    ----------
    n_rows : list of int or None
        Rows of each.
    n_features : int or None
        Columns of X, the same in all.
    names : list of str or None
        Their names, where X are dataframes.
    n_targets : int
        Columns of y; 0 without y.
    """

    n_rows: list[int] | None = None
    n_features: int | None = None
    names: list[str] | None = None
    n_targets: int = 1

    def without(self, lost: Sequence[int]) -> "About":
        """The same of the other shards."""
        if self.n_rows is None:
            return self
        rows = [n for k, n in enumerate(self.n_rows) if k not in set(lost)]
        return self._replace(n_rows=rows)


class Shards:
    """Shards, and how a function is applied to each.

    Parameters
    ----------
    members : list
        A :class:`Shard`, or something lazy that becomes one, for each.
    about : About, default=None
        What is known of them without a look at the data; None is nothing.
    """

    def __init__(self, members: list, about: About | None = None):
        self._members = members
        self.about = about or About()

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        rows, width = self.about.n_rows, self.about.n_features
        told = [f"{len(self)} shards"]
        told += [] if rows is None else [f"{sum(rows):,} rows"]
        told += [] if width is None else [f"{width:,} features"]
        return f"<{type(self).__name__}: {', '.join(told)}>"

    def payloads(
        self, f: Callable, message: Any, counter: Any, max_retries: int, timeout
    ) -> Iterator[tuple]:
        """What `f` returns for each shard, in order; see `map_reduce`."""
        raise TypeError(f"{type(self).__name__} applies no function.")

    def without(self, lost: Sequence[int]) -> "Shards":
        """The other shards.

        Parameters
        ----------
        lost : sequence of int
            Numbers of the shards to leave out.

        Returns
        -------
        shards : Shards
        """
        kept = [m for k, m in enumerate(self._members) if k not in set(lost)]
        others = copy.copy(self)
        others._members, others.about = kept, self.about.without(lost)
        return others

    def persist(self) -> "Shards":
        """The same shards, kept by the workers where there are any.

        Returns
        -------
        shards : Shards
            Each is computed once for several rounds, and anew if its worker is lost.
        """
        return self


class LocalShards(Shards):
    """Shards in this process: joblib's threads, one BLAS thread each."""

    def __init__(self, members, about=None, n_jobs: int | None = None):
        super().__init__(members, about)
        self._n_jobs = n_jobs

    def payloads(self, f, message, counter, max_retries, timeout):
        """What `f` returns for each shard, in order; see `map_reduce`."""
        begin = time.perf_counter()

        def attempt(k, member):
            shard = loaded(member, k)
            for tries in range(max_retries + 1):
                try:
                    return f(shard, message), tries
                except (ValueError, TypeError) as error:
                    raise _of_shard(k, error) from error
                except Exception as error:
                    if tries == max_retries:
                        raise lost_shards([k], tries + 1, error) from error

        # One BLAS thread whatever n_jobs, so that the bits do not depend on it.
        with one_blas_thread():
            parallel = Parallel(
                n_jobs=self._n_jobs, require="sharedmem", return_as="generator"
            )
            tasks = (delayed(attempt)(k, m) for k, m in enumerate(self._members))
            for k, (payload, tries) in enumerate(parallel(tasks)):
                if timeout is not None and time.perf_counter() - begin > timeout:
                    raise late_shards(range(k, len(self)), timeout)
                counter.retries += tries
                yield payload


def as_shards(
    X, y=None, sample_weight=None, *, extra=None, n_shards=None, n_jobs=None,
    client=None,
) -> Shards:  # fmt: skip
    """Bring data into the form of shards; nothing is copied or computed.

    Parameters
    ----------
    X : array-like, sparse matrix, dask collection, list of shards or Shards
        Of shape (n_samples, n_features). A dask array or dataframe gives a shard for
        each chunk of rows. A list of shards has a tuple ``(X_k, y_k)`` or
        ``(X_k, y_k, sample_weight_k)``, or a dask Delayed or Future of one, for each;
        or a matrix ``X_k``, where there is no y. Shards stay as they are.
    y : array-like or dask collection of shape (n_samples,), default=None
        Targets; in chunks as X if they are a dask collection.
    sample_weight : array-like or dask collection of shape (n_samples,), default=None
        Weights of the rows.
    extra : array-like or dask collection of shape (n_samples,), default=None
        One more value for each row, such as the number of its fold.
    n_shards : int, default=None
        How many blocks of equal size plain arrays are cut into; None is blocks of
        65,536 rows, whatever `n_jobs`.
    n_jobs : int, default=None
        Threads for shards in this process.
    client : distributed.Client, default=None
        Where dask collections are computed; None is the current client
        (``client.as_current()``, or the last one made), or the threads of this process
        where there is none.

    Returns
    -------
    shards : Shards
        For :func:`map_reduce`.

    Raises
    ------
    ValueError
        If numbers of rows or of chunks do not agree, or a listed shard has no rows.

    See Also
    --------
    map_reduce : Apply a function to every shard.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsestat.distributed import as_shards
    >>> len(as_shards(np.zeros((10, 2)), np.zeros(10), n_shards=3))
    3
    """
    columns = (X, y, sample_weight, extra)
    if isinstance(X, Shards) or is_shard_list(X):
        if any(column is not None for column in columns[1:]):
            raise ValueError(
                "y and sample_weight must be None where X is a list of shards, which "
                "hold their own: give tuples (X_k, y_k, sample_weight_k)."
            )
        if isinstance(X, Shards):
            return X
        return _from_list(list(X), n_jobs, client)
    if is_dask(X):
        from sparsestat.distributed._dask import from_collections

        return from_collections(columns, n_jobs, client)
    return _from_arrays(columns, n_shards, n_jobs)


def is_dask(value: Any) -> bool:
    """Whether a value is a dask collection, Delayed or Future."""
    home = type(value).__module__.partition(".")[0]
    return home in ("dask", "dask_expr", "distributed")


def is_shard_list(X: Any) -> bool:
    """Whether data come as a list of shards rather than as a matrix."""
    if not (isinstance(X, list | tuple) and len(X)):
        return False
    first = X[0]
    if isinstance(first, tuple | list) and len(first):
        first = first[0]
    return is_dask(first) or len(getattr(first, "shape", ())) == 2


def loaded(member: Any, number: int) -> Any:
    """A shard in memory: lazy parts are computed in this thread."""
    if is_dask(member):
        member = gathered(member.compute(scheduler="sync"))
    if not isinstance(member, Shard):
        return member
    parts = (p.compute(scheduler="sync") if is_dask(p) else p for p in member[:-1])
    return Shard(*parts, number)


def gathered(parts: Any) -> Shard:
    """A shard of what a task returns: a tuple of its parts, or X alone."""
    return Shard(*parts) if isinstance(parts, tuple | list) else Shard(parts)


def lost_shards(shards: Sequence[int], tries: int, error: BaseException):
    """The error for shards that failed too often."""
    from sparsestat.distributed._engine import ShardsLost

    return ShardsLost(
        f"{_named(shards)} failed {tries} times, the last time by "
        f"{type(error).__name__}: {error}",
        shards,
    )


def late_shards(shards: Sequence[int], timeout: float):
    """The error for shards that took too long."""
    from sparsestat.distributed._engine import ShardsLost

    return ShardsLost(f"{_named(shards)} gave no result in {timeout:g} s.", shards)


def _named(shards: Sequence[int]) -> str:
    plural = "s" if len(shards) > 1 else ""
    return f"Shard{plural} {', '.join(map(str, shards))}"


def _of_shard(k: int, error: Exception) -> Exception:
    """The same error with the number of the shard."""
    kind = ValueError if isinstance(error, ValueError) else TypeError
    return kind(f"Shard {k}: {error}")


def _from_arrays(columns, n_shards, n_jobs) -> LocalShards:
    X = columns[0]
    if not (hasattr(X, "iloc") or sparse.issparse(X)):
        X = np.asarray(X)
    n = X.shape[0]
    arrays = [X, *(None if c is None else np.asarray(c) for c in columns[1:])]
    for name, array in zip(("y", "sample_weight", "extra"), arrays[1:], strict=True):
        if array is not None and len(array) != n:
            raise ValueError(
                f"{name} must have as many rows as X; got {len(array)} and {n}."
            )
    if n_shards is None:
        bounds = [*range(0, n, _ROWS), n]
    else:
        bounds = [n * k // n_shards for k in range(n_shards + 1)]
    slices = [slice(a, b) for a, b in itertools.pairwise(bounds)]
    if sparse.issparse(X) and len(slices) > 1:
        arrays[0] = X.tocsr()
    members = [
        Shard(*(None if a is None else _rows(a, part) for a in arrays))
        for part in slices
    ]
    rows = [part.stop - part.start for part in slices]
    about = About(rows, arrays[0].shape[1], names_of(X), n_targets(arrays[1]))
    return LocalShards(members, about, n_jobs)


def names_of(X: Any) -> list[str] | None:
    """Names of the columns of a dataframe, where all are strings."""
    names = list(getattr(X, "columns", ()))
    return names if names and all(isinstance(n, str) for n in names) else None


def n_targets(y: Any) -> int:
    """Columns of targets."""
    if y is None:
        return 0
    shape = getattr(y, "shape", ())
    return shape[1] if len(shape) == 2 else 1


def _rows(array, part: slice):
    return array.iloc[part] if hasattr(array, "iloc") else array[part]


def _from_list(members: list, n_jobs, client) -> Shards:
    if any(map(is_dask, members)):
        from sparsestat.distributed._dask import from_delayed

        return from_delayed(members, n_jobs, client)
    shards = []
    for k, member in enumerate(members):
        shard = gathered(member)
        n = shard.X.shape[0]
        if n == 0:
            raise ValueError(f"Shard {k}: X has no rows; a listed shard needs some.")
        for name, part in zip(shard._fields[1:-1], shard[1:-1], strict=True):
            if part is not None and len(part) != n:
                raise ValueError(
                    f"Shard {k}: {name} must have as many rows as X; got {len(part)} "
                    f"and {n}."
                )
        shards.append(shard)
    first = shards[0].X
    rows, targets = [s.X.shape[0] for s in shards], n_targets(shards[0].y)
    about = About(rows, first.shape[1], names_of(first), targets)
    return LocalShards(shards, about, n_jobs)


def warn_rechunk(n_blocks: int) -> None:
    """Tell that columns of a dask array had to be brought together."""
    warnings.warn(
        f"X has {n_blocks} chunks of columns and is rechunked; hold whole rows in a "
        "chunk to avoid the exchange.",
        UserWarning,
        stacklevel=5,
    )
