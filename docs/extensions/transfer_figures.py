"""Pictures and the table of the page on structure transfer, made by the functions that the page names."""

from __future__ import annotations

from pathlib import Path

import torch
from api_pages import write_if_new
from matplotlib.figure import Figure

from pyg_gears.report.figure_style import bare, new_figure
from pyg_gears.transfer import (
    Strategy,
    TransferOutput,
    describe,
    draw_boxes,
    draw_curves,
    fidelity,
    one_pass,
    picture_graph,
    transfer,
)

BACK = {"where": "contours", "what": "low_gate"}
STRATEGIES = {
    "default": {},
    "rotation=none": {"rotation": "none"},
    "rotation=turn": {"rotation": "turn"},
    "rotation=curve": {"rotation": "curve"},
    "translation=side": {"translation": "side"},
    "translation=sparse": {"translation": "sparse"},
    "truncation=mean": {"truncation": "mean"},
    "truncation=quantile": {"truncation": "quantile", "quantile": 0.5},
    "reuse=1": {"reuse": 1},
    "reuse=2": {"reuse": 2},
    "variant=colors (A)": {"variant": "colors"},
    "variant=warp (B)": {"variant": "warp"},
    "variant=gate (C)": {"variant": "gate"},
    "thicken=heat": {"thicken": "heat"},
    "thicken=scatter": {"thicken": "scatter"},
    "radius=0.2": {"radius": 0.2},
    "gate=0.5": {"gate": 0.5},
}
SHOWN = (
    "default",
    "rotation=curve",
    "translation=sparse",
    "reuse=1",
    "variant=colors (A)",
    "variant=gate (C)",
    "thicken=heat",
)


def write_transfer_figures(folder: Path) -> None:
    """Draw the pictures and write the table, unless they are there; delete ``docs/figures`` to make them again."""
    folder.mkdir(exist_ok=True)
    files = [
        folder / name for name in ("transfer_directions.svg", "transfer_strategies.svg", "transfer_strategies.txt")
    ]
    if all(file.exists() for file in files):
        return
    curves, boxes = picture_graph(draw_curves()), picture_graph(draw_boxes())
    described = describe(curves, "target"), describe(boxes, "sample")
    found = {name: one_pass(*described, Strategy(**choice)) for name, choice in STRATEGIES.items()}
    back = transfer(boxes, curves, Strategy(**BACK))
    own = transfer(curves, curves, passes="s")
    panels = {
        "curves": curves.signal,
        "boxes and arrows": boxes.signal,
        "their shapes on the curves": found["default"].signal,
        "curves on the boxes": back.signal,
        "self: the curves' own": own.signal,
    }
    draw(panels).savefig(files[0], metadata={"Date": None})
    draw({name: found[name].signal for name in SHOWN}).savefig(files[1], metadata={"Date": None})
    rows = [row(name, output, fidelity(output, curves, boxes)) for name, output in found.items()]
    columns = ("strategy", "placed", "different shapes", "nodes written", "length kept", "pieces kept", "both kept")
    head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n"
    write_if_new(files[2], head + "\n".join(rows) + "\n")


def draw(pictures: dict[str, torch.Tensor]) -> Figure:
    """Pictures side by side, four in a row."""
    rows = -(-len(pictures) // 4)
    figure = new_figure(9, 2.45 * rows)
    grid = figure.subplots(rows, 4, squeeze=False).flat
    for (title, signal), axes in zip(pictures.items(), grid, strict=False):
        side = int(len(signal) ** 0.5)
        axes.imshow(signal.reshape(side, side, 3).clamp(0, 1).numpy(), interpolation="nearest")
        bare(axes, title)
    for axes in grid:
        axes.set_axis_off()
    return figure


def row(name: str, output: TransferOutput, found) -> str:
    """One line of the table."""
    shapes = len({tuple(placed.whole.nodes.tolist()) for placed in output.fragments})
    nodes = torch.cat([placed.buffer.nodes for placed in output.fragments]).unique()
    length = ((found.length - 1).abs() <= 0.05).double().mean()
    pieces = (found.pieces_before == found.pieces_after).double().mean()
    return f"| `{name}` | {len(output.fragments)} | {shapes} | {len(nodes)} | {length:.0%} | {pieces:.0%} | {found.kept:.0%} |"
