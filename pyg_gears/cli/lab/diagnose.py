"""``pyg-gears lab diagnose``: gate, attention and layouts of a fitted model on slides with known positions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyg_gears.cli.lab.out_folder import out_folder
from pyg_gears.cli.read_options import read_options

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions


@click.command(short_help="What a model attends to, and what its graph costs.")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL_DIR")
@click.argument("slides", nargs=-1, required=True, metavar="[NAME=]SLIDE.h5ad...")
@out_folder("New folder for numbers, tables, figures.")
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="SLIDE.h5ad",
    help="Training slide on which to fit simple rivals (training slides among SLIDE.h5ad... are always used).",
)
@click.option("--minisets", default=50, type=click.IntRange(1), help="Minisets drawn from each slide.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed of all draws.")
@click.option("--device", default="auto", metavar="DEVICE", help="Where the models run: auto, cpu or cuda.")
@read_options(spatial=True)
def diagnose(
    model: Path,
    slides: tuple[str, ...],
    out: Path,
    references: tuple[str, ...],
    minisets: int,
    seed: int,
    device: str,
    reading: ReadOptions,
) -> None:
    """Report what attention and gate follow, the cost of the inferred graph, and whether the model is ready for more data."""
    from pyg_gears.lab.probes.diagnosis import check_diagnosis
    from pyg_gears.lab.probes.diagnosis import diagnose as run
    from pyg_gears.training.model_folder import model_file

    model_file(model)
    check_diagnosis(slides, out, minisets, reading=reading)

    from pyg_gears import load
    from pyg_gears.devices import find_device

    where, fitted = find_device(device), load(model)
    run(
        [member.to(where) for member in fitted.members],
        fitted.encoder,
        fitted.recipe,
        slides,
        out,
        candidates=fitted.candidates,
        seen=fitted.trained,
        validated=fitted.validated,
        references=references,
        minisets=minisets,
        seed=seed,
        reading=reading,
    )
    click.echo((out / "report.txt").read_text(encoding="utf-8"))
    click.echo(f"wrote {out}")
