"""Sphinx configuration: pages in Markdown, tutorials executed, warnings are errors (``make docs``)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "extensions"))
# Notebook kernels are processes of their own and inherit this.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two tutorials run at a time

import pyg_gears  # noqa: E402

project = "pyg_gears"
author = "the pyg_gears contributors"
version = release = pyg_gears.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "myst_nb",
    "generated_pages",  # ours: API pages, recipe fields, figures of the concepts
]
templates_path: list[str] = []
exclude_patterns = ["_build", "extensions", "conf.py", "jupyter_execute"]

# API pages.
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # attributes are described once, where autodoc finds them
napoleon_custom_sections = ["Source", ("Memory and time", "notes_style")]

# Every reference of ours must lead somewhere; those to other packages have no inventory without a network.
nitpicky = True
suppress_warnings = ["ref.python"]  # two targets of one bare name in a signature: either is right
nitpick_ignore_regex = [(r"py:.*", r"(?!pyg_gears).*")]

# Pages and tutorials.
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_timeout = 1200  # of a cell, on the clock of a busy machine
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress bars of libraries; an error stops the build all the same

html_theme = "sphinx_book_theme"
html_title = f"pyg_gears {release}"
html_static_path = ["static"]
html_css_files = ["narrow.css"]
html_theme_options = {"home_page_in_toc": True, "show_toc_level": 2, "use_download_button": False}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
