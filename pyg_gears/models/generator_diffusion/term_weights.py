"""How much each of the published losses counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TermWeights:
    """Weights of the losses of :class:`~pyg_gears.models.GeneratorDiffusion`; the defaults are the published ones.

    The first group trains context and denoiser, the second (``base_...``) context and generator.

    Attributes:
        score: Denoising error.
        gram: Inner products, of the cleanest half of the sets.
        size: Size of what the network proposes at high noise, against that of its target.
        neighborhood: True neighbours among the near ones, of the cleanest two fifths.
        local_scale: Lengths of the edges to the true neighbours as they are.
        edge: These lengths as shapes, of the cleanest three tenths.
        subspace: Variance outside the plane.
        base_alignment: The generator's shape against the true one after the best turn.
        base_gram: Its inner products.
        base_size: Its size, and the lengths of its edges.
        overlap_gram: Agreement of two views on what they share, inner products.
        overlap_size: Agreement of sizes.
        overlap_neighbors: Agreement of neighbours.
        boost: Raise the noisiest sets in the denoising error once the network is calibrated there.
    """

    score: float = 16.0
    gram: float = 1.0
    size: float = 2.0
    neighborhood: float = 1.0
    local_scale: float = 0.1
    edge: float = 2.0
    subspace: float = 0.25
    base_alignment: float = 10.0
    base_gram: float = 10.0
    base_size: float = 10.0
    overlap_gram: float = 1.0
    overlap_size: float = 0.5
    overlap_neighbors: float = 1.0
    boost: bool = True


GATE_SHARES = {"gram": 0.5, "neighborhood": 0.4, "edge": 0.3}
"""Share of the sets, the cleanest ones, that a loss sees."""
