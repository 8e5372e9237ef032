"""``pyg-gears evaluate``: how good a layout is, beside the simple rivals."""

from __future__ import annotations

import click

from pyg_gears.errors import expect


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="LAYOUT.h5ad")
@click.option("--truth", default="spatial", help="Field of obsm with the true positions.")
@click.option(
    "--reference", "references", multiple=True, metavar="SLIDE.h5ad ...", help="Training slides for the rivals."
)
@click.option("--json", "json_path", help="File for all numbers.")
@click.option("--figures", "figures_dir", help="Folder for figures.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed of sampled pairs.")
def evaluate(
    files: tuple[str, ...],
    truth: str,
    references: tuple[str, ...],
    json_path: str | None,
    figures_dir: str | None,
    seed: int,
) -> None:
    """Compare a layout with the truth, and with what ridge, kNN and spectral embeddings reach."""
    from pyg_gears.report import evaluate as run
    from pyg_gears.report import format_table

    # `--reference A B C` gives the option A; B and C arrive as files after the layout.
    layout, more = files[0], files[1:]
    expect(
        not more or bool(references),
        f"expected one layout, found {len(files)} files; name training slides after --reference.",
    )
    report = run(
        layout,
        truth_key=truth,
        references=(*references, *more),
        json_path=json_path,
        figures_dir=figures_dir,
        seed=seed,
    )
    click.echo(format_table(report))
