"""Links that need no network to be made: to papers and to scikit-learn."""

import re

from docutils import nodes
from sphinx.application import Sphinx

# In docstrings papers are named as "doi:10.1214/..." and "arXiv:1611.05780".
_PAPER = re.compile(
    r"(?<![`:\w])(?P<kind>doi|arXiv):(?P<name>10\.\d+/[^\s,;]+[\w)]|\d{4}\.\d{4,5})"
)
_SKLEARN = "https://scikit-learn.org/stable/modules/generated"
_PYTHON_ROLES = {"class", "func", "meth", "obj", "attr", "mod", "exc", "data"}


def link_papers(app: Sphinx, what, name, value, options, lines: list[str]) -> None:
    """Turn the identifiers of papers in a docstring into links."""
    for i, line in enumerate(lines):
        lines[i] = _PAPER.sub(
            lambda found: f":{found['kind'].lower()}:`{found['name']}`", line
        )


def link_scikit_learn(app: Sphinx, env, node, content: nodes.Element):
    """Link ``sklearn.linear_model.Lasso`` by the rule of scikit-learn's addresses."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("sklearn."):
        return None
    if node.get("reftype") not in _PYTHON_ROLES:
        return None
    address = f"{_SKLEARN}/{target}.html"
    return nodes.reference("", "", content, internal=False, refuri=address)


def setup(app: Sphinx) -> dict:
    app.connect("autodoc-process-docstring", link_papers)
    app.connect("missing-reference", link_scikit_learn)
    return {"parallel_read_safe": True}
