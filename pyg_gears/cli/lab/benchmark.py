"""``pyg-gears lab benchmark``: methods on the same cells, under a protocol that says what they may learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyg_gears.cli.lab.out_folder import out_folder
from pyg_gears.cli.read_options import read_options

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions


@click.command(short_help="Methods side by side on the same cells.")
@click.argument("sections", nargs=-1, required=True, metavar="[NAME=]SECTION.h5ad...")
@out_folder("New folder, or one to resume.")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    default=("disjoint-halves",),
    type=click.Choice(["same-cells", "disjoint-halves", "another-section", "two-to-third"]),
    help="What is learned from, and which cells are placed; repeatable.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    metavar="NAME",
    help="simple, soft_map, or a preset (quick, published_small, ...); repeatable. Default: simple, soft_map, quick.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="MODEL_DIR",
    help="Fitted model; repeatable.",
)
@click.option(
    "--rival", "rivals", multiple=True, metavar="NAME=FILE[:KEY]", help="Layout that another tool made; repeatable."
)
@click.option("--seeds", default="1", metavar="N | S,S,...", help="Number of seeds (0, 1, ...), or the seeds.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One field of the presets' recipes.")
@click.option("--grid", default="30", metavar="N | NxM", help="Bins over a section, along both axes or along each.")
@click.option(
    "--core", default=0.7, type=click.FloatRange(0, 1, min_open=True), help="Side of a spot as a share of its bin's."
)
@click.option("--min-cells", default=2, type=click.IntRange(1), help="Minimum number of cells in a spot.")
@click.option(
    "--shift", default=0.0, type=click.FloatRange(0, 1, max_open=True), help="Share of a bin to move the grid by."
)
@click.option("--no-pool", is_flag=True, help="The sections to learn from are spots already (last two protocols).")
@read_options(spatial=True)
@click.pass_context
def benchmark(
    context: click.Context,
    sections: tuple[str, ...],
    out: Path,
    protocols: tuple[str, ...],
    methods: tuple[str, ...],
    models: tuple[Path, ...],
    rivals: tuple[str, ...],
    seeds: str,
    assignments: tuple[str, ...],
    grid: str,
    core: float,
    min_cells: int,
    shift: float,
    no_pool: bool,
    reading: ReadOptions,
) -> None:
    """Compare methods on the same cells, scored by this package's definitions and by the published ones.

    same-cells and disjoint-halves use the first section; another-section learns from the first and places the second;
    two-to-third learns from two and places the third. A call that was stopped continues when it is repeated; existing
    layouts are not made again.
    """
    from pyg_gears.cli.lab.experiment import read_seeds
    from pyg_gears.cli.simulate import read_grid
    from pyg_gears.configuration import parse_assignments
    from pyg_gears.data.folder_lock import locked_folder
    from pyg_gears.data.io.checked_files import read_files
    from pyg_gears.data.leftovers import remove_parts
    from pyg_gears.data.writable_folder import check_writable_folder
    from pyg_gears.errors import expect

    given = click.core.ParameterSource.COMMANDLINE
    pooling_words = ("grid", "core", "min_cells", "shift")
    idle = [name for name in pooling_words if no_pool and context.get_parameter_source(name) is given]
    expect(
        not idle,
        f"expected no pooling with --no-pool, found --{', --'.join(idle).replace('_', '-')}; leave them out.",
    )
    check_writable_folder(out)
    bins, numbers = read_grid(grid), read_seeds(seeds)
    changes = parse_assignments(assignments)

    from pyg_gears.lab.benchmark import Pooling, RivalFile, find_methods, run_benchmark

    chosen = methods or (() if models or rivals else ("simple", "soft_map", "quick"))
    found = find_methods(chosen, models, changes) if chosen or models or changes else []
    files = [RivalFile(text) for text in rivals]
    read = read_files(sections, options=reading).slides
    assert numbers is not None
    with locked_folder(out):
        remove_parts(out)
        output = run_benchmark(
            read,
            out,
            methods=found,
            protocols=protocols,
            seeds=numbers,
            pooling=None if no_pool else Pooling(bins, core, min_cells, shift),
            rivals=files,
        )
    click.echo(output.table)
    click.echo(f"wrote {out}")
