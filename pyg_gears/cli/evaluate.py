"""``pyg-gears evaluate``: the metrics of a layout and of the simple rivals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pyg_gears.cli.read_options import layout_and_references, read_options

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="LAYOUT.h5ad")
@click.option("--truth", default="spatial", help="Field of obsm with the true positions.")
@click.option(
    "--reference", "references", multiple=True, metavar="[NAME=]SLIDE.h5ad ...", help="Training slides for the rivals."
)
@click.option("--community-neighbors", default=15, type=click.IntRange(1), help="Neighbours per cell of communities.")
@click.option(
    "--community-resolution",
    default=0.2,
    type=click.FloatRange(0, min_open=True),
    help="Resolution of the communities; larger finds more.",
)
@click.option("--json", "json_path", help="File for all numbers.")
@click.option("--figures", "figures_dir", help="Folder for figures.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed of sampled pairs.")
@read_options(spatial=True)
def evaluate(
    files: tuple[str, ...],
    truth: str,
    references: tuple[str, ...],
    community_neighbors: int,
    community_resolution: float,
    json_path: str | None,
    figures_dir: str | None,
    seed: int,
    reading: ReadOptions,
) -> None:
    """Compare a layout with the truth, and with ridge, kNN and spectral layouts of the same cells."""
    from pyg_gears.report import evaluate as run
    from pyg_gears.report import format_table

    layout, slides = layout_and_references(files, references)
    report = run(
        layout,
        truth_key=truth,
        references=slides,
        json_path=json_path,
        figures_dir=figures_dir,
        community_neighbors=community_neighbors,
        community_resolution=community_resolution,
        seed=seed,
        reading=reading,
    )
    click.echo(format_table(report))
