"""Several trained models as one: on a miniset their distances are averaged, as they are where they vote on a layout."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_gears.geometry import gauge_fix
from pyg_gears.layout import consensus_layout
from pyg_gears.losses.membership import membership
from pyg_gears.models import GatedModel, StructureModel, StructureOutput


class JointModel(StructureModel):
    """The layout that the mean distances of several models give, graph by graph.

    It makes combinations measurable like single models; there is no gradient through it.

    Args:
        voters: Trained models of one embedding, in evaluation mode.
    """

    def __init__(self, voters: Sequence[StructureModel]) -> None:
        super().__init__(voters[0].in_channels)
        self.voters = torch.nn.ModuleList(voters)
        self.reads_edges = any(voter.reads_edges for voter in voters)  # type: ignore[misc]

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Tensor | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
    ) -> StructureOutput:
        """Lay out every graph by the mean distances, see :meth:`StructureModel.forward`.

        On other edges than the candidates gated models leave their gate out, as in every evaluation on the true graph.
        """
        several = []
        for voter in self.voters:
            options = {"use_gate": False} if edge_index is not None and isinstance(voter, GatedModel) else {}
            output = voter(batch, edge_index=edge_index, noise=noise, generator=generator, **options)
            several.append(output.pos.detach().cpu().double())
        pos, ptr = torch.stack(several).numpy(), membership(batch, several[0].size(0)).ptr.tolist()
        parts = [consensus_layout(pos[:, start:stop]).pos for start, stop in pairwise(ptr)]
        joined = torch.from_numpy(np.concatenate(parts)).to(batch.x)
        edges = batch.edge_index if edge_index is None else edge_index
        return StructureOutput(edges, (gauge_fix(joined, getattr(batch, "batch", None)),))
