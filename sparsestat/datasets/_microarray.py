"""Microarrays: few samples, thousands of features."""

import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from sklearn.utils import Bunch

from sparsestat.datasets._data_home import get_data_home
from sparsestat.utils.validation import Boolean, OneOf, check_parameters


class _Study(NamedTuple):
    subject: str
    measured: str
    shape: tuple[int, int]
    classes: dict[str, str]
    source: str


_STUDIES = {
    "alon": _Study(
        "Colon tissue",
        "gene expression levels",
        (62, 2000),
        {"n": "normal", "t": "tumour"},
        "Alon, U. et al. (1999), PNAS 96(12), doi:10.1073/pnas.96.12.6745",
    ),
    "golub": _Study(
        "Leukaemia",
        "gene expression levels",
        (72, 7129),
        {"ALL": "acute lymphoblastic", "AML": "acute myeloid"},
        "Golub, T. R. et al. (1999), Science 286, doi:10.1126/science.286.5439.531",
    ),
    "gravier": _Study(
        "Breast tumours",
        "DNA copy numbers (log ratios)",
        (168, 2905),
        {"good": "no metastasis in five years", "poor": "early metastasis"},
        "Gravier, E. et al. (2010), Genes Chromosomes Cancer 49, doi:10.1002/gcc.20820",
    ),
    "khan": _Study(
        "Small round blue cell tumours",
        "gene expression levels",
        (63, 2308),
        {
            "BL": "Burkitt lymphoma",
            "EWS": "Ewing sarcoma",
            "NB": "neuroblastoma",
            "RMS": "rhabdomyosarcoma",
        },
        "Khan, J. et al. (2001), Nature Medicine 7, doi:10.1038/89044",
    ),
}

_PARAMETERS = {
    "name": OneOf(*_STUDIES),
    "return_X_y": Boolean,
    "as_frame": Boolean,
}


def load_microarray(
    name: Literal["alon", "golub", "gravier", "khan"],
    *,
    data_home: str | os.PathLike | None = None,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Load a classical microarray data set from a local file (classification).

    ========= ======= ======== ======= ============================================
    name      samples features classes subject
    ========= ======= ======== ======= ============================================
    alon      62      2000     2       colon, normal or tumour [1]_
    golub     72      7129     2       leukaemia, ALL or AML [2]_
    gravier   168     2905     2       breast tumours, good or poor outcome [3]_
    khan      63      2308     4       small round blue cell tumours [4]_
    ========= ======= ======== ======= ============================================

    Nothing is downloaded. The file ``microarray/<name>.npz`` in `data_home` holds the
    arrays ``X`` of shape (n_samples, n_features) and ``y`` of class labels; all four
    studies are in the R package datamicroarray.

    Parameters
    ----------
    name : {"alon", "golub", "gravier", "khan"}
        Which data set.

    data_home : str or path-like, default=None
        Folder with the data; see :func:`get_data_home`.

    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the whole.

    as_frame : bool, default=False
        Return a pandas DataFrame and Series instead of arrays.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With these attributes:

        data : ndarray or DataFrame of shape (n_samples, n_features)
            Gene expression levels, of gravier DNA copy numbers; float32.
        target : ndarray or Series of shape (n_samples,)
            Index of the class into `target_names`.
        target_names : ndarray of str
            Names of the classes in alphabetical order.
        feature_names : list of str
            ``"probe_0"``, ``"probe_1"``, ...
        frame : DataFrame of shape (n_samples, n_features + 1) or None
            Both, if `as_frame`.
        filename : str
            Where it came from.
        DESCR : str
            What it is, with its source.

    (data, target) : tuple if `return_X_y`
        These two only.

    Raises
    ------
    FileNotFoundError
        If the file is not there; says where to put it.
    ValueError
        If `name` is unknown, or the file is not what it should be.

    See Also
    --------
    sklearn.datasets.fetch_openml : Downloads data sets, some microarrays among them.
    make_sparse_regression : Wide data with a known truth.

    References
    ----------
    .. [1] Alon, U. et al. (1999). Broad patterns of gene expression revealed by
       clustering analysis of tumor and normal colon tissues probed by oligonucleotide
       arrays. :doi:`10.1073/pnas.96.12.6745`
    .. [2] Golub, T. R. et al. (1999). Molecular classification of cancer: class
       discovery and class prediction by gene expression monitoring.
       :doi:`10.1126/science.286.5439.531`
    .. [3] Gravier, E. et al. (2010). A prognostic DNA signature for T1T2 node-negative
       breast cancer patients. :doi:`10.1002/gcc.20820`
    .. [4] Khan, J. et al. (2001). Classification and diagnostic prediction of cancers
       using gene expression profiling and artificial neural networks.
       :doi:`10.1038/89044`

    Examples
    --------
    >>> from sparsestat.datasets import load_microarray
    >>> golub = load_microarray("golub")  # doctest: +SKIP
    >>> golub.data.shape, golub.target_names  # doctest: +SKIP
    ((72, 7129), array(['ALL', 'AML'], dtype='<U3'))
    """
    check_parameters(
        {"name": name, "return_X_y": return_X_y, "as_frame": as_frame},
        _PARAMETERS,
        name="load_microarray",
    )
    path = Path(get_data_home(data_home), "microarray", f"{name}.npz")
    data, labels = _read(path, _STUDIES[name])
    target_names, target = np.unique(labels, return_inverse=True)
    feature_names = [f"probe_{j}" for j in range(data.shape[1])]
    frame = None
    if as_frame:
        frame = _frame(data, target, feature_names)
        data, target = frame[feature_names], frame["target"]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=target_names,
        feature_names=feature_names,
        frame=frame,
        filename=str(path),
        DESCR=_describe(name),
    )


def _read(path, study):
    if not path.is_file():
        raise FileNotFoundError(
            f"load_microarray: {path} does not exist. Put it there, an npz file with "
            f"arrays X of shape {study.shape} and y of labels "
            f"{', '.join(study.classes)}, or name by data_home or the environment "
            f"variable SPARSESTAT_DATA the folder that holds microarray/{path.name}."
        )
    with np.load(path, allow_pickle=False) as arrays:
        if not {"X", "y"} <= set(arrays.files):
            raise ValueError(
                f"load_microarray: {path} must hold arrays X and y; "
                f"got {sorted(arrays.files)}."
            )
        data, labels = arrays["X"].astype(np.float32, copy=False), arrays["y"]
    if (
        data.shape != study.shape
        or labels.shape != study.shape[:1]
        or set(labels.tolist()) != set(study.classes)
    ):
        raise ValueError(
            f"load_microarray: {path} must hold X of shape {study.shape} and one of "
            f"the labels {', '.join(study.classes)} for each row; got X of shape "
            f"{data.shape} and y of shape {labels.shape} with labels "
            f"{', '.join(map(str, np.unique(labels)))}."
        )
    return data, labels


def _frame(data, target, feature_names):
    import pandas as pd

    frame = pd.DataFrame(data, columns=feature_names, copy=False)
    return pd.concat([frame, pd.Series(target, name="target")], axis=1)


def _describe(name):
    study = _STUDIES[name]
    classes = "\n".join(
        f"    {label}: {meaning}" for label, meaning in study.classes.items()
    )
    n_samples, n_features = study.shape
    return (
        f"{study.subject}: {n_samples} samples, {n_features} {study.measured}.\n\n"
        f"Classes:\n\n{classes}\n\nSource: {study.source}\n"
    )
