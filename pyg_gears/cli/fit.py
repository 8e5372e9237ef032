"""``pyg-gears fit``: slides in, model folder out."""

from __future__ import annotations

import shutil
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyg_gears.cli.preset_name import PresetName
from pyg_gears.cli.read_options import read_options
from pyg_gears.errors import InputError, expect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyg_gears.data import Slide
    from pyg_gears.data.io.read_options import ReadOptions
    from pyg_gears.fitted_gears import FittedGears


PRESET_HELP = (
    "How much is computed. quick: minutes; standard: four times as long, a little better; thorough: the mean of three "
    "such models, no better where it was measured; the others are for comparisons (docs/recipe.md)."
)


@click.command(short_help="Learn a model from slides.")
@click.argument("slides", nargs=-1, required=True, metavar="[NAME=]SLIDE.h5ad...")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FOLDER", help="New folder for the model."
)
@click.option(
    "--cells",
    metavar="CELLS.h5ad",
    help="Cells to lay out later, if you have them: the fit uses only genes that they have, and their expression too.",
)
@click.option(
    "--validate",
    metavar="NAME",
    help="Slide held out in the first round, to calibrate confidence: its file's name without .h5ad, as fit prints it. "
    "Default: the last of three or more, else a block of each. The second round trains on all slides.",
)
@click.option("--preset", default="standard", type=PresetName(), help=PRESET_HELP)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Recipe fields as YAML; docs/recipe.md lists them.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="One recipe field, e.g. training.seed=1; repeatable.",
)
@click.option("--device", default="auto", metavar="DEVICE", help="Where networks are trained: auto, cpu or cuda.")
@click.option("--resume", is_flag=True, help="Continue a fit that was stopped: repeat its command with this option.")
@read_options(spatial=True)
def fit(
    slides: tuple[str, ...],
    out: Path,
    cells: str | None,
    validate: str | None,
    preset: str,
    config: Path | None,
    assignments: tuple[str, ...],
    device: str,
    resume: bool,
    reading: ReadOptions,
) -> None:
    """Learn from slides how expression relates to position, and write a model folder.

    A slide is an .h5ad with raw counts in X and positions in obsm["spatial"], a Space Ranger folder, or another format of
    docs/files.md. NAME=path gives it another name than its file's; slides that share one are
    told apart by their folders. One slide is enough; three or more are better.

    Started by torchrun or srun, several processes train each model together (training.devices); see docs/cluster.md.
    """
    from pyg_gears.cli.stopping import advise
    from pyg_gears.configuration import parse_assignments
    from pyg_gears.data.folder_lock import locked_folder
    from pyg_gears.data.leftovers import remove_parts
    from pyg_gears.data.whole_file import whole_file
    from pyg_gears.devices import check_device_name, meet_processes
    from pyg_gears.ranks import by_first
    from pyg_gears.training.recipe import Recipe

    check_device_name(device)
    ranks = meet_processes(device)
    by_first(lambda: _check_output(out, resume))
    recipe = Recipe.preset(preset).change(_read_config(config)).change(parse_assignments(assignments))
    if ranks.count > 1:
        from pyg_gears.training.dealt_minisets import check_devices

        check_devices(recipe)  # before anything is read
    work = out / "work"

    def read_files() -> tuple[list[Slide], Slide | None, int]:
        _check_output(out, resume)  # another run may have had it until now
        remove_parts(out)
        return _checked_slides(slides, cells, validate, recipe.training.seed, reading)

    # Of several processes the first one holds the folder, reads, writes and speaks.
    with locked_folder(out) if ranks.first else nullcontext():
        read, query, given = by_first(read_files)
        if ranks.first:
            click.echo(_summary(read, query, given, validate, preset), err=True)  # as the lines of progress

        from pyg_gears.gears import Gears
        from pyg_gears.report import fit_verdict

        advise(lambda: "run the same command again" + (" with --resume" if work.is_dir() and not resume else ""))
        from pyg_gears.training.structure_module import TrainingDiverged

        try:
            fitted = Gears(recipe).fit(read, query, validate=validate, work_dir=work, device=device)
        except TrainingDiverged as error:
            raise InputError(
                f"expected a training that converges, found that {str(error).partition(';')[0]}; lower training.lr or the loss "
                "weights and fit into a new folder."
            ) from error
        if not ranks.first:
            return
        for number in range(recipe.training.members):
            with whole_file(out / f"training_{number}.csv") as part:
                shutil.copyfile(work / f"member_{number}" / "log.csv", part)
        fitted.save(out)
        page = _write_page(out, fitted, read)
        shutil.rmtree(work)  # last of all: as long as it is there, the fit can be resumed
    click.echo(f"wrote {out}: {fit_verdict(fitted.report)}")
    click.echo("(A rank correlation of 1 is perfect, 0 is chance. E_geo is an error of the geometry, lower is better.)")
    click.echo(page)


