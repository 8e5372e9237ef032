"""``pyg-gears simulate``: synthetic tissue with hidden truth."""

from __future__ import annotations

import click


@click.command()
@click.option("--out", required=True, type=click.Path(), help="Folder to write into.")
@click.option("--tissue", default="lobules", type=click.Choice(["lobules", "layers", "gradient"]), help="Pattern.")
@click.option("--slides", default=3, type=click.IntRange(1), help="Slides of spots.")
@click.option("--cells", default=2000, type=click.IntRange(1), help="Dissociated cells.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Same seed, same tissue.")
def simulate(out: str, tissue: str, slides: int, cells: int, seed: int) -> None:
    """Write slide_0.h5ad ... and cells.h5ad, whose true places are in obsm["spatial_true"]."""
    from pyg_gears.data import write_simulation

    write_simulation(out, tissue=tissue, slides=slides, cells=cells, seed=seed)
    click.echo(f"wrote {slides} slides and {cells} cells to {out}")
