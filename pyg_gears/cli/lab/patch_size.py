"""``pyg-gears lab patch-size``: one model and its cells, laid out with patches of several sizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyg_gears.cli.lab.out_folder import out_folder
from pyg_gears.cli.read_options import read_options

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions


@click.command("patch-size", short_help="Quality by patch size.")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL_DIR")
@click.argument("section", metavar="SECTION.h5ad")
@out_folder("New folder for table and figure.")
@click.option(
    "--sizes", default="64,128,256,512,1024,whole", metavar="N,N,...", help="Cells per patch; 'whole' for all at once."
)
@click.option("--sample", type=click.IntRange(30), help="Cells to use, drawn by the seed. Default: all.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed of the sample and of every layout.")
@read_options(spatial=True)
def patch_size(
    model: Path, section: str, out: Path, sizes: str, sample: int | None, seed: int, reading: ReadOptions
) -> None:
    """Report six metrics, the disagreement of patches and the stress of the solve by patch size.

    SECTION.h5ad holds cells and their true places, which the model does not read.
    """
    from pyg_gears.data import read_slide
    from pyg_gears.errors import expect
    from pyg_gears.report.report_folder import check_report_folder
    from pyg_gears.training.model_folder import model_file

    words = [word.strip() for word in sizes.split(",")]
    expect(
        all(word == "whole" or word.isdecimal() for word in words),
        f"expected --sizes like 64,256,whole, found {sizes!r}; write numbers of cells with commas between.",
    )
    check_report_folder(out)
    model_file(model)
    cells = read_slide(section, reading)

    from pyg_gears import load
    from pyg_gears.lab.benchmark import patch_size_study

    assert cells.pos is not None
    numbers = [None if word == "whole" else int(word) for word in words]
    patch_size_study(load(model), cells, cells.pos, numbers, out, sample=sample, seed=seed)
    click.echo((out / "table.txt").read_text(encoding="utf-8"))
    click.echo(f"wrote {out}")
