"""Train on slides, reconstruct cells, judge the layout: the main job in Python, on simulated tissue with hidden truth."""

from __future__ import annotations

import argparse

from pyg_gears import Gears, Recipe
from pyg_gears.data import simulate_tissue
from pyg_gears.metrics import evaluate_layout


def main(cells: int, spots: int, minisets: int) -> dict[str, float]:
    tissue = simulate_tissue("layers", slides=3, cells=cells, seed=0, spots=spots)
    recipe = Recipe.preset("quick").change({"minisets": {"count": minisets}})

    # The third slide validates: it stops the training and calibrates the confidence.
    gears = Gears(recipe).fit(tissue.slides, tissue.cells, progress=False)
    found = gears.reconstruct(tissue.cells, progress=False)

    metrics = evaluate_layout(found.pos, tissue.cells_pos)
    print(f"E_geo on {gears.report['held_out'][0]}: {gears.report['h_gate']:.3f}")
    print(f"Spearman of distances {metrics['spearman']:.3f}, Trust@20 {metrics['trust_20']:.3f}")
    print(f"mean confidence {found.confidence.mean():.3f}")
    return metrics


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=800)
    parser.add_argument("--spots", type=int, default=500)
    parser.add_argument("--minisets", type=int, default=160)
    arguments = parser.parse_args()
    main(arguments.cells, arguments.spots, arguments.minisets)
