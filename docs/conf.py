"""The site's settings: `make docs` builds it into docs/_build/html."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

# What runs on a page prints as in a plain terminal of this width, which shows no progress (a
# variable of Rich's; the kernel sets TERM itself).
os.environ |= {"NO_COLOR": "1", "COLUMNS": "88", "MPLBACKEND": "Agg", "TTY_INTERACTIVE": "0"}
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

from bayes_mlm import __version__  # noqa: E402

project = "bayes_mlm"
author = "The bayes_mlm authors"
copyright = "the bayes_mlm authors"  # noqa: A001
version = release = __version__

extensions = [
    "myst_nb",  # Markdown, and code that runs when the page is built
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "mathml",
    "numpydoc",
    "sphinx_design",
    "sphinx_copybutton",
    "figure_gallery",
    "notebook_pages",
    "command_reference",
]
exclude_patterns = ["_build", "extensions", "templates"]
templates_path = ["templates"]

# Of pages that are not run.
suppress_warnings = ["myst-nb.lexer"]
# Code on pages: run anew by every build, which ends at an error. With DOCS_RUN=off nothing is run
# and no figure of the gallery drawn: every page, docstring and reference is read, in half a minute.
nb_execution_mode = os.environ.get("DOCS_RUN", "force")
nb_execution_excludepatterns = ["notebooks/*"]  # run and checked by the tests
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # seconds a cell: a first one compiles, for minutes on a busy machine
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist", "attrs_inline"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "bayes_mlm"
html_context = {"default_mode": "auto"}  # else the theme warns at a first visit
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sourcelink = False
html_theme_options = {
    "show_nav_level": 1,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 7,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
