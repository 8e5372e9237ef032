"""``pyg-gears report``: a layout as one interactive HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyg_gears.cli.read_options import layout_and_references, read_options, reference_option
from pyg_gears.errors import expect

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions


@click.command(short_help="A page that shows a layout in a browser.")
@click.argument("files", nargs=-1, required=True, metavar="LAYOUT.h5ad")
@click.option("--out", required=True, metavar="FILE", help="New file for the page (.html).")
@click.option(
    "--truth",
    default="spatial",
    metavar="KEY",
    help="True positions, shown if there are any: a name in obsm, or two columns of obs as x,y.",
)
@reference_option
@click.option("--gene", "genes", multiple=True, metavar="NAME", help="Gene to include on the page; repeatable.")
@click.option(
    "--seed", default=0, type=click.IntRange(0), help="Seed of sampled pairs and cells: same seed, same page."
)
@read_options(spatial=True)
def report(
    files: tuple[str, ...],
    out: str,
    truth: str,
    references: tuple[str, ...],
    genes: tuple[str, ...],
    seed: int,
    reading: ReadOptions,
) -> None:
    """Write an interactive page of a layout: genes, confidence, selection of cells, metrics. It needs no network."""
    ending = Path(out).suffix.lower() in (".html", ".htm")
    expect(ending, f"expected --out to end in .html, found {out}; a report is a page for a browser.")
    layout, slides = layout_and_references(files, references)
    from pyg_gears.report.page_file import plotly_source

    try:
        plotly_source()
    except ImportError as error:
        raise click.ClickException(str(error)) from None
    from pyg_gears.report.layout_page import write_layout_page

    write_layout_page(layout, out, truth_key=truth, references=slides, genes=genes, seed=seed, reading=reading)
    click.echo(f"wrote {out}: open it in a browser")