def _checked_slides(
    slides: Sequence[str], cells: str | None, validate: str | None, seed: int, reading: ReadOptions
) -> tuple[list[Slide], Slide | None, int]:
    """Slides, the cells that join the fit, and how many cells their file has; all that can be refused before the fit is."""
    from pyg_gears.data import shared_genes
    from pyg_gears.data.cell_differences import check_cells_differ
    from pyg_gears.data.gene_overlap import check_overlap
    from pyg_gears.data.io.checked_files import checked_files
    from pyg_gears.data.io.given import check_once
    from pyg_gears.data.slide import check_slide_names
    from pyg_gears.training.held_out import check_held_out

    check_once(slides)
    with checked_files(slides, cells, reading) as files:
        check_slide_names(files.names)
        check_held_out(files.names, validate)
        read, query = files(fit_seed=seed)
        given = 0 if files.cells is None else len(files.cells.cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said by the fit itself
        check_overlap(read if query is None else [*read, query])
    if query is not None:
        check_cells_differ(query.subset_genes(shared_genes([*read, query])))
    return list(read), query, given


def _summary(read: Sequence[Slide], query: Slide | None, given: int, validate: str | None, preset: str) -> str:
    """What was understood, before hours of work are spent on it."""
    from pyg_gears.training.held_out import held_out_block, held_out_slide

    chosen = held_out_slide([slide.name for slide in read], validate)
    shown = [f"{slide.name} ({len(slide)} spots{', held out' * (slide.name == chosen)})" for slide in read]
    more = [f"and {len(shown) - 8} more slides"] * (len(shown) > 8)
    files = [*read, *([] if query is None else [query])]
    genes = len(set(files[0].genes).intersection(*(file.genes for file in files)))
    joining = "" if query is None else f"{len(query)}{f' of {given}' * (len(query) < given)} cells; "
    return (
        f"fit on {', '.join([*shown[:8], *more])}{'' if chosen else f', {held_out_block(len(read))} held out'}; "
        f"{joining}{genes} genes that all have; preset {preset}"
    )


def _write_page(out: Path, fitted: FittedGears, slides: Sequence[Slide]) -> str:
    from pyg_gears.report.model_page import write_model_page

    try:
        return f"wrote {write_model_page(out, fitted, slides)}: open it in a browser"
    except ImportError as error:
        return f"wrote no page of the model. {error}"


def _check_output(out: Path, resume: bool) -> None:
    from pyg_gears.data.writable_folder import check_writable_folder

    check_writable_folder(out)
    if resume:
        # A model beside it was written just before the run was stopped.
        expect(
            (out / "work").is_dir(),
            f"expected a stopped fit in {out}, found {'a finished model' if (out / 'model.pt').exists() else 'none'}; "
            "leave out --resume and choose a new folder.",
        )
        return
    expect(
        not out.exists() or (out.is_dir() and not any(out.iterdir())),
        f"expected a new folder for --out, found {out} in use; choose another, or --resume a stopped fit.",
    )


def _read_config(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    import yaml

    expect(config.is_file(), f"expected a recipe file at {config}, found none; check the path.")
    try:
        fields = yaml.safe_load(config.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"expected YAML in {config}, found text that is not UTF-8 ({error}); correct the file."
        ) from None
    except yaml.YAMLError as error:
        problem, mark = (
            getattr(error, "problem", None) or str(error).splitlines()[0],
            getattr(error, "problem_mark", None),
        )
        where = "" if mark is None else f" in line {mark.line + 1}"
        raise InputError(
            f"expected YAML in {config}, found {problem.removeprefix('found ')}{where}; correct the file."
        ) from None
    expect(
        isinstance(fields, dict),
        f"expected 'key: value' lines in {config}, found {'nothing' if fields is None else type(fields).__name__}; correct "
        "the file.",
    )
    assert isinstance(fields, dict)
    return fields
