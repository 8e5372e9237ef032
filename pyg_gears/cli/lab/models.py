"""``pyg-gears lab models``: every structure model under one budget; a table and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyg_gears.cli.lab.out_folder import out_folder
from pyg_gears.cli.preset_name import PresetName
from pyg_gears.cli.read_options import read_options

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions


@click.command(short_help="Structure models side by side.")
@click.argument("slides", nargs=-1, required=True, metavar="[NAME=]SLIDE.h5ad...")
@click.option("--validate", required=True, metavar="NAME", help="Slide among them that chooses each model's epoch.")
@click.option("--query", required=True, metavar="SLIDE.h5ad", help="Section with positions that no model sees.")
@out_folder("New folder, or one to resume.")
@click.option(
    "--models", metavar="KIND,KIND", help="Kinds of models; default: all. The coordinate MLP is always included."
)
@click.option(
    "--together",
    multiple=True,
    metavar="KIND+KIND",
    help="Kinds whose trained models also vote together in one layout; repeatable.",
)
@click.option(
    "--operators", is_flag=True, help="Also lay the query out by merged operators alone (operator_net, operator_vae)."
)
@click.option("--seeds", default="1", metavar="N | S,S,...", help="Number of seeds (0, 1, ...), or the seeds.")
@click.option("--samples", default=4, type=click.IntRange(2), help="Layouts drawn from a model that samples.")
@click.option("--preset", default="quick", type=PresetName(), help="Base recipe of all.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One field of the recipe, e.g. training.epochs=4."
)
@read_options(spatial=True)
def models(
    slides: tuple[str, ...],
    validate: str,
    query: str,
    out: Path,
    models: str | None,
    together: tuple[str, ...],
    operators: bool,
    seeds: str,
    samples: int,
    preset: str,
    assignments: tuple[str, ...],
    reading: ReadOptions,
) -> None:
    """Train each structure model on the same minisets for the same epochs and measure it; repeat a stopped call to resume it."""
    from pyg_gears.cli.lab.experiment import read_seeds
    from pyg_gears.configuration import parse_assignments
    from pyg_gears.data.writable_folder import check_writable_folder
    from pyg_gears.lab.models import bench_recipe, bench_tasks, combinations, contenders
    from pyg_gears.training.recipe import Recipe

    check_writable_folder(out)
    numbers = read_seeds(seeds)
    assert numbers is not None
    joint = [kind for kinds in combinations(together) for kind in kinds]
    kinds = contenders(None if models is None else [*(name for name in models.split(",") if name), *joint])
    bench_tasks(kinds, (), operators, numbers, out)  # refuses here what it would refuse after the slides were read
    recipe = bench_recipe(Recipe.preset(preset).change(parse_assignments(assignments)))
    from pyg_gears.data.folder_lock import locked_folder
    from pyg_gears.data.io.checked_files import read_files
    from pyg_gears.data.leftovers import remove_parts
    from pyg_gears.lab.models import run_bench

    read = read_files([*slides, query], options=reading).slides
    with locked_folder(out):
        remove_parts(out)
        found = run_bench(
            read[:-1],
            read[-1],
            out,
            validate=validate,
            models=kinds,
            together=together,
            operators=operators,
            recipe=recipe,
            seeds=numbers,
            samples=samples,
        )
    click.echo(found.table)
    click.echo(f"wrote {out}")
