"""The documentation: its code runs, nothing public is missing, figures are computed."""

import doctest
import importlib.util
import sys

import pytest

from sparsestat.utils.discovery import all_displays, all_estimators, all_functions

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PAGES = [
    "index.rst",
    "tour.rst",
    "user_guide/bayes.rst",
    "user_guide/best_subset.rst",
    "user_guide/bias_and_noise.rst",
    "user_guide/covariance.rst",
    "user_guide/distributed.rst",
    "user_guide/generalized_linear.rst",
    "user_guide/kronecker.rst",
    "user_guide/linear_model.rst",
    "user_guide/recovery.rst",
    "user_guide/robust_and_survival.rst",
    "user_guide/sparse_classifiers.rst",
    "user_guide/sparse_probabilities.rst",
    "user_guide/unmixing.rst",
]


@pytest.fixture
def extension(repository, monkeypatch):
    """Load an extension of the pages, which need no Sphinx to be imported."""
    monkeypatch.syspath_prepend(repository)

    def load(name):
        path = repository / "doc" / "_ext" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"doc_{name}", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize("page", PAGES)
def test_code_of_the_page_runs(page, repository):
    plt = pytest.importorskip("matplotlib.pyplot")
    pytest.importorskip("pandas")
    file = repository / "doc" / page
    failed, attempted = doctest.testfile(str(file), False, optionflags=FLAGS)
    plt.close("all")
    assert attempted > 5
    assert failed == 0


def test_all_pages_with_code_are_run(repository):
    folder = repository / "doc"
    written = [*folder.glob("*.rst"), *(folder / "user_guide").glob("*.rst")]
    found = [p for p in written if "\n>>> " in p.read_text()]
    found += [p for p in written if "   >>> " in p.read_text() and p not in found]
    assert {str(p.relative_to(folder)) for p in found} == set(PAGES)


def test_every_estimator_has_its_papers_and_a_place_in_the_guide(repository):
    papers = (repository / "doc" / "from_paper_to_class.rst").read_text()
    guides = "".join(
        path.read_text() for path in (repository / "doc" / "user_guide").glob("*.rst")
    )
    for name, cls in all_estimators():
        family = cls.__module__.rpartition(".")[0]
        assert f":class:`{family}.{name}`" in papers, name
        assert f":class:`{name}`" in guides, name


def test_api_lists_what_is_public_once(extension):
    sections = extension("api_page").sections()
    listed = [getattr(module, name) for module, names in sections for name in names]
    assert len({id(value) for value in listed}) == len(listed)
    users = [*all_estimators(), *all_displays()]
    users += [
        (name, function)
        for name, function in all_functions()
        if not function.__module__.startswith(("sparsestat.optim.", "sparsestat.utils"))
    ]
    assert not {name for name, value in users if not any(value is v for v in listed)}


def test_api_page_of_a_class_names_its_methods(extension):
    from sparsestat import linear_model

    page = extension("api_page").page(linear_model, "Lasso")
    assert ".. automethod:: fit\n" in page
    assert ".. automethod:: score" not in page
    assert "``score``" in page


@pytest.mark.parametrize(
    "text, link",
    [
        (
            "Yuan (2006), doi:10.1111/j.1.x; see",
            "Yuan (2006), :doi:`10.1111/j.1.x`; see",
        ),
        ("as doi:10.1016/0005(75)90109-9.", "as :doi:`10.1016/0005(75)90109-9`."),
        ("(arXiv:1505.03410)", "(:arxiv:`1505.03410`)"),
        (":doi:`10.1214/08-AOS620`", ":doi:`10.1214/08-AOS620`"),
    ],
)
def test_papers_become_links(extension, text, link):
    pytest.importorskip("sphinx")
    lines = [text]
    extension("links").link_papers(None, "class", "x", None, {}, lines)
    assert lines == [link]


def path_case(times, met=("ours", "rival"), loose=None):
    """A path in the shape of a report, with a time for each of two solvers."""
    names = {"ours": "sparsestat", "rival": "celer"}
    rows = {
        key: [
            {"target": 1e-3, "best": (loose or times)[key], "met": True},
            {"target": 1e-6, "best": times[key], "met": key in met},
        ]
        for key in names
    }
    return {
        "kind": "path",
        "title": "Wide",
        "targets": [1e-3, 1e-6],
        "peers": {
            names[key]: {"name": names[key], "results": rows[key]} for key in names
        },
    }


@pytest.mark.parametrize(
    "case, expected",
    [
        (path_case({"ours": 1.0, "rival": 2.0}), ["is the fastest"]),
        (
            path_case({"ours": 2.0, "rival": 1.0}),
            ["**A peer is faster** at the target", "At looser gaps"],
        ),
        (
            path_case({"ours": 1.0, "rival": 2.0}, loose={"ours": 0.9, "rival": 0.1}),
            ["is the fastest", "in A at 0.001 celer takes 100 ms"],
        ),
        (
            path_case({"ours": 1.0, "rival": 2.0}, met=["rival"]),
            ["**sparsestat misses the target** in A", "sparsestat did not reach"],
        ),
        (path_case({"ours": 1.0, "rival": 2.0}, met=["ours"]), ["celer did not reach"]),
    ],
)
def test_reading_of_benchmarks_tells_losses(extension, case, expected):
    page = extension("benchmark_page")
    read = "\n".join(page.reading({"A": case}))
    assert [text for text in expected if text not in read] == []
    if "fastest" not in "".join(expected):
        assert "is the fastest" not in read


def test_summary_of_benchmarks_compares_with_the_fastest_peer(extension):
    page = extension("benchmark_page")
    cells = page.summary("A", path_case({"ours": 1.0, "rival": 2.5}))
    assert cells[2:] == ["1.00 s", "celer 2.50 s", "2.50"]
    cells = page.summary("A", path_case({"ours": 1.0, "rival": 2.5}, met=["rival"]))
    assert cells[2:] == ["not reached", "celer 2.50 s", ""]
