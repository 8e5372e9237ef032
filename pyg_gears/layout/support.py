"""Support of a cell by the training slides: whether the spots that resemble it lie together or all over the tissue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.geometry import gauge_fix

NEIGHBORS = 15
CHUNK = 2**24
"""Similarities between cells and spots held at a time: 64 MB."""


def rms_radius(place: Float[Tensor, "n k 2"]) -> Float[Tensor, " n"]:
    """Root mean square distance of k places from their mean, for each of n sets of them."""
    return (place - place.mean(dim=1, keepdim=True)).square().sum(-1).mean(1).sqrt()


@dataclass(frozen=True)
class TrainingSupport:
    """Embeddings and gauge positions of the training spots, for confidence only: no layout depends on them.

    Attributes:
        x: Embedding of the spots of each training slide, shape (m, c) each.
        pos: Their positions in the slide's gauge, shape (m, 2) each.
        features: Input of the encoder's networks for all of them, shape (m, f).
    """

    x: tuple[Float[Tensor, "m c"], ...]
    pos: tuple[Float[Tensor, "m 2"], ...]
    features: Float[Tensor, "m f"]

    @classmethod
    def build(cls, slides: Sequence[tuple[Tensor, Tensor]], features: Float[Tensor, "m f"]) -> TrainingSupport:
        """From pairs of embedding (m, c) and positions (m, 2) in any unit, and the features of all of them."""
        pos = tuple(gauge_fix(pos.double()).float() for _, pos in slides)
        return cls(tuple(x for x, _ in slides), pos, features)

    def scatter(self, x: Float[Tensor, "n c"]) -> Float[np.ndarray, " n"]:
        r"""How far apart the training spots that resemble a cell lie: the raw uncertainty of its place.

        .. math:: u_i = \frac1S \sum_{s} \sqrt{\tfrac1k \sum_{j \in N_s(i)} \|y_j - \bar y\|^2}

        with N_s(i) the k = 15 spots of slide s nearest to the cell by cosine, y their positions in the gauge. About 1 where
        expression carries nothing about place, small where it is specific. Disagreement between models or noisy predictions
        was tried in its place: it does not separate a shuffled section from a real one.

        Args:
            x: Embedding of the cells, shape (n, c). Time n times the spots; memory does not grow with either.

        Returns:
            Scatter in gauge units (RMS radius of a slide), shape (n,).
        """
        total = torch.zeros(x.size(0))
        query = torch.nn.functional.normalize(x, dim=1)
        for spots, pos in zip(self.x, self.pos, strict=True):
            known = torch.nn.functional.normalize(spots, dim=1)
            k = min(NEIGHBORS, len(known))
            step = max(CHUNK // len(known), 1)
            for start in range(0, x.size(0), step):
                part = slice(start, start + step)
                place = pos[(query[part] @ known.T).topk(k, dim=1).indices]
                total[part] += rms_radius(place)
        return (total / len(self.x)).double().numpy()

    def signal(self, features: Float[Tensor, "n f"]) -> float:
        """Mean length of the cells' features over that of the training spots, at most 1.

        Expression whose genes do not vary together (shuffled, or another tissue) loses length on the components. The learned
        embedding does not show it: its networks return a direction for any input.
        """
        known = self.features.norm(dim=1).mean()
        return float((features.norm(dim=1).mean() / known.clamp(min=1e-12)).clamp(max=1.0))

    def state_dict(self) -> dict[str, Any]:
        """Tensors for :meth:`from_state_dict`."""
        return {"x": list(self.x), "pos": list(self.pos), "features": self.features}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> TrainingSupport:
        """The support that :meth:`state_dict` described."""
        return cls(tuple(state["x"]), tuple(state["pos"]), state["features"])
