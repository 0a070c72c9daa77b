"""Configuration of the documentation."""

import os
import re
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from _pages import write_pages

from sparsestat import __version__

os.environ["MPLBACKEND"] = "agg"
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

project = "sparsestat"
author = "The sparsestat developers"
copyright = "the sparsestat developers"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "myst_parser",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/*.ipynb", "dev"]
autosummary_generate = True
extlinks = {
    "doi": ("https://doi.org/%s", "doi:%s"),
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
}
suppress_warnings = ["myst.header"]  # the title stands in the page that includes
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
templates_path = ["_templates"]

html_theme = "pydata_sphinx_theme"
html_title = "sparsestat"
html_static_path = ["_static"]
html_css_files = ["sparsestat.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_nav_level": 2,
    "navbar_align": "left",
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"__init__\.py|demo\.py",
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
    "plot_gallery": True,
}

write_pages(HERE)


def without_scikit_learn_prose(app, what, name, obj, options, lines):
    """Inherited docstrings refer to pages of scikit-learn that are not here."""
    inherited = getattr(obj, "__module__", "") or ""
    if what == "method" and not inherited.startswith("sparsestat"):
        text = "\n".join(lines)
        text = re.sub(r":ref:`([^<`]+?)\s*<[^>]+>`", r"\1", text)
        lines[:] = text.split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", without_scikit_learn_prose, priority=900)
