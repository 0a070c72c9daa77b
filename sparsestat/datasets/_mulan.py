"""Multi-label data in the format of Mulan: ARFF, and the labels' names in XML."""

import html
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from scipy import sparse
from sklearn.utils import Bunch

__all__ = ["load_mulan"]

_NUMERIC = ("NUMERIC", "REAL", "INTEGER")
_BUILT_IN = "amp|lt|gt|quot|apos"


def load_mulan(
    path_arff: str | os.PathLike,
    path_xml: str | os.PathLike,
    *,
    return_X_y: bool = False,
) -> Bunch | tuple:
    """Read a multi-label data set from local files in the format of Mulan.

    Many collections of multi-label data come as a pair of files: attributes, features
    and labels alike, in Weka's ARFF, and a list of those that are labels in XML.
    Nothing is downloaded. The ARFF file is read by the package liac-arff
    (``pip install sparsestat[arff]``).

    Parameters
    ----------
    path_arff : str or path-like
        The data; rows may be sparse.

    path_xml : str or path-like
        The names of the labels.

    return_X_y : bool, default=False
        Return ``(data, target)`` instead of the whole.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With these attributes:

        data : ndarray or csr_array of shape (n_samples, n_features)
            Numeric features, nominal ones whose values are numbers among them, with NaN
            for what is missing; sparse if the file is.
        target : ndarray of shape (n_samples, n_classes)
            1 where a sample has a label, else 0.
        feature_names : list of str
            Names of the columns of `data`.
        target_names : list of str
            Names of the labels, in the order of the XML file.
        nominal : dict of str to ndarray of shape (n_samples,)
            Features that are no numbers, by name.
        filename : str
            Where it came from.

    (data, target) : tuple if `return_X_y`
        These two only.

    Raises
    ------
    ImportError
        If liac-arff is not installed.
    FileNotFoundError
        If a file is not there.
    ValueError
        If a file is no ARFF or XML, or a label is missing or not 0 or 1.

    See Also
    --------
    sklearn.datasets.fetch_openml : Downloads data sets, some in this format.
    sparsestat.linear_model.SparsemaxClassifierCV : Fits sets of labels.

    References
    ----------
    .. [1] Tsoumakas, G., Spyromitros-Xioufis, E., Vilcek, J. and Vlahavas, I. (2011).
       Mulan: a Java library for multi-label learning. JMLR 12, 2411-2414.

    Examples
    --------
    >>> from sparsestat.datasets import load_mulan
    >>> scene = load_mulan("scene-train.arff", "scene.xml")  # doctest: +SKIP
    >>> scene.data.shape, scene.target.shape  # doctest: +SKIP
    ((1211, 294), (1211, 6))
    """
    labels = _read_labels(Path(path_xml))
    attributes, rows, is_sparse = _read_arff(Path(path_arff))
    names = [_plain(name) for name, _ in attributes]
    missing = [label for label in labels if label not in names]
    if missing:
        raise ValueError(
            f"load_mulan: every label of {path_xml} must be an attribute of "
            f"{path_arff}; {missing[0]!r} is not."
        )
    place = {name: j for j, name in enumerate(names)}
    labelled = [place[label] for label in labels]
    features = [j for j in range(len(names)) if j not in set(labelled)]
    numeric = [j for j in features if _is_numeric(attributes[j][1])]
    columns = _Columns(attributes, rows, is_sparse)
    target, data = columns.labels(labelled, labels), columns.numbers(numeric)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        feature_names=[names[j] for j in numeric],
        target_names=labels,
        nominal={
            names[j]: np.asarray(columns.values(j))
            for j in features
            if j not in set(numeric)
        },
        filename=str(path_arff),
    )


class _Columns:
    """Columns of a file, whichever way its rows are stored."""

    def __init__(self, attributes, rows, is_sparse):
        self.attributes, self.rows, self.is_sparse = attributes, rows, is_sparse

    def values(self, j) -> list:
        """Values of a column; what a sparse row leaves out is zero, or the first."""
        if not self.is_sparse:
            return [row[j] for row in self.rows]
        kind = self.attributes[j][1]
        absent = 0.0 if isinstance(kind, str) else kind[0]
        return [row.get(j, absent) for row in self.rows]

    def labels(self, places, names) -> np.ndarray:
        """Columns of labels as integers."""
        target = np.zeros((len(self.rows), len(places)), np.int64)
        for k, (j, name) in enumerate(zip(places, names, strict=True)):
            values = self.values(j)
            odd = [v for v in values if v not in ("0", "1", 0.0, 1.0)]
            if odd:
                raise ValueError(
                    f"load_mulan: label {name!r} must be 0 or 1; got {odd[0]!r}."
                )
            target[:, k] = [int(float(v)) for v in values]
        return target

    def numbers(self, places):
        """Columns of numbers as an array, sparse if the rows are."""
        if not self.is_sparse:
            columns = [np.array(self.values(j), np.float64) for j in places]
            return np.column_stack(columns or [np.empty((len(self.rows), 0))])
        position = {j: k for k, j in enumerate(places)}
        entries = [
            (i, position[j], float(value))
            for i, row in enumerate(self.rows)
            for j, value in row.items()
            if j in position
        ]
        i, j, values = zip(*entries, strict=True) if entries else ((), (), ())
        shape = len(self.rows), len(places)
        return sparse.csr_array((values, (i, j)), shape=shape, dtype=np.float64)


def _read_labels(path: Path) -> list[str]:
    """Names of the labels, nested ones too."""
    text = path.read_text(encoding="utf-8", errors="replace")
    # XML knows five names of characters, files use those of HTML.
    text = re.sub(
        rf"&(?!(?:{_BUILT_IN});)\w+;", lambda match: html.unescape(match[0]), text
    )
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError as error:
        raise ValueError(f"load_mulan: {path} must be XML; {error}.") from None
    names = [
        _plain(element.get("name"))
        for element in root.iter()
        if element.tag.rpartition("}")[2] == "label" and element.get("name")
    ]
    if not names:
        raise ValueError(f"load_mulan: {path} must name labels; got none.")
    return names


def _read_arff(path: Path):
    """Attributes with their kinds, rows, and whether these are sparse."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        import arff
    except ImportError:
        raise ImportError(
            "load_mulan needs liac-arff to read ARFF files: pip install "
            "'sparsestat[arff]'."
        ) from None
    is_sparse = bool(re.search(r"^@data\s*(?:%.*\s*)*\{", text, re.I | re.M))
    try:
        content = arff.loads(text, return_type=arff.LOD if is_sparse else arff.DENSE)
    except arff.ArffException as error:
        raise ValueError(f"load_mulan: {path} must be ARFF; {error}") from None
    return content["attributes"], list(content["data"]), is_sparse


def _is_numeric(kind) -> bool:
    """Whether an attribute is a number, or nominal with numbers as values."""
    if isinstance(kind, str):
        return kind.upper() in _NUMERIC
    try:
        return all(np.isfinite(float(value)) for value in kind)
    except ValueError:
        return False


def _plain(name: str) -> str:
    """A name without the backslashes that protect its quotation marks."""
    return re.sub(r"\\(['\"\\])", r"\1", name)
