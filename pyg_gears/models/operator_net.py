"""The operator first: who diffuses to whom, and a layout that is decoded from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import edge_squared_distance, gauge_fix
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs import segment_log_softmax
from pyg_gears.losses import operator_kl
from pyg_gears.losses.membership import membership, target_edges, target_values
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.generator_diffusion.context_encoder import ContextEncoder
from pyg_gears.models.graph_input import read_graphs
from pyg_gears.models.operator_decoders import (
    DECODERS,
    Decoder,
    implied_distance,
    operator_weights,
    relax,
    spectral_coordinates,
)
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.models.weighted_terms import weighted_terms
from pyg_gears.models.wide import wide
from pyg_gears.nn import PairHead, Perceptron, pad_sets
from pyg_gears.targets import log_transitions

LIMIT = 8.0
LEAST_GAP = 1e-4
EPS = 1e-8


class OperatorNet(StructureModel):
    r"""Transition probabilities on the candidates, decoded to coordinates by their eigenvectors.

    .. math::
        h &= \mathrm{ISAB}^K([H, z]), \quad \log w_{ij} = 8 \tanh(\mathrm{PairHead}(h_i, h_j) / 8), \quad
        T = D^{-1} W, \quad \sigma_i = \mathrm{softplus}(\mathrm{MLP}(h_i)) \\
        x &= \mathrm{gauge}(\mathrm{decode}(T))

    Decoders: "spectral" and "diffusion" (see :func:`~pyg_gears.models.operator_decoders.spectral_coordinates`), and "springs":
    from the first, unrolled stress majorisation towards the distances at which the true walk's kernel has these weights,
    :math:`d_{ij}^2 = \mathrm{softplus}(-\log w_{ij})\, \sigma_i \sigma_j` (softplus, as a weight here may exceed 1).
    W is symmetric, so that detailed balance
    (:math:`\pi_i T_{ij} = \pi_j T_{ji}`) holds by construction and needs no term.

    Its own terms: L_rw on T itself, the eigengap :math:`-\log(\lambda_1 - \lambda_2) - \log(\lambda_2 - \lambda_3)`, the
    entropies of the rows beside the true ones, and the cycle: KL from T to the operator that the layout
    has with bandwidths sigma.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of h.
        layers: Set attention blocks K.
        points: Learned points of each.
        heads: Attention heads; must divide the channels.
        latent_channels: Channels of z, drawn anew for every layout.
        decoder: "springs", "spectral" or "diffusion".
        spring_steps: Steps of "springs".
        noise: Standard deviation of z, in training and in further samples.
        walk: Weight of L_rw on T.
        gap: Weight of the eigengap.
        entropy: Weight of the squared difference of the rows' entropies.
        cycle: Weight of the cycle.

    Raises:
        InputError: for an unknown decoder, no channel of z, or a negative number of steps.

    Source: spectral embedding after Belkin and Niyogi (2003), diffusion coordinates after Coifman and Lafon (2006).
    """

    samples: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"rw_edge_index", "rw_multiplicity", "rw_log_ref", "rw_steps"})

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 64,
        layers: int = 2,
        points: int = 16,
        heads: int = 4,
        latent_channels: int = 8,
        decoder: Decoder = "springs",
        spring_steps: int = 50,
        noise: float = 0.3,
        walk: float = 0.3,
        gap: float = 0.01,
        entropy: float = 0.05,
        cycle: float = 0.05,
    ) -> None:
        super().__init__(in_channels)
        expect(
            decoder in DECODERS,
            f"expected a decoder among {', '.join(DECODERS)}, found {decoder!r}; name one of them.",
        )
        check_sizes(latent_channels=latent_channels)
        expect(spring_steps >= 0, f"expected 0 or more steps of the springs, found {spring_steps}; 0 leaves them out.")
        self.decoder, self.spring_steps = decoder, spring_steps
        self.latent_channels, self.noise = latent_channels, noise
        self.weights = {"operator": walk, "gap": gap, "row_entropy": entropy, "operator_cycle": cycle}
        self.context = ContextEncoder(in_channels + latent_channels, hidden_channels, layers, points, heads)
        self.pairs = PairHead(hidden_channels, hidden_channels // 2 or 1, 1)
        self.bandwidth = Perceptron(hidden_channels, hidden_channels, 1)

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Tensor | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
    ) -> StructureOutput:
        """Lay out every graph of a batch, see :meth:`StructureModel.forward`.

        Returns:
            The spectral layout (and, with springs, the relaxed one), T as ``operator``, its ``spectrum``, h as ``state``.
        """
        graphs = read_graphs(batch, edge_index, self.in_channels, self.context.lift.weight)
        n, edges, dtype = graphs.x.size(0), graphs.edge_index, graphs.x.dtype
        sets = pad_sets(graphs.batch, n, graphs.num_graphs)
        std = self.noise_scale(noise)
        z = initial_noise(graphs.x.new_zeros(n, self.latent_channels), std, generator)
        h = sets.gather(self.context(sets.pad(torch.cat([graphs.x, z], dim=1)), sets.mask)).to(dtype)
        with torch.autocast(graphs.x.device.type, enabled=False):
            log_weight = LIMIT * torch.tanh(self.pairs(h, edges)[:, 0] / LIMIT)
            operator = operator_weights(log_weight, edges, n)
            start, spectrum = spectral_coordinates(operator, edges, graphs.member, sets, self.decoder)
            coordinates = [gauge_fix(start, graphs.batch, graphs.num_graphs)]
            if self.decoder == "springs":
                length = implied_distance(log_weight, self.bandwidths(h), edges)
                moved = relax(coordinates[0], edges, length, self.spring_steps)
                coordinates.append(gauge_fix(moved, graphs.batch, graphs.num_graphs))
        return StructureOutput(edges, tuple(coordinates), operator=operator.transition, spectrum=spectrum, state=h)

    def bandwidths(self, state: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
        """Sigma of each node, shape (n,), above 0."""
        return torch.nn.functional.softplus(self.bandwidth(state)[:, 0]) + 1e-2

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """L_rw on T, eigengap, entropies of the rows and cycle; a weight of 0 leaves one out.

        Raises:
            InputError: when the batch has no true walk.
        """
        terms = {
            "operator": lambda: operator_kl(_made(output.operator), output.edge_index, batch),
            "gap": lambda: _gap(_made(output.spectrum)),
            "row_entropy": lambda: _entropies(output, batch),
            "operator_cycle": lambda: self._cycle(output, batch),
        }
        return weighted_terms(self.weights, terms)

    def _cycle(self, output: StructureOutput, batch: Any) -> Tensor:
        """Mean KL from the rows of T to those of the layout."""
        source, target = output.edge_index
        sigma, operator = wide(self.bandwidths(_made(output.state))), wide(_made(output.operator))
        affinity = -edge_squared_distance(wide(output.pos), output.edge_index) / (sigma[source] * sigma[target])
        affinity = affinity.masked_fill(source == target, -1e4)
        layout = segment_log_softmax(affinity, target, len(sigma))
        divergence = operator * ((operator + EPS).log() - layout).masked_fill(source == target, 0.0)
        return _row_mean(divergence, target, batch)


def _gap(spectrum: Float[Tensor, "b k"]) -> Tensor:
    """How near the eigenvalues of the two axes are to each other and to the one that says nothing."""
    apart = (spectrum[:, :2] - spectrum[:, 1:3]).clamp(min=LEAST_GAP)
    return -apart.log().sum(dim=1).mean()


def _entropies(output: StructureOutput, batch: Any) -> Tensor:
    """Mean squared difference of the entropies of a node's row in T and in the true operator, in nats squared."""
    operator = wide(_made(output.operator))
    n = _made(output.state).size(0)
    edges = target_edges(batch, "rw_edge_index", n)
    multiplicity, log_ref = (target_values(batch, name, edges.size(1)) for name in ("rw_multiplicity", "rw_log_ref"))
    log_true = log_transitions(log_ref.to(operator.dtype), multiplicity.to(operator.dtype), edges, n)
    found = operator.new_zeros(n).index_add(0, output.edge_index[1], -operator * (operator + EPS).log())
    truth = operator.new_zeros(n).index_add(0, edges[1], -log_true.exp() * log_true)
    members = membership(batch, n, operator.device)
    return members.node_mean((found - truth).square()).mean()


def _row_mean(values: Tensor, target: Tensor, batch: Any) -> Tensor:
    """Sum over the edges that enter a node, mean over nodes, mean over graphs."""
    members = membership(batch, int(batch.num_nodes), values.device)
    rows = values.new_zeros(members.batch.numel()).index_add(0, target, values)
    return members.node_mean(rows).mean()


def _made(value: Tensor | None) -> Tensor:
    assert value is not None
    return value
