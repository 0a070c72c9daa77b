"""Settings of the documentation: ``make doc``. Nothing here needs the network."""

import os
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The extensions of these pages, and the benchmarks that render their own tables.
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]
# Written pages must not depend on the number of cores of the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sparsestat

project = "sparsestat"
author = "The sparsestat developers"
copyright = author
version = release = sparsestat.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "api_page",
    "benchmark_page",
    "links",
    "mathml",
]
exclude_patterns = ["_build", "benchmarks/*", "dev"]
# numpydoc gives every reference of a docstring a label, cited there or not.
suppress_warnings = ["ref.citation"]
default_role = "literal"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
extlinks = {
    "doi": ("https://doi.org/%s", "doi:%s"),
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
}
autodoc_typehints = "none"
autosummary_generate = False
numpydoc_show_class_members = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True
plot_formats = [("png", 160)]
plot_rcparams = {"figure.figsize": (7.2, 4.0), "font.size": 10}
plot_apply_rcparams = True

# matplotlib has no display here, which plt.show() remarks.
warnings.filterwarnings("ignore", message=".*non-interactive.*")
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "ignore_pattern": r"demo\.py|__init__\.py",
    "reset_modules": ("matplotlib",),
    "doc_module": ("sparsestat",),
    "backreferences_dir": "api/generated/backreferences",
    "reference_url": {"sparsestat": None},
    "image_srcset": ["2x"],
    "min_reported_time": 1,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "download_all_examples": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "sparsestat"
html_static_path = ["_static"]
html_css_files = ["sparsestat.css"]
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {
        "text": "sparsestat",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo-dark.svg",
    },
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "show_prev_next": False,
    "secondary_sidebar_items": {
        "auto_examples/plot*": ["page-toc", "sg_download_links"],
        "[!ai]**": ["page-toc"],
        "install": ["page-toc"],
        "api/**": ["page-toc"],
    },
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
# Pages without a section of their own need no list of siblings.
html_sidebars = {
    name: []
    for name in (
        "index",
        "install",
        "tour",
        "benchmarks",
        "from_paper_to_class",
        "contributing",
        "changelog",
    )
}
