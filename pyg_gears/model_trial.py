"""Whether a model that was read from a folder works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_array
from torch_geometric.data import Batch, Data

from pyg_gears.data import Slide
from pyg_gears.errors import expect

if TYPE_CHECKING:
    from pyg_gears.fitted_gears import FittedGears


def try_model(fitted: FittedGears) -> None:
    """Run every part once on eight invented cells.

    Raises:
        InputError: when a part gives what no fit gives.
    """
    genes = fitted.encoder.genes
    counts = csr_array(np.arange(1, 1 + 8 * len(genes), dtype=np.float32).reshape(8, -1) % 7)
    trial = Slide("trial", counts, genes, tuple(f"cell_{i}" for i in range(8)))
    embedded = fitted.encoder.embed(trial)
    x = embedded.x if fitted.adapter is None else fitted.adapter(embedded.x)
    if fitted.regressions is not None:
        layouts = fitted.regressions.layouts(trial, x)
        expect(
            all(np.isfinite(layout.pos).all() and layout.weight > 0 for layout in layouts),
            "expected finite places from the regressions, found others; fit it again.",
        )
    with torch.inference_mode():
        for member in fitted.members:
            member(Batch.from_data_list([fitted.candidates(Data(x=embedded.x))]))
    calibration = fitted.calibration
    confidence = calibration.predict(fitted.support.scatter(x)) * fitted.support.signal(embedded.features)
    expect(
        len(fitted.members) > 0 and len(calibration.scatter) == len(calibration.confidence),
        f"expected models and a calibration, found {len(fitted.members)} models; fit it again.",
    )
    expect(
        all(0 <= value <= 1 for value in (*confidence, *calibration.confidence)),
        "expected confidences in 0..1, found others; fit it again.",
    )
    names = [*fitted.report["slides"], *fitted.report["held_out"]]
    expect(
        all(isinstance(name, str) for name in names) and isinstance(fitted.report["held_out_is_block"], bool),
        "expected names of slides in the report, found something else; fit it again.",
    )
