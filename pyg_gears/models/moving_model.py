"""Structure models that move a first guess by velocities."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs.segment_softmax import segment_sum
from pyg_gears.losses import linear_stress
from pyg_gears.losses.membership import membership
from pyg_gears.models.drift import Drift, travel_edges
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.graph_input import read_graphs
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.nn import Perceptron


class Moving(NamedTuple):
    """What a velocity reads beside the coordinates, and the first of these, in the gauge."""

    state: Tensor
    edges: Tensor
    travel: Tensor
    batch: Tensor
    num_graphs: int
    pos: Tensor


class MovingModel(StructureModel):
    r"""A guess of the coordinates and a :class:`~pyg_gears.models.drift.Drift` that moves it.

    .. math:: h = \mathrm{MLP}(H), \quad x^0 = \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise})

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of states and messages.
        neighbors: Candidates that a node moves along, at least 1.
        landmarks: Nodes of each graph that all nodes move along, 0 or more.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.

    Raises:
        InputError: for fewer than one neighbour, or a negative number of landmarks.
    """

    samples: ClassVar[bool] = True

    def __init__(self, in_channels: int, hidden_channels: int, neighbors: int, landmarks: int, noise: float) -> None:
        super().__init__(in_channels)
        check_sizes(neighbors=neighbors)
        expect(landmarks >= 0, f"expected 0 or more landmarks, found {landmarks}; 0 leaves them out.")
        self.neighbors, self.landmarks, self.noise = neighbors, landmarks, noise
        self.embed_state = Perceptron(in_channels, hidden_channels, hidden_channels)
        self.embed_pos = Perceptron(in_channels, hidden_channels, 2)
        self.drift = Drift(hidden_channels, hidden_channels)

    def _begin(self, batch: Any, edge_index: Tensor | None, std: float, generator: torch.Generator | None) -> Moving:
        """State, edges and first coordinates of a call of :meth:`forward`."""
        graphs = read_graphs(batch, edge_index, self.in_channels, self.embed_pos.first.weight)
        state, guess = self.embed_state(graphs.x).to(graphs.x.dtype), self.embed_pos(graphs.x).to(graphs.x.dtype)
        pos = gauge_fix(guess + initial_noise(guess, std, generator), graphs.batch, graphs.num_graphs)
        member = graphs.member
        count = 1 if graphs.batch is None else graphs.num_graphs or torch.bincount(member).numel()
        travel = travel_edges(graphs.x, graphs.edge_index, member, count, self.neighbors, self.landmarks)
        return Moving(state, graphs.edge_index, travel, member, count, pos)

    def _velocity(self, given: Moving, pos: Float[Tensor, "n 2"], time: float) -> Float[Tensor, "n 2"]:
        return self.drift(pos, given.state, given.travel, given.batch, given.num_graphs, time)

    def _again(self, output: StructureOutput, batch: Any) -> Moving:
        """What the velocities of an output read, for its loss terms."""
        assert output.state is not None
        members = membership(batch, len(output.pos), output.pos.device)
        member, count = members.batch, members.num_graphs
        travel = travel_edges(batch.x, output.edge_index, member, count, self.neighbors, self.landmarks)
        return Moving(output.state, output.edge_index, travel, member, count, output.initial)


def downhill(pos: Float[Tensor, "n 2"], batch: Any) -> Float[Tensor, "n 2"]:
    """Minus the gradient of the linear stress at a layout, which takes no gradient itself, shape (n, 2)."""
    if torch.is_inference_mode_enabled():
        # Older versions of torch, 2.6 among them, find a gradient of zero there, and copies can be saved for it.
        with torch.inference_mode(False):
            return downhill(pos.clone(), batch.clone())
    return -torch.func.grad(lambda place: linear_stress(place, batch))(pos.detach())


def misalignment(
    velocity: Float[Tensor, "n 2"], wanted: Float[Tensor, "n 2"], batch: Int[Tensor, " n"], num_graphs: int
) -> Float[Tensor, ""]:
    """``1 - cos`` of the velocities and the wanted ones over all coordinates of a graph, mean over graphs."""
    dot, own, its = (
        segment_sum((a * b).sum(dim=1), batch, num_graphs)
        for a, b in ((velocity, wanted), (velocity, velocity), (wanted, wanted))
    )
    # Without a velocity yet the root has no gradient: the floor lets it begin.
    return (1 - dot / ((own + 1e-8).sqrt() * (its + 1e-16).sqrt())).mean()
