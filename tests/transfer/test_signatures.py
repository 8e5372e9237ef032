"""The shapes in the signatures of both rooms, checked while structure is transferred.

In a process of its own: the other tests of these rooms run without the checks, as users do, so that bad input meets our
own doors.
"""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
from jaxtyping import install_import_hook

install_import_hook(["pyg_gears.spectral", "pyg_gears.transfer"], "beartype.beartype")
import dataclasses
import torch
from pyg_gears.spectral.block_eigenvectors import block_eigenvectors
from pyg_gears.spectral import affinity_laplacian, grid_edges, grid_positions, heat
from pyg_gears.transfer import *

curves, boxes = picture_graph(draw_curves(96)), picture_graph(draw_boxes(96))
target, sample = describe(curves, "target"), describe(boxes, "sample")
changes = [{}, {"what": "low_gate", "rotation": "curve"}, {"what": "seeds", "translation": "sparse", "truncation": "quantile"}]
changes += [{"variant": name} for name in ("colors", "warp", "gate")]
changes += [{"thicken": "heat", "reuse": 1}, {"thicken": "scatter", "radius": 0.2, "gate": 0.3}]
for change in changes:
    found = one_pass(target, sample, Strategy(**change))
    assert found.fragments
    fidelity(found, curves, boxes)
strategy = Strategy()
matches = match_units(destinations(target, strategy), sample_units(sample, strategy), target, sample, sample.phi, strategy)
affinities(matches, sample.phi, sample.contours)
layer = SpectralCrossAttention(12, 3, 8)
phi = [d.phi.float() for d in (target, sample)]
layer(phi[0], curves.signal.float(), curves.edge_index, phi[1], boxes.signal.float()).sum().backward()
layer.scores(phi[0][:5], phi[1])
block_eigenvectors(affinity_laplacian(grid_positions(8, 9), grid_edges(8, 9)), 4, torch.device("cpu"))
try:
    heat(affinity_laplacian(curves.signal, curves.edge_index), torch.zeros(4), 1.0)
except Exception as error:
    print(type(error).__name__)
"""


def test_signatures_hold_in_both_rooms() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # That the checks are on: a vector where a matrix is expected.
    assert done.stdout.split() == ["TypeCheckError"]
