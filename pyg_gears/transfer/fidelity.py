"""Whether placed fragments still are what they were taken as: length, size, pieces."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.transfer.fragments import length_along
from pyg_gears.transfer.motions import turn_vectors
from pyg_gears.transfer.signal_graph import SignalGraph, node_spacing
from pyg_gears.transfer.structure_transfer import TransferOutput
from pyg_gears.transfer.units import units_of


class FidelityOutput(NamedTuple):
    """For each of m fragments: written over taken, of the length along its axis and of the nodes; pieces before and after."""

    length: Float[Tensor, " m"]
    size: Float[Tensor, " m"]
    pieces_before: Int[Tensor, " m"]
    pieces_after: Int[Tensor, " m"]

    @property
    def kept(self) -> float:
        """Share of the fragments whose length is within 5 % and whose number of pieces is the same."""
        if not len(self.length):
            return 0.0
        whole = (self.length - 1).abs() <= 0.05
        return float((whole & (self.pieces_before == self.pieces_after)).double().mean())


def fidelity(output: TransferOutput, target: SignalGraph, sample: SignalGraph) -> FidelityOutput:
    """Compare every placed fragment, as it is written, with the whole unit of the sample.

    Args:
        output: Of :func:`transfer`.
        target: What was written into.
        sample: What shapes were taken from.

    Returns:
        Ratios and numbers of pieces, 64-bit.
    """
    spacing, taken = (node_spacing(graph) for graph in (target, sample))
    length, size, before, after = [], [], [], []
    for whole, _, placement, buffer in output.fragments:
        written = target.pos[buffer.nodes]
        axis = turn_vectors(whole.axis[None], placement.turn)[0]
        length.append(length_along(written, axis, spacing) / whole.length)
        size.append(len(buffer.nodes) / len(whole.nodes))
        before.append(_pieces(whole.pos, taken))
        after.append(_pieces(written, spacing))
    ratios = [torch.tensor(values, dtype=torch.float64) for values in (length, size)]
    return FidelityOutput(ratios[0], ratios[1], torch.tensor(before), torch.tensor(after))


def _pieces(pos: Tensor, spacing: float) -> int:
    return len(units_of(torch.ones(len(pos), dtype=torch.bool), pos, spacing, least=1))
