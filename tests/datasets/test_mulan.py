"""Files in the format of Mulan, written here with what real ones hold."""

import numpy as np
import pytest
from scipy import sparse

from sparsestat.datasets import load_mulan

ARFF = r"""% A comment
@relation 'birds: -C 2'

@attribute 'mean energy' numeric
@attribute peak real
@attribute has_segments {0,1}
@attribute location {HJ, 'PC 2'}
@attribute 'Swainson\'s Thrush' {0,1}
@attribute Wren {0,1}

@data
0.5,1,1,HJ,1,0
-2e3,?,0,'PC 2',0,0
3,4,1,HJ,1,1
"""
XML = """<?xml version="1.0" encoding="utf-8"?>
<labels xmlns="http://mulan.sourceforge.net/labels">
<label name="Wren"></label>
<label name="Swainson\\'s Thrush"></label>
</labels>
"""
SPARSE = """@relation words
@attribute a numeric
@attribute b numeric
@attribute caf\u00e9 {0,1}
@attribute tea {0,1}
@attribute colour {red,blue}
@data
{0 2.5,2 1}
{1 1,3 1,4 blue}
{}
"""
SPARSE_XML = '<labels><label name="tea"><label name="caf&eacute;"/></label></labels>'


@pytest.fixture
def write(tmp_path):
    pytest.importorskip("arff", reason="liac-arff is not installed")

    def files(arff, xml):
        paths = tmp_path / "data.arff", tmp_path / "data.xml"
        for path, text in zip(paths, (arff, xml), strict=True):
            path.write_text(text, encoding="utf-8")
        return paths

    return files


def test_dense_file(write):
    paths = write(ARFF, XML)
    found = load_mulan(*paths)
    expected = [[0.5, 1, 1], [-2000, np.nan, 0], [3, 4, 1]]
    np.testing.assert_array_equal(found.data, expected)
    np.testing.assert_array_equal(found.target, [[0, 1], [0, 0], [1, 1]])
    assert found.target_names == ["Wren", "Swainson's Thrush"]
    assert found.feature_names == ["mean energy", "peak", "has_segments"]
    assert {k: list(v) for k, v in found.nominal.items()} == {
        "location": ["HJ", "PC 2", "HJ"]
    }
    assert found.filename == str(paths[0])
    data, target = load_mulan(*paths, return_X_y=True)
    np.testing.assert_array_equal(data, expected)
    np.testing.assert_array_equal(target, found.target)


def test_sparse_file_with_nested_labels_and_entities(write):
    found = load_mulan(*write(SPARSE, SPARSE_XML))
    assert sparse.issparse(found.data)
    np.testing.assert_array_equal(found.data.toarray(), [[2.5, 0], [0, 1], [0, 0]])
    assert found.target_names == ["tea", "caf\u00e9"]
    np.testing.assert_array_equal(found.target, [[0, 1], [1, 0], [0, 0]])
    assert list(found.nominal["colour"]) == ["red", "blue", "red"]


@pytest.mark.parametrize(
    "arff, xml, message",
    [
        (ARFF, XML.replace("Wren", "Owl"), "'Owl' is not"),
        (ARFF, "<labels>", "must be XML"),
        (ARFF, "<labels/>", "must name labels"),
        ("no header", XML, "must be ARFF"),
        (ARFF.replace("{0,1}\n\n", "numeric\n\n").replace("HJ,1,1", "HJ,1,2"), XML,
         "'Wren' must be 0 or 1; got 2.0"),
    ],
)  # fmt: skip
def test_wrong_files_are_named(write, arff, xml, message):
    with pytest.raises(ValueError, match=message):
        load_mulan(*write(arff, xml))


def test_missing_file(write, tmp_path):
    arff, xml = write(ARFF, XML)
    with pytest.raises(FileNotFoundError):
        load_mulan(tmp_path / "none.arff", xml)
    with pytest.raises(FileNotFoundError):
        load_mulan(arff, tmp_path / "none.xml")


def test_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "arff", None)
    for name, text in (("a.arff", ARFF), ("a.xml", XML)):
        (tmp_path / name).write_text(text)
    with pytest.raises(ImportError, match=r"pip install 'sparsestat\[arff\]'"):
        load_mulan(tmp_path / "a.arff", tmp_path / "a.xml")
