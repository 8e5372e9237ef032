"""``pyg-gears lab batch-effect``: how far slides differ, and the effect of corrections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyg_gears.cli.lab.out_folder import out_folder
from pyg_gears.cli.read_options import read_options

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions


@click.command("batch-effect", short_help="How far slides differ in expression.")
@click.argument("slides", nargs=-1, required=True, metavar="[NAME=]SLIDE.h5ad...")
@click.option("--cells", metavar="CELLS.h5ad", help="Dissociated cells to compare with the spots.")
@click.option("--model", type=click.Path(path_type=Path), metavar="MODEL_DIR", help="Fitted model to compare as well.")
@click.option(
    "--held-out",
    multiple=True,
    metavar="NAME",
    help="Slide left out of every fit (its name or file's stem); repeatable. Default: each in turn.",
)
@click.option(
    "--gene-sets", type=click.Path(path_type=Path), metavar="FILE", help="Programmes to follow (.gmt or .json)."
)
@click.option("--harmony", is_flag=True, help="Also compare Harmony (needs harmonypy).")
@click.option(
    "--learned", is_flag=True, help="Also compare the learned encoder, without and with CORAL and MMD in its training."
)
@out_folder("New folder for numbers, table and figures.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed of all draws.")
@read_options(spatial=True)
def batch_effect(
    slides: tuple[str, ...],
    cells: str | None,
    model: Path | None,
    held_out: tuple[str, ...],
    gene_sets: Path | None,
    harmony: bool,
    learned: bool,
    out: Path,
    seed: int,
    reading: ReadOptions,
) -> None:
    """Report how far slides differ in expression and in each embedding, also on slides that the fit has not seen."""
    from pyg_gears.lab.encoders.batch_effect import batch_effect as run
    from pyg_gears.lab.encoders.batch_effect import check_batch_effect

    # `--held-out A B` gives the option A; B arrives among the slides.
    is_slide = [not held_out or _is_slide(word, slides[:place]) for place, word in enumerate(slides)]
    paths = tuple(word for word, slide in zip(slides, is_slide, strict=True) if slide)
    names = (*held_out, *(word for word, slide in zip(slides, is_slide, strict=True) if not slide))
    check_batch_effect(
        paths, out, cells, held_out=names, gene_sets=gene_sets, harmony=harmony, learned=learned, reading=reading
    )
    fitted = []
    if model is not None:
        from pyg_gears.training.model_folder import model_file

        model_file(model)
        from pyg_gears import load
        from pyg_gears.lab.encoders.comparison_rows import FittedRow

        found = load(model)
        fitted.append(FittedRow("model", found.encoder, found.seen))
    run(
        paths,
        out,
        cells,
        held_out=names,
        fitted=fitted,
        seed=seed,
        gene_sets=gene_sets,
        harmony=harmony,
        learned=learned,
        reading=reading,
    )
    click.echo((out / "report.txt").read_text(encoding="utf-8"))
    click.echo(f"wrote {out}")


def _is_slide(word: str, before: tuple[str, ...]) -> bool:
    """Whether a word is a slide: a file by its suffix, another path by its being there (and not for the second time)."""
    from pyg_gears.data.io.named_path import named_path

    return word.endswith(".h5ad") or (word not in before and named_path(word).path.exists())
