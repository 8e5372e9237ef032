"""One self-contained HTML file: text, style, programs and data; it asks for nothing from a network.

The page's content security policy forbids every request, and runs no script but the two that stand in it (named by their
hash): even a name that slipped through the escaping would not be executed. Plotly compiles its drawing commands, for which
the policy has to allow "unsafe-eval"; no text of the data goes there.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from pyg_gears.data.whole_file import whole_file
from pyg_gears.report.html_parts import json_text, text
from pyg_gears.typing import FilePath

MAX_BYTES = 24_000_000
"""Size of a page at most, for mail and browsers; the data are chosen to fit."""
SCRIPTS = ("unpack.js", "colours.js", "outline.js", "panel.js", "explorer.js", "genes.js", "controls.js", "charts.js")
HINT = "A page needs plotly: pip install 'pyg-gears[report]'"


def plotly_source() -> str:
    """The plotting library that goes into every page.

    Raises:
        ImportError: without plotly.
    """
    try:
        import plotly
    except ImportError as error:
        raise ImportError(HINT) from error
    return (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def page_html(
    title: str, body: str, *, cells: Mapping[str, Any] | None = None, charts: Mapping[str, Any] | None = None
) -> str:
    """Put a page together.

    Args:
        title: Title of the window, as text.
        body: Content as HTML, made with :mod:`~pyg_gears.report.html_parts`.
        cells: Data of the scatter (:func:`~pyg_gears.report.explorer.explorer_data`), if the body has one.
        charts: Name -> traces and layout for plotly, for the places that the body has for them.

    Raises:
        ImportError: without plotly.
    """
    programs = "\n".join(asset(name) for name in SCRIPTS)
    own = f'(() => {{\n"use strict";\n{programs}\nstart();\n}})();'
    library = plotly_source()
    return Template(asset("page.html")).substitute(
        title=text(title),
        policy=f"default-src 'none'; script-src {_hash(library)} {_hash(own)} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'",
        style=asset("style.css"),
        body=body,
        cells=json_text(cells),
        charts=json_text(charts or {}),
        library=library,
        own=own,
    )


def write_page(path: FilePath, html: str) -> None:
    """Write a page, whole or not at all."""
    with whole_file(path) as part:
        part.write_text(html, encoding="utf-8", newline="\n")


def asset(name: str) -> str:
    """A file of the folder ``page``."""
    return files("pyg_gears.report").joinpath("page", name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
