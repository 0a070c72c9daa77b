"""Where the loaders look for data."""

import os
from pathlib import Path


def get_data_home(data_home: str | os.PathLike | None = None) -> str:
    """Return the folder in which the loaders look for data.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. None stands for the environment variable ``SPARSESTAT_DATA``, and
        where that is not set for ``~/sparsestat_data``.

    Returns
    -------
    data_home : str
        The folder, with ``~`` expanded. It need not exist.

    Raises
    ------
    TypeError
        If `data_home` is not a path.

    See Also
    --------
    sklearn.datasets.get_data_home : The folder of scikit-learn's loaders.

    References
    ----------
    .. [1] Buitinck, L. et al. (2013). API design for machine learning software:
       experiences from the scikit-learn project. :arxiv:`1309.0238`

    Examples
    --------
    >>> from sparsestat.datasets import get_data_home
    >>> get_data_home("data")
    'data'
    """
    if data_home is None:
        data_home = os.environ.get("SPARSESTAT_DATA") or Path("~", "sparsestat_data")
    return os.path.expanduser(data_home)
