"""``pyg-gears evaluate``: the metrics of a layout and of the simple rivals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pyg_gears.cli.read_options import layout_and_references, read_options, reference_option

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions


@click.command(short_help="Compare a layout with the truth and simple rivals.")
@click.argument("files", nargs=-1, required=True, metavar="LAYOUT.h5ad")
@click.option(
    "--truth", default="spatial", metavar="KEY", help="True positions: a name in obsm, or two columns of obs as x,y."
)
@reference_option
@click.option(
    "--label-key",
    metavar="COLUMN",
    help="Column of obs with cell types, to compare communities with. Default: cell_type, label, cluster or the like.",
)
@click.option(
    "--community-neighbors",
    default=15,
    type=click.IntRange(1),
    help="Neighbours per cell for the communities that are compared with cell types.",
)
@click.option(
    "--community-resolution",
    default=0.2,
    type=click.FloatRange(0, min_open=True),
    help="Resolution of the communities; larger finds more.",
)
@click.option("--json", "json_path", metavar="FILE", help="New file for all numbers.")
@click.option("--figures", "figures_dir", metavar="FOLDER", help="New folder for figures.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed of sampled pairs: same seed, same numbers.")
@read_options(spatial=True)
def evaluate(
    files: tuple[str, ...],
    truth: str,
    references: tuple[str, ...],
    label_key: str | None,
    community_neighbors: int,
    community_resolution: float,
    json_path: str | None,
    figures_dir: str | None,
    seed: int,
    reading: ReadOptions,
) -> None:
    """Compare a layout with the true positions, where the file holds them, and with simple rivals.

    The rivals are ridge and kNN regressions on the slides after --reference, a spectral layout and t-SNE. Without true
    positions, only measures that need none are computed.
    """
    from pyg_gears.report import evaluate as run
    from pyg_gears.report import format_table

    layout, slides = layout_and_references(files, references)
    report = run(
        layout,
        truth_key=truth,
        references=slides,
        json_path=json_path,
        figures_dir=figures_dir,
        label_key=label_key,
        community_neighbors=community_neighbors,
        community_resolution=community_resolution,
        seed=seed,
        reading=reading,
    )
    click.echo(format_table(report))
