"""Nodes placed one batch after the other, each beside those that are placed already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Linear

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.losses import linear_stress
from pyg_gears.losses.at_least_one import at_least_one
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.generator_diffusion.context_encoder import ContextEncoder
from pyg_gears.models.graph_input import read_graphs
from pyg_gears.models.placement_order import placement_keys
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.models.weighted_terms import weighted_terms
from pyg_gears.nn import Perceptron, pad_sets
from pyg_gears.nn.padded_graphs import mask_value

LEAST = 1e-3
FIRST_SPREAD = -2.0


class PlaceNet(StructureModel):
    r"""Autoregressive placement from one node outwards.

    .. math::
        h &= \mathrm{ISAB}^K(H), \quad x^0 = \mathrm{MLP}(h), \quad
        a_{ij} = \mathrm{softmax}_{j\ \mathrm{placed}}(q_i^T k_j / \sqrt c) \\
        \mu_i &= x^0_i + \mathrm{MLP}\big(h_i, \textstyle\sum_j a_{ij} v_j, \sum_j a_{ij} (x_j - x^0_j)\big), \quad
        x_i = \mu_i + L_i \epsilon_i, \quad L_i \in \mathbb{R}^{2 \times 2}\ \text{lower triangular}

    Nodes come in the order of a breadth-first search on the candidates, ``group`` at a time. The first node is drawn, in training
    and in samples; without noise it is the one whose embedding lies farthest from the mean.

    Its own terms: minus the entropy of the placements, and the stress of :math:`x^0`. The energy can be differentiated through
    the draws, so that its gradient reaches earlier placements by the chain rule, without the variance of the score-function
    estimate (REINFORCE with a moving baseline) of the source, of which it is the same expectation.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of h.
        layers: Set attention blocks K.
        points: Learned points of each.
        heads: Attention heads of these; must divide the channels.
        group: Nodes placed at once.
        noise: Scale of epsilon in training and in further samples; 0 in evaluation unless asked for.
        entropy: Weight of the entropy.
        first: Weight of the stress of the first guess.

    Raises:
        InputError: for an empty group.

    Source: draws after Kingma and Welling, Auto-encoding variational Bayes (2014), section 2.4.
    """

    samples: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"stress_edge_index", "stress_distance"})

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 64,
        layers: int = 2,
        points: int = 16,
        heads: int = 4,
        group: int = 32,
        noise: float = 1.0,
        entropy: float = 0.003,
        first: float = 1.0,
    ) -> None:
        super().__init__(in_channels)
        expect(group >= 1, f"expected at least one node at a time, found {group}; ask for one or more.")
        self.group, self.noise = group, noise
        self.weights = {"entropy": entropy, "first_stress": first}
        self.context = ContextEncoder(in_channels, hidden_channels, layers, points, heads)
        self.embed_pos = Perceptron(hidden_channels, hidden_channels, 2)
        self.query, self.key, self.value = (Linear(hidden_channels, hidden_channels, bias=False) for _ in range(3))
        self.place = Perceptron(2 * hidden_channels + 2, hidden_channels, 2, zero_init=True)
        self.spread = Perceptron(2 * hidden_channels, hidden_channels, 3)

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
            The first guess and the placement; half the log-determinant of each placement's covariance as
            ``node_log_variance``; h as ``state``.
        """
        graphs = read_graphs(batch, edge_index, self.in_channels, self.context.lift.weight)
        n, dtype = graphs.x.size(0), graphs.x.dtype
        sets = pad_sets(graphs.batch, n, graphs.num_graphs)
        scale = self.noise_scale(noise)
        padded = self.context(sets.pad(graphs.x), sets.mask).to(dtype)
        with torch.autocast(graphs.x.device.type, enabled=False):
            keys = placement_keys(graphs.x, graphs.edge_index, graphs.member, sets.num_sets, generator, drawn=scale > 0)
            draw = sets.pad(initial_noise(graphs.x.new_zeros(n, 2), scale, generator))
            late = sets.pad(keys) if sets.mask is None else sets.pad(keys).masked_fill(~sets.mask, torch.inf)
            order = late.argsort(dim=1, stable=True)
            held = torch.ones_like(order, dtype=torch.bool) if sets.mask is None else sets.mask.gather(1, order)
            h, draw = _along(padded, order), _along(draw, order)
            guess, pos, width = self._placed(h, draw, held)
            back = order.argsort(dim=1)
            base, pos, spread = (sets.gather(_along(part, back)) for part in (guess, pos, width))
            both = [gauge_fix(part, graphs.batch, graphs.num_graphs) for part in (base, pos)]
        return StructureOutput(
            graphs.edge_index, tuple(both), node_log_variance=spread[:, 0], state=sets.gather(padded)
        )

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """Minus the entropy (up to a constant), and the stress of the first guess; a weight of 0 leaves one out.

        Raises:
            InputError: when the batch has no stress target.
        """
        assert output.node_log_variance is not None
        spread = output.node_log_variance
        terms = {
            "entropy": lambda: -at_least_one(spread).mean(),
            "first_stress": lambda: linear_stress(output.initial, batch),
        }
        return weighted_terms(self.weights, terms)

    def _placed(self, h: Tensor, draw: Tensor, held: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """First guess, places and half log-determinants of padded sets in their order, (b, m, 2), (b, m, 2) and (b, m, 1)."""
        guess, query, key, value = self.embed_pos(h), self.query(h), self.key(h), self.value(h)
        parts: list[Tensor] = []
        widths = []
        for start in range(0, h.size(1), self.group):
            now, before = slice(start, start + self.group), slice(0, start)
            read, moved = torch.zeros_like(h[:, now]), torch.zeros_like(guess[:, now])
            if start:
                logits = query[:, now] @ key[:, before].mT / h.size(2) ** 0.5
                share = logits.masked_fill(~held[:, None, before], mask_value(logits.dtype)).softmax(dim=2)
                read, moved = share @ value[:, before], share @ (torch.cat(parts, dim=1) - guess[:, before])
            seen = torch.cat([h[:, now], read], dim=2)
            raw = self.spread(seen) + FIRST_SPREAD
            high, low = (torch.nn.functional.softplus(raw[..., place]) + LEAST for place in (0, 1))
            cross = raw[..., 2] - FIRST_SPREAD
            e = draw[:, now]
            shaken = torch.stack([high * e[..., 0], 0.1 * cross * e[..., 0] + low * e[..., 1]], dim=2)
            parts.append(guess[:, now] + self.place(torch.cat([seen, moved], dim=2)) + shaken)
            widths.append((high.log() + low.log())[..., None])
        if not parts:  # no node at all
            return guess, guess, guess[..., :1]
        return guess, torch.cat(parts, dim=1), torch.cat(widths, dim=1)


def _along(values: Tensor, order: Tensor) -> Tensor:
    """The places of padded sets (b, m, c) in an order (b, m)."""
    return values.gather(1, order[..., None].expand(-1, -1, values.size(2)))
