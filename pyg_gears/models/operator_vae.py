"""A latent per node whose inner products are the operator, and a layout decoded from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Linear

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.graphs import segment_softmax
from pyg_gears.losses.at_least_one import at_least_one
from pyg_gears.losses.gate import candidate_transitions
from pyg_gears.losses.membership import membership
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.generator_diffusion.context_encoder import ContextEncoder
from pyg_gears.models.graph_input import read_graphs
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.models.weighted_terms import weighted_terms
from pyg_gears.models.wide import wide
from pyg_gears.nn import Perceptron, pad_sets

LIMIT = 4.0
EPS = 1e-8


class Normal(NamedTuple):
    """Independent normal distributions, mean and log-variance, shape (n, d) each."""

    mean: Float[Tensor, "n d"]
    log_variance: Float[Tensor, "n d"]


class OperatorVAE(StructureModel):
    r"""Variational: the operator is drawn from a latent of each node, the layout is decoded from the operator.

    .. math::
        h &= \mathrm{ISAB}^K(H), \quad p(z|H) = N(\mathrm{MLP}(h)), \quad
        q(z|H, T_{ref}) = N(\mathrm{MLP}(h, T_{ref} h, T_{ref}^2 h)) \\
        T_{ij} &= \mathrm{softmax}_{j \to i, j \neq i}(z_i^T A^T B z_j / \sqrt d + \gamma\, \mathrm{Gumbel}), \quad
        x = \mathrm{gauge}(\mathrm{MLP}(\mathrm{ISAB}^K([h, z, T z, T^2 z])))

    In training z comes from q, which reads the true transitions on the candidates (``gate_target``, where the batch has them and
    no other edges are asked for); in evaluation from p: its mean, or a draw with ``noise``.

    Its own terms: KL from q to p, the KL from the true transitions to T, the entropy of T's rows over that of the uniform row
    (against rows that say nothing), and the squared covariances of different channels of z.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of h.
        layers: Set attention blocks K, of encoder and decoder each.
        points: Learned points of each.
        heads: Attention heads; must divide the channels.
        latent_channels: Channels d of z.
        noise: Scale of the deviations of z in further samples; in training it is 1 where this is above 0.
        gumbel: Scale of the Gumbel noise on the logits, wherever z is drawn.
        divergence: Weight of the KL from q to p, per node.
        transitions: Weight of the KL from the true transitions.
        uniform: Weight of the rows' entropy.
        covariance: Weight of the covariances.

    Raises:
        InputError: for a negative scale of a noise.

    Source: Kingma and Welling, Auto-encoding variational Bayes (2014); covariances after Bardes et al., VICReg (2022).
    """

    samples: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"gate_target"})

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 64,
        layers: int = 2,
        points: int = 16,
        heads: int = 4,
        latent_channels: int = 16,
        noise: float = 1.0,
        gumbel: float = 0.1,
        divergence: float = 0.01,
        transitions: float = 0.1,
        uniform: float = 0.01,
        covariance: float = 0.01,
    ) -> None:
        super().__init__(in_channels)
        expect(min(noise, gumbel) >= 0, f"expected noises of at least 0, found {min(noise, gumbel)}; 0 draws nothing.")
        self.noise, self.gumbel = noise, gumbel
        self.weights = {
            "latent_kl": divergence,
            "transitions": transitions,
            "uniform": uniform,
            "covariance": covariance,
        }
        c, d = hidden_channels, latent_channels
        self.context = ContextEncoder(in_channels, c, layers, points, heads)
        self.prior, self.posterior = Perceptron(c, c, 2 * d), Perceptron(3 * c, c, 2 * d)
        self.receive, self.send = Linear(d, d, bias=False), Linear(d, d, bias=False)
        self.decoder = ContextEncoder(c + 3 * d, c, layers, points, heads)
        self.embed_pos = Perceptron(c, c, 2)

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
            The layout, T as ``operator``, z as ``code``, h as ``state``.
        """
        graphs = read_graphs(batch, edge_index, self.in_channels, self.context.lift.weight)
        n, edges, dtype = graphs.x.size(0), graphs.edge_index, graphs.x.dtype
        sets = pad_sets(graphs.batch, n, graphs.num_graphs)
        h = sets.gather(self.context(sets.pad(graphs.x), sets.mask)).to(dtype)
        scale = noise if noise is not None else (float(self.noise > 0) if self.training else 0.0)
        with torch.autocast(graphs.x.device.type, enabled=False):
            taught = self.training and edge_index is None and getattr(batch, "gate_target", None) is not None
            found = self._posterior(h, edges, batch) if taught else self._prior(h)
            z = found.mean + (0.5 * found.log_variance).exp() * initial_noise(found.mean, scale, generator)
            logits = self._logits(z, edges)
            if scale > 0 and self.gumbel > 0:
                logits = logits + scale * self.gumbel * _gumbel(logits, generator)
            operator = segment_softmax(logits[:, None], edges[1], n)[:, 0]
        once = _spread(z, operator, edges)
        seen = torch.cat([h, z, once, _spread(once, operator, edges)], dim=1)
        decoded = sets.gather(self.decoder(sets.pad(seen), sets.mask))
        pos = gauge_fix(self.embed_pos(decoded).to(dtype), graphs.batch, graphs.num_graphs)
        return StructureOutput(edges, (pos,), operator=operator, state=h, code=z)

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """KL of the latents, KL of the transitions, entropy of the rows, covariances; a weight of 0 leaves one out.

        Raises:
            InputError: when the batch has no true transitions.
        """
        assert output.state is not None
        assert output.operator is not None
        assert output.code is not None
        h, edges, operator, z = output.state, output.edge_index, wide(output.operator), wide(output.code)
        n, target = h.size(0), edges[1]
        truth = candidate_transitions(batch, edges).to(operator.dtype)
        loop = edges[0] == edges[1]
        log_found = (operator + EPS).log().masked_fill(loop, 0.0)
        members = membership(batch, n, h.device)

        def per_node(values: Tensor) -> Tensor:
            return members.node_mean(values.new_zeros(n).index_add(0, target, values)).mean()

        def uniformity() -> Tensor:
            others = operator.new_zeros(n).index_add(0, target, (~loop).to(operator.dtype))
            return per_node(-operator * log_found / others.clamp(min=2).log()[target])

        def covariance() -> Tensor:
            centred = z - z.mean(dim=0)
            table = centred.T @ centred / max(n - 1, 1)
            return (table - torch.diag(table.diagonal())).square().mean()

        terms = {
            "latent_kl": lambda: _divergence(self._posterior(h, edges, batch), self._prior(h)),
            "transitions": lambda: per_node(truth * ((truth + EPS).log() - log_found).masked_fill(loop, 0.0)),
            "uniform": uniformity,
            "covariance": covariance,
        }
        return weighted_terms(self.weights, terms)

    def _prior(self, h: Tensor) -> Normal:
        return _normal(self.prior(h))

    def _posterior(self, h: Tensor, edges: Int[Tensor, "2 e"], batch: Any) -> Normal:
        truth = candidate_transitions(batch, edges).to(h.dtype)
        once = _spread(h, truth, edges)
        return _normal(self.posterior(torch.cat([h, once, _spread(once, truth, edges)], dim=1)))

    def _logits(self, z: Tensor, edges: Tensor) -> Tensor:
        """Logits of the edges, -inf on self-loops, shape (e,)."""
        source, target = edges
        products = (self.receive(z)[target] * self.send(z)[source]).sum(dim=1) / z.size(1) ** 0.5
        return products.masked_fill(source == target, -torch.inf)


def _normal(values: Tensor) -> Normal:
    mean, spread = values.chunk(2, dim=1)
    return Normal(mean, LIMIT * torch.tanh(spread / LIMIT))


def _divergence(q: Normal, p: Normal) -> Tensor:
    """KL from q to p, sum over channels, mean over nodes, in nats."""
    gap = (q.mean - p.mean).square() * (-p.log_variance).exp()
    ratio = q.log_variance - p.log_variance
    return 0.5 * at_least_one((ratio.exp() - 1 - ratio + gap).sum(dim=1)).mean()


def _spread(values: Float[Tensor, "n d"], weight: Float[Tensor, " e"], edges: Tensor) -> Float[Tensor, "n d"]:
    """T times the values: row i reads its sources."""
    return torch.zeros_like(values).index_add(0, edges[1], weight[:, None] * values[edges[0]])


def _gumbel(like: Tensor, generator: torch.Generator | None) -> Tensor:
    device = like.device if generator is None else generator.device
    draw = torch.rand(like.shape, generator=generator, dtype=torch.float64, device=device).to(like.device)
    return -(-draw.clamp(min=1e-12, max=1 - 1e-12).log()).log().to(like.dtype)
