"""``pyg-gears lab targets``: diagnostics of the targets themselves, without any model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyg_gears.cli.lab.out_folder import out_folder
from pyg_gears.cli.read_options import read_options

if TYPE_CHECKING:
    from pyg_gears.data.io.read_options import ReadOptions


@click.command(short_help="Whether the training targets suffice.")
@click.argument("slides", nargs=-1, required=True, metavar="[NAME=]SLIDE.h5ad...")
@out_folder("New folder for numbers, tables, figures.")
@click.option(
    "--sizes",
    default="128,256",
    metavar="N,N,...",
    help="Sizes of the minisets in spots; one of each size from each slide.",
)
@click.option("--families", metavar="NAME,NAME", help="Families to recover, e.g. F2,F2+F4; default: all.")
@click.option("--minisets", default=40, type=click.IntRange(0), help="Minisets of mixed sizes from each slide.")
@click.option("--starts", default=3, type=click.IntRange(1), help="Random starts of every direct optimisation.")
@click.option("--steps", default=2000, type=click.IntRange(1), help="Adam steps of each start.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed of all draws.")
@read_options(spatial=True)
def targets(
    slides: tuple[str, ...],
    out: Path,
    sizes: str,
    families: str | None,
    minisets: int,
    starts: int,
    steps: int,
    seed: int,
    reading: ReadOptions,
) -> None:
    """Report whether targets are invariant, stable, informative, free of lattice artefacts, and enough to recover coordinates."""
    from pyg_gears.errors import expect
    from pyg_gears.lab.targets.laboratory import target_laboratory

    words = [word.strip() for word in sizes.split(",") if word.strip()]
    expect(
        all(word.isdecimal() for word in words),
        f"expected --sizes like 128,256, found {sizes!r}; write numbers of spots.",
    )
    target_laboratory(
        slides,
        out,
        sizes=[int(word) for word in words],
        families=None if families is None else [name.strip() for name in families.split(",") if name.strip()],
        many=minisets,
        starts=starts,
        steps=steps,
        seed=seed,
        reading=reading,
    )
    click.echo((out / "report.txt").read_text(encoding="utf-8"))
    click.echo(f"wrote {out}")
