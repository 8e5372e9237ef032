"""``pyg-gears simulate``: synthetic tissue with hidden truth, or pseudo-spots of a real section of single cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pyg_gears.cli.read_options import OPTIONS, read_options

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions

INVENTED = ("tissue", "slides", "cells")
POOLED = ("grid", "core", "min_cells", "shift", "halves", *OPTIONS)


@click.command(short_help="Simulated slides and cells, to try everything out.")
@click.option("--out", required=True, type=click.Path(), metavar="FOLDER", help="Folder to write into.")
@click.option(
    "--tissue", default="lobules", type=click.Choice(["lobules", "layers", "gradient"]), help="Pattern of the tissue."
)
@click.option("--slides", default=3, type=click.IntRange(1), help="Number of slides.")
@click.option("--cells", default=2000, type=click.IntRange(1), help="Number of dissociated cells.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Same seed, same tissue (with --halves: same halves).")
@click.option(
    "--from",
    "sources",
    multiple=True,
    metavar="[NAME=]CELLS.h5ad",
    help="Section of single cells to pool into pseudo-spots, instead of a simulated tissue.",
)
@click.option("--grid", default="30", metavar="N | NxM", help="Bins over the section, along both axes or along each.")
@click.option(
    "--core",
    default=0.7,
    type=click.FloatRange(0, 1, min_open=True),
    help="Side of a spot as a share of its bin's; cells outside belong to no spot.",
)
@click.option("--min-cells", default=2, type=click.IntRange(1), help="Minimum number of cells in a spot.")
@click.option(
    "--shift", default=0.0, type=click.FloatRange(0, 1, max_open=True), help="Share of a bin to move the grid by."
)
@click.option(
    "--halves", is_flag=True, help="Pool one random half of the cells, and write the other half to be placed."
)
@read_options(spatial=True)
@click.pass_context
def simulate(
    context: click.Context,
    out: str,
    tissue: str,
    slides: int,
    cells: int,
    seed: int,
    sources: tuple[str, ...],
    grid: str,
    core: float,
    min_cells: int,
    shift: float,
    halves: bool,
    reading: ReadOptions,
) -> None:
    """Write slides and cells whose true positions are in obsm["spatial_true"]: slide_0.h5ad ... and cells.h5ad.

    With --from, the tissue is real: its cells are pooled on a grid into NAME_spots.h5ad, and written to NAME_cells.h5ad.
    """
    _refuse_without_effect(context, pooling=bool(sources))
    if sources:
        from pyg_gears.data import write_pseudo_spots

        paths = write_pseudo_spots(
            out,
            sources,
            grid=read_grid(grid),
            core=core,
            min_cells=min_cells,
            shift=shift,
            halves=halves,
            seed=seed,
            reading=reading,
        )
        click.echo(f"wrote {', '.join(path.name for path in paths)} to {out}")
        return
    from pyg_gears.data import write_simulation

    write_simulation(out, tissue=tissue, slides=slides, cells=cells, seed=seed)
    click.echo(f"wrote {slides} slides and {cells} cells to {out}")


def read_grid(text: str) -> int | tuple[int, int]:
    """Bins from ``30`` or ``20x10`` (columns x rows).

    Raises:
        InputError: for anything else.
    """
    from pyg_gears.errors import expect

    parts = text.split("x")
    expect(
        len(parts) <= 2 and all(part.isdecimal() and int(part) > 0 for part in parts),
        f"expected --grid like 30 or 20x10 (columns x rows), found {text!r}; write one of the two.",
    )
    return int(parts[0]) if len(parts) == 1 else (int(parts[0]), int(parts[1]))


def _refuse_without_effect(context: click.Context, *, pooling: bool) -> None:
    from pyg_gears.errors import expect

    given: Any = click.core.ParameterSource.COMMANDLINE
    idle = [name for name in (INVENTED if pooling else POOLED) if context.get_parameter_source(name) is given]
    if pooling and context.get_parameter_source("seed") is given and not context.params["halves"]:
        idle.append("seed")
    words = ", ".join(f"--{name.replace('_', '-')}" for name in idle)
    expect(
        not idle,
        f"expected options that have an effect {'with' if pooling else 'without'} --from, found {words}; leave them out.",
    )
