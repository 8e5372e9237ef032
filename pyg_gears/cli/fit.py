"""``pyg-gears fit``: slides in, model folder out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyg_gears.errors import InputError, expect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyg_gears.data import Slide
    from pyg_gears.fitted_gears import FittedGears


@click.command()
@click.argument("slides", nargs=-1, required=True, metavar="SLIDE.h5ad...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@click.option("--cells", help="Cells whose expression joins the fit of the embedding (.h5ad).")
@click.option("--validate", metavar="NAME", help="Slide held out (its file's stem) for early stopping and confidence.")
@click.option(
    "--preset", default="standard", type=click.Choice(["quick", "standard", "thorough", "published"]), help="Recipe."
)
@click.option("--config", type=click.Path(path_type=Path), help="YAML file of recipe fields.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One recipe field, e.g. training.seed=1."
)
@click.option("--device", default="auto", metavar="DEVICE", help="Where networks are trained: auto, cpu or cuda.")
@click.option("--resume", is_flag=True, help="Go on with a fit that was stopped.")
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
) -> None:
    """Learn how expression relates to geometry from one or more slides."""
    from pyg_gears.configuration import parse_assignments
    from pyg_gears.data.checked_files import checked_files

    _check_output(out, resume)
    fields, changes = _read_config(config), parse_assignments(assignments)
    with checked_files(slides, cells) as read_files:
        from pyg_gears.training.recipe import Recipe

        recipe = Recipe.preset(preset).change(fields).change(changes)
        read, query = read_files()

    from pyg_gears.gears import Gears

    work = out / "work"
    fitted = Gears(recipe).fit(read, query, validate=validate, work_dir=work, device=device)
    fitted.save(out)
    for number in range(recipe.training.members):
        shutil.copy(work / f"member_{number}" / "log.csv", out / f"training_{number}.csv")
    shutil.rmtree(work)
    report = fitted.report
    click.echo(
        f"wrote {out}: E_geo on {', '.join(report['held_out'])} {report['h_gate']:.3f} with the inferred graph, "
        f"{report['t_edge']:.3f} with the true one"
    )
    _write_page(out, fitted, read)


def _write_page(out: Path, fitted: FittedGears, slides: Sequence[Slide]) -> None:
    from pyg_gears.report.model_page import write_model_page

    try:
        click.echo(f"wrote {write_model_page(out, fitted, slides)}: open it in a browser")
    except ImportError as error:
        click.echo(f"wrote no page of the model. {error}")


def _check_output(out: Path, resume: bool) -> None:
    if resume:
        expect(
            (out / "work").is_dir() and not (out / "model.pt").exists(),
            f"expected a stopped fit in {out}, found {'a finished model' if (out / 'model.pt').exists() else 'none'}; "
            "leave out --resume and choose a new folder.",
        )
        return
    expect(
        not out.exists() or (out.is_dir() and not any(out.iterdir())),
        f"expected a new folder for --out, found {out} in use; choose another, or --resume a stopped fit.",
    )
    existing = next(parent for parent in (out, *out.absolute().parents) if parent.exists())
    expect(
        existing.is_dir() and os.access(existing, os.W_OK),
        f"expected a place to write for --out, found {existing} not writable; choose another folder.",
    )


def _read_config(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    import yaml

    expect(config.is_file(), f"expected a recipe file at {config}, found none; check the path.")
    try:
        fields = yaml.safe_load(config.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"expected YAML in {config}, found {str(error).splitlines()[0]}; correct the file.") from None
    expect(
        isinstance(fields, dict),
        f"expected 'key: value' lines in {config}, found {type(fields).__name__}; correct the file.",
    )
    assert isinstance(fields, dict)
    return fields
