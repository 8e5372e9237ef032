"""``pyg-gears lab experiment``: a named grid over the recipe, resumable; a table, verdicts and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyg_gears.cli.preset_name import PresetName
from pyg_gears.cli.read_options import read_options

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions


@click.command(short_help="Variants of the method side by side.")
@click.argument("name", required=False)
@click.argument("slides", nargs=-1, metavar="[NAME=]SLIDE.h5ad...")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="New folder, or one to resume.")
@click.option("--list", "show", is_flag=True, help="List the experiments: question, variants, criteria.")
@click.option(
    "--seeds", metavar="N | S,S,...", help="Number of seeds (0, 1, ...), or the seeds; default: the experiment's."
)
@click.option(
    "--folds", default="all", metavar="NAME,NAME | all", help="Slides to hold out in turn (names or file stems)."
)
@click.option(
    "--unseen",
    multiple=True,
    metavar="[NAME=]SLIDE.h5ad",
    help="A slide kept out of every fold, on which every model is also measured; repeatable.",
)
@click.option(
    "--protocol",
    default="inductive",
    type=click.Choice(["inductive", "transductive", "both"]),
    help="Whether the encoder is fitted without or with the expression of the held-out slide.",
)
@click.option("--preset", default="standard", type=PresetName(), help="Base recipe.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One field of the base recipe, e.g. graph.k=80."
)
@click.option("--processes", default=1, type=click.IntRange(1), help="Runs in parallel, one thread each.")
@click.option("--device", default="cpu", metavar="DEVICE", help="Where models are trained: auto, cpu or cuda.")
@read_options(spatial=True)
def experiment(
    name: str | None,
    slides: tuple[str, ...],
    out: Path | None,
    show: bool,
    seeds: str | None,
    folds: str,
    unseen: tuple[str, ...],
    protocol: str,
    preset: str,
    assignments: tuple[str, ...],
    processes: int,
    device: str,
    reading: ReadOptions,
) -> None:
    """Train and measure the variants of an experiment on every fold with every seed; a stopped call resumes when repeated."""
    from pyg_gears.errors import expect
    from pyg_gears.lab.experiments.catalogue import describe_catalogue, find_experiment

    if show:
        click.echo(describe_catalogue(), nl=False)
        return
    expect(
        name is not None,
        "expected the name of an experiment, found none; `pyg-gears lab experiment --list` names them.",
    )
    assert name is not None
    chosen = find_experiment(name)
    expect(out is not None, "expected --out DIR, found none; name a folder for table, figure and runs.")
    assert out is not None
    from pyg_gears.configuration import parse_assignments
    from pyg_gears.data.writable_folder import check_writable_folder
    from pyg_gears.training.recipe import Recipe

    check_writable_folder(out)
    fields = parse_assignments(assignments)
    recipe = Recipe.preset(preset).change(fields)
    chosen.refuse_varied(fields)
    chosen.refuse_preset(preset)
    chosen.recipes(recipe)
    numbers = read_seeds(seeds)
    from pyg_gears.data.io.checked_files import read_files

    read = read_files(slides, options=reading).slides
    kept_back = read_files(unseen, options=reading).slides if unseen else ()
    from pyg_gears.data.folder_lock import locked_folder
    from pyg_gears.data.leftovers import remove_parts
    from pyg_gears.lab.experiments.experiment import PROTOCOLS
    from pyg_gears.lab.experiments.runner import run_experiment

    with locked_folder(out):
        remove_parts(out)
        output = run_experiment(
            chosen,
            read,
            out,
            unseen=kept_back,
            recipe=recipe,
            seeds=numbers,
            protocols=[one for one in PROTOCOLS if protocol in (one, "both")],
            folds=None if folds == "all" else [fold for fold in folds.split(",") if fold],
            processes=processes,
            device=device,
        )
    click.echo(output.table)
    click.echo(f"wrote {out}")


def read_seeds(text: str | None) -> list[int] | None:
    """Seeds from ``3`` (0, 1 and 2) or ``0,5``; None for the experiment's own.

    Raises:
        InputError: for anything else.
    """
    if text is None:
        return None
    from pyg_gears.errors import expect

    parts = text.replace(" ", "").rstrip(",").split(",")
    expect(
        all(part.isdecimal() for part in parts) and text.strip() != "0",
        f"expected --seeds like 3 (seeds 0, 1 and 2) or 0,5 (these seeds), found {text!r}; write one of the two.",
    )
    return [int(part) for part in parts] if "," in text else list(range(int(parts[0])))
