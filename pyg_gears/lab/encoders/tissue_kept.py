"""How much of the tissue an embedding keeps: agreement of neighbourhoods, and spatial autocorrelation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.neighbor_agreement import neighbor_agreement
from pyg_gears.graphs import morans_i
from pyg_gears.lab.encoders.figure_parts import draw_per_slide
from pyg_gears.lab.encoders.published_limits import LIMITS
from pyg_gears.lab.encoders.slide_graph import slide_graph
from pyg_gears.lab.encoders.subject import Numbers, Scored, SlidesSubject, embedding_table, score_embeddings
from pyg_gears.lab.probe import Probe, Requirement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# How far an encoder may stay behind the best simple embedding.
MARGIN = 0.02


class TissueKept(NamedTuple):
    """Scores of the embeddings, and the names of the slides."""

    slides: tuple[str, ...]
    embeddings: dict[str, Scored]


def embedding_moran(x: Float[Tensor, "n c"], graph: csr_array) -> float:
    r"""Moran's I of an embedding as a whole: that of its channels, weighted by their variance.

    Args:
        x: Embedding of one slide.
        graph: Neighbour graph of the slide, shape (n, n).
    """
    values = x.double().numpy()
    weight = values.var(axis=0)
    return float((weight * np.nan_to_num(morans_i(values, graph))).sum() / max(weight.sum(), 1e-300))


def _measure(subject: SlidesSubject) -> TissueKept:
    graphs = {slide.name: slide_graph(slide) for slide in subject.slides}

    def alone(slide: Slide, x: Tensor) -> Numbers:
        agreement = neighbor_agreement(x, torch.tensor(slide.pos))
        return {**agreement._asdict(), "moran": embedding_moran(x, graphs[slide.name])}

    return TissueKept(tuple(graphs), score_embeddings(subject, alone=alone))


def _tables(record: TissueKept) -> Mapping[str, pd.DataFrame]:
    columns = {"overlap": "overlap@20", "recall": "recall@100", "mean_distance": "distance", "moran": "Moran's I"}
    title = "Tissue kept (better: higher, higher, lower; Moran's I is not to be maximised)"
    return {title: embedding_table(record.embeddings, columns)}


def _draw(record: TissueKept, figure: Figure) -> None:
    label = "overlap@20 with physical neighbours"
    draw_per_slide(figure, record.embeddings, record.slides, "overlap", label)


def _requirements(record: TissueKept) -> list[Requirement]:
    """Encoders fitted elsewhere, against the best simple embedding where both have not seen the slide."""
    simple = {name: one.summary["held_out"] for name, one in record.embeddings.items() if not one.given}
    overlaps = {name: numbers["overlap"] for name, numbers in simple.items() if numbers}
    best = max(overlaps, key=lambda name: overlaps[name], default=None)
    found = []
    for name, one in record.embeddings.items():
        seen, unseen = one.summary["fitted"], one.summary["held_out"]
        if one.given and unseen and best is not None:
            note, limit = f"{best} {overlaps[best]:.3f}", overlaps[best] - MARGIN
            title = "overlap@20 on unseen slides, against the best simple embedding"
            found.append(Requirement(title, unseen["overlap"], limit, "at least", subject=name, note=note))
        if one.given and seen:
            found.append(LIMITS["overlap"].requirement(seen["overlap"], name))
    return found


PROBE = Probe("tissue_kept", _measure, _tables, _draw, _requirements)
