"""``pyg-gears transfer``: the shapes of one picture or graph at matching places of another."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Put shapes of one picture at matching places of another.")
@click.argument("target", type=click.Path(path_type=Path), metavar="TARGET")
@click.argument("sample", type=click.Path(path_type=Path), metavar="SAMPLE")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="New file: .png, .jpg, .npz or .pt."
)
@click.option(
    "--passes",
    default="c",
    metavar="LETTERS",
    help="One letter per pass: c takes the sample's shapes, s the target's own.",
)
@click.option(
    "--strategy",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="One choice, e.g. rotation=curve; repeatable. docs/transfer.md lists them.",
)
def transfer(target: Path, sample: Path, out: Path, passes: str, assignments: tuple[str, ...]) -> None:
    """Place the shapes found on SAMPLE at matching places of TARGET (.png, .jpg, .npz, or a PyG Data as .pt)."""
    from pyg_gears.data import check_output
    from pyg_gears.data.whole_file import whole_file
    from pyg_gears.transfer import Strategy
    from pyg_gears.transfer import transfer as run
    from pyg_gears.transfer.graph_files import check_kind, read_graph, write_graph

    strategy = Strategy.parse(assignments)
    check_kind(out)
    check_output(out)
    try:
        goal, source = read_graph(target), read_graph(sample)
    except ImportError as error:
        raise click.ClickException(str(error)) from None
    check_kind(out, goal)
    found = run(goal, source, strategy, passes=passes)
    with whole_file(out) as part:
        write_graph(part, goal, found.signal)
    aligned = f"{found.alignment.rank} of {strategy.k} directions aligned"
    click.echo(f"wrote {out}: {len(found.fragments)} fragments placed in the last pass, {aligned}")
