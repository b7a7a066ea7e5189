"""How the documentation is built: ``sphinx-build -W docs build/docs``."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(Path(__file__).parent / "_ext"), str(ROOT)]

import fedrec  # noqa: E402  (the path comes first)

project = "fedrec"
author = "The fedrec authors"
copyright = "the fedrec authors, Apache-2.0"
release = version = fedrec.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "generated",  # docs/_ext: pages that are made from the code
]
exclude_patterns = ["_ext", "_static"]
nitpicky = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"fedrec {release}"
html_static_path = ["_static"]
html_css_files = ["fedrec.css"]
html_show_sphinx = False
html_copy_source = False  # pages are filled in while they are read
pygments_style = "friendly"
pygments_dark_style = "github-dark"
