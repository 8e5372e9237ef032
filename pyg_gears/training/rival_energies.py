"""E_geo that simple regressions reach on the minisets by which a training is validated."""

from __future__ import annotations

import numpy as np
import torch

from pyg_gears.baselines import embedding_rivals
from pyg_gears.data import MinisetDataset, MinisetLoader
from pyg_gears.losses import geometric_energy

NODES = 1024
"""Nodes of a batch at most."""


def rival_energies(train: MinisetDataset, validation: MinisetDataset, *, seed: int) -> dict[str, float]:
    """Mean E_geo of the rivals' layouts on the validation minisets, to be read beside that of a model.

    The rivals are fitted on the same training spots and the same embedding. They lay out a held-out slide (or block) as a
    whole, and each miniset is a part of that layout. The truth itself has 0.

    Args:
        train: Training minisets, of whose slides the regressions are fitted.
        validation: Validation minisets.
        seed: Seed of the blocks on which regressions are weighted.

    Returns:
        Name of the rival -> E_geo.
    """
    references = [(slide.x.double().numpy(), slide.pos.double().numpy()) for slide in train.slides]
    layouts = [embedding_rivals(references, slide.x.double().numpy(), seed=seed) for slide in validation.slides]
    by_id = {
        number if slide.slide_id is None else slide.slide_id: layout
        for number, (slide, layout) in enumerate(zip(validation.slides, layouts, strict=True))
    }
    total = dict.fromkeys(layouts[0], 0.0)
    for batch in MinisetLoader(validation, NODES, shuffle=False):
        spots, slides = batch.node_id.split(batch.ptr.diff().tolist()), batch.slide_id.tolist()
        for name in total:
            places = [by_id[slide][name][own.numpy()] for slide, own in zip(slides, spots, strict=True)]
            pos = torch.from_numpy(np.concatenate(places)).to(batch.x.dtype)
            total[name] += float(geometric_energy(pos, batch)) * batch.num_graphs
    return {name: value / len(validation) for name, value in total.items()}
