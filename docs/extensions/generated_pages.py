"""Pages and figures that are written before every build: one API page a room, the recipe's fields, figures, a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api_pages import write_api_pages, write_if_new
from benchmark_history import history_table
from concept_figures import write_concept_figures
from readable_signatures import named_bases, readable_signature, without_aliases
from recipe_fields import write_recipe_fields
from transfer_figures import write_transfer_figures


def write_all(app: Any) -> None:
    """Write what is generated; the targets are ignored by git."""
    docs = Path(app.srcdir)
    write_api_pages(docs / "api")
    write_recipe_fields(docs / "api" / "recipe_fields.md")
    write_if_new(docs / "api" / "benchmark_history.inc", history_table(docs / "benchmarks" / "HISTORY.jsonl"))
    write_concept_figures(docs / "figures")
    write_transfer_figures(docs / "figures")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", write_all)
    app.connect("autodoc-process-signature", readable_signature)
    app.connect("autodoc-process-bases", named_bases)
    app.connect("autodoc-skip-member", without_aliases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
