"""``pyg-gears reconstruct``: model folder and cells in, layout out."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyg_gears.cli.read_options import read_options

if TYPE_CHECKING:
    from pyg_gears.data import Slide
    from pyg_gears.data.io.read_options import ReadOptions


@click.command(short_help="Lay out cells with a model.")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL_DIR")
@click.argument("cells", metavar="CELLS.h5ad")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="New file for the layout (.h5ad)."
)
@click.option(
    "--layout",
    "choices",
    default="default",
    type=click.Choice(["default", "published"]),
    help="Settings to start from, which --set changes: this package's, or those of the published system.",
)
@click.option(
    "--samples",
    default=1,
    type=click.IntRange(1),
    help="Predictions per model and patch, which are averaged; all but the first have noise.",
)
@click.option(
    "--patch-size",
    type=click.IntRange(8),
    help="Cells that are predicted at once.  [default: 256; with --layout published 192]",
    show_default=False,
)
@click.option("--seed", default=0, type=click.IntRange(0), help="Same seed, same layout.")
@click.option(
    "--adapt",
    default="auto",
    type=click.Choice(["auto", "none", "match"]),
    help="Whether the cells' expression is matched to the slides' spots. auto: where the two differ by depth alone.",
)
@click.option(
    "--paired",
    metavar="SPOTS.h5ad",
    help="Spots of the same tissue that are sums of these cells; the layout is corrected by them.",
)
@click.option("--device", default="auto", metavar="DEVICE", help="Where the models run: auto, cpu or cuda.")
@click.option("--max-memory", metavar="SIZE", help="Memory limit of the process, e.g. 8GB; refused if it is too low.")
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Scheduler of a Dask cluster whose workers predict the patches, e.g. tcp://host:8786.",
)
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One layout setting, e.g. fill=0.5; repeatable."
)
@read_options(spatial=False)
def reconstruct(
    model: Path,
    cells: str,
    out: Path,
    choices: str,
    samples: int,
    patch_size: int | None,
    seed: int,
    adapt: str,
    paired: str | None,
    device: str,
    max_memory: str | None,
    dask: str | None,
    assignments: tuple[str, ...],
    reading: ReadOptions,
) -> None:
    """Lay out cells by their expression, with a model that fit wrote; coordinates in the file, if any, are not read.

    Started by torchrun or srun, several processes share the prediction of patches; so do the workers of --dask.

    With --paired, a file of spots that are sums of these very cells, cells that are recognised in a spot are moved there.
    """
    from pyg_gears.configuration import parse_assignments
    from pyg_gears.data import check_output, read_cells, read_slide, write_layout
    from pyg_gears.data.folder_lock import locked_folder
    from pyg_gears.data.leftovers import remove_parts
    from pyg_gears.devices import check_device_name, meet_processes
    from pyg_gears.errors import expect
    from pyg_gears.layout.memory import memory_bytes
    from pyg_gears.layout.settings import LayoutSettings
    from pyg_gears.ranks import by_first
    from pyg_gears.training.model_folder import model_file
    from pyg_gears.training.model_genes import check_model_genes, model_genes

    def check_paths() -> None:
        expect(
            out.suffix.lower() == ".h5ad", f"expected --out to end in .h5ad, found {out}; a layout is an AnnData file."
        )
        model_file(model)
        check_output(out)

    check_device_name(device)
    if max_memory is not None:
        memory_bytes(max_memory)
    ranks = meet_processes(device)
    by_first(check_paths)
    settings = LayoutSettings.published() if choices == "published" else LayoutSettings()
    named = {"samples": samples} | ({} if patch_size is None else {"patch_size": patch_size})
    settings = settings.change(named).change(parse_assignments(assignments))

    def read_files() -> tuple[Slide, Slide | None]:
        check_output(out)  # another run may have written it until now
        remove_parts(kept)
        # A pair of cells and spots is compared in all genes that the two share.
        genes = model_genes(model_file(model)) if paired is None else None
        query = read_cells(cells, reading, genes=genes)
        if paired is None:
            return query, None
        check_model_genes(model_file(model), query)
        return query, read_slide(paired, reading)

    # A folder beside the output keeps other runs out and, inside, what a stopped one has finished.
    kept = out.with_name(f".{out.name}.shards")
    with ExitStack() as stack:
        if ranks.first:  # of several processes the first one reads, writes and speaks
            stack.enter_context(locked_folder(kept, temporary=True))
        if dask is not None:
            from pyg_gears.layout import on_dask

            stack.enter_context(on_dask(dask, device=device))
        query, spots = by_first(read_files)

        from pyg_gears import load

        fitted = by_first(lambda: load(model))
        prepared = fitted.prepare(query, settings=settings, seed=seed, adapt=adapt, paired=spots, max_memory=max_memory)
        del query  # the layout needs the room; what is written comes from the file
        found = fitted.lay_out(prepared, shard_dir=kept / "patches", device=device)
        del prepared
        if not ranks.first:
            return
        write_layout(
            out,
            cells,
            pos=found.pos,
            confidence=found.confidence,
            distances=found.layout.distances,
            info=fitted.describe(found, seed),
            at_last=lambda: shutil.rmtree(kept / "patches", ignore_errors=True),
        )
    unplaced = found.layout.report["unplaced"]
    placed = f"{len(found.pos)} cells" + (f", {unplaced} of them without a place" if unplaced else "")
    click.echo(f"wrote {out}: {placed}")
    click.echo(f"{found.verdict.use} {found.verdict.explanation}")
