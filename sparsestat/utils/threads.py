"""One BLAS thread where Python threads share the work."""

from functools import cache

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


def one_blas_thread():
    """Context in which BLAS has one thread, so that bits do not depend on `n_jobs`.

    Looking for the libraries takes milliseconds, and is done once.

    Returns
    -------
    limit : context manager

    Examples
    --------
    >>> from sparsestat.utils.threads import one_blas_thread
    >>> with one_blas_thread():
    ...     pass
    """
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
