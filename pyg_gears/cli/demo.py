"""``pyg-gears demo``: the whole workflow, from simulated slides to an evaluated layout and its page, in minutes."""

from __future__ import annotations

from pathlib import Path

import click

from pyg_gears.cli.evaluate import evaluate
from pyg_gears.cli.fit import fit
from pyg_gears.cli.reconstruct import reconstruct
from pyg_gears.cli.report import report
from pyg_gears.cli.simulate import simulate
from pyg_gears.errors import expect


@click.command(short_help="The whole workflow on simulated data, in minutes.")
@click.option(
    "--out", default="demo", type=click.Path(path_type=Path), metavar="FOLDER", help="New folder for everything."
)
@click.pass_context
def demo(context: click.Context, out: Path) -> None:
    """Simulate three slides and 1200 cells, then fit, reconstruct, evaluate, draw figures and write a page."""
    expect(not out.exists(), f"expected a new folder for --out, found {out} in use; choose another or remove it.")
    data, model, layout = out / "data", out / "model", out / "layout.h5ad"
    slides = tuple(str(data / f"slide_{number}.h5ad") for number in range(3))
    cells = str(data / "cells.h5ad")
    context.invoke(simulate, out=str(data), tissue="layers", slides=3, cells=1200, seed=0)
    context.invoke(fit, slides=slides, out=model, cells=cells, preset="quick")
    context.invoke(reconstruct, model=model, cells=cells, out=layout)
    context.invoke(
        evaluate,
        files=(str(layout),),
        truth="spatial_true",
        references=slides,
        json_path=str(out / "metrics.json"),
        figures_dir=str(out / "figures"),
    )
    page = out / "report.html"
    try:
        context.invoke(report, files=(str(layout),), truth="spatial_true", references=slides, out=str(page))
    except click.ClickException as error:  # plotly is an extra
        click.echo(f"wrote no page of the layout. {error.format_message()}")
    click.echo(f"look at {out / 'figures'}")
