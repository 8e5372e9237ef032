"""The picture of a real section in the README: true, predicted, confidence.

``python docs/extensions/section_picture.py LAYOUT.h5ad OUT.png`` on a layout of cells whose positions are known
(``obsm["spatial"]``); CONTRIBUTING.md names the commands that made the layout.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anndata
import numpy as np
from PIL import Image

from pyg_gears.report.figure_style import bare, new_figure, point_size
from pyg_gears.report.layout_figures import drawn_together


def section_picture(file: Path, out: Path) -> None:
    """Draw the three panels of one layout file."""
    layout = anndata.read_h5ad(file)
    predicted, true = drawn_together(layout.obsm["X_gears"], np.asarray(layout.obsm["spatial"], dtype=float))
    confidence = layout.obs["gears_confidence"].to_numpy()
    figure = new_figure(9.6, 3.1)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    look = {"s": 1.4 * point_size(len(true)), "lw": 0}
    # Image coordinates grow downwards.
    for axes, where, title in ((panels[0], true, "true"), (panels[1], predicted, "predicted from expression alone")):
        axes.scatter(where[:, 0], -where[:, 1], c=true[:, 0], cmap="viridis", **look)
        bare(axes, f"{title}\n(colour: true horizontal position)")
    points = panels[2].scatter(predicted[:, 0], -predicted[:, 1], c=confidence, cmap="cividis", vmin=0, vmax=1, **look)
    bare(panels[2], "predicted\n(colour: confidence)")
    figure.colorbar(points, ax=panels[2], shrink=0.8)
    figure.savefig(out, dpi=110)
    # 64 colours are enough for two colour maps and keep the file small.
    Image.open(out).convert("RGB").quantize(64).save(out, optimize=True)


if __name__ == "__main__":
    section_picture(Path(sys.argv[1]), Path(sys.argv[2]))
