"""Spectral attention between two graphs as a layer that other models train."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Linear
from torch_geometric.nn import MessagePassing

from pyg_gears.errors import expect
from pyg_gears.graphs import checked_edges
from pyg_gears.transfer.activation import activation, attention_rows


class SpectralCrossAttention(MessagePassing):
    r"""Self and cross activation through learned maps of the basis, then a gated feed-forward over the target's edges.

    .. math::
        q = \phi_t W_q^T, \quad a_{self} &= \tfrac{1}{n_t} q\,(W_k \phi_t^T x_t), \quad
        a_{cross} = \tfrac{1}{n_s} q\,(W_k \phi_s^T x_s) \\
        z_i &= [a_i, \operatorname{mean}_{j \to i} a_j], \quad a = [a_{self}, a_{cross}] \\
        y_i &= \sigma(G z_i) \odot F z_i

    Linear in the number of nodes: no entry of the attention is computed. Both maps start as the identity, so that a new
    layer attends as the aligned bases say. No softmax over a row: the gate, by magnitude, may stay shut everywhere.

    Args:
        basis_channels: Eigenvectors k of either graph.
        in_channels: Channels c of the signals.
        out_channels: Channels of the result.
        hidden_channels: Channels of queries and keys; k if omitted.

    >>> layer = SpectralCrossAttention(4, 3, 8)
    >>> phi_t, phi_s = torch.randn(5, 4), torch.randn(6, 4)
    >>> layer(phi_t, torch.randn(5, 3), torch.tensor([[0, 1], [1, 2]]), phi_s, torch.randn(6, 3)).shape
    torch.Size([5, 8])
    """

    def __init__(
        self, basis_channels: int, in_channels: int, out_channels: int, hidden_channels: int | None = None
    ) -> None:
        super().__init__(aggr="mean", node_dim=0)
        hidden = basis_channels if hidden_channels is None else hidden_channels
        self.basis_channels, self.in_channels, self.out_channels = basis_channels, in_channels, out_channels
        self.to_query = Linear(basis_channels, hidden, bias=False)
        self.to_key = Linear(basis_channels, hidden, bias=False)
        self.open_gate = Linear(4 * in_channels, out_channels)
        self.read = Linear(4 * in_channels, out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the feed-forward again; the maps of the basis become the identity."""
        torch.nn.init.eye_(self.to_query.weight)
        torch.nn.init.eye_(self.to_key.weight)
        self.open_gate.reset_parameters()
        self.read.reset_parameters()

    def forward(
        self,
        phi_target: Float[Tensor, "n k"],
        x_target: Float[Tensor, "n c"],
        edge_index: Int[Tensor, "2 e"],
        phi_sample: Float[Tensor, "m k"],
        x_sample: Float[Tensor, "m c"],
    ) -> Float[Tensor, "n d"]:
        """Read a sample from the nodes of a target.

        Args:
            phi_target: Basis of the target, of root mean square about 1, shape (n, k).
            x_target: Signal of the target, shape (n, c).
            edge_index: Edges of the target, shape (2, e); whatever :func:`pyg_gears.graphs.checked_edges` takes.
            phi_sample: Basis of the sample, aligned to the target's, shape (m, k).
            x_sample: Signal of the sample, shape (m, c).

        Returns:
            Result, shape (n, out_channels).

        Raises:
            InputError: when bases or signals have other channels, or not one row a node.
        """
        for name, phi, x in (("target", phi_target, x_target), ("sample", phi_sample, x_sample)):
            expect(
                phi.shape == (len(x), self.basis_channels) and x.dim() == 2 and x.size(1) == self.in_channels,
                f"expected {self.basis_channels} basis and {self.in_channels} signal channels for each node of the {name}, "
                f"found shapes {tuple(phi.shape)} and {tuple(x.shape)}; pass one row a node.",
            )
        edge_index = checked_edges(edge_index, len(x_target))
        query = self.to_query(phi_target)
        own = activation(query, self.to_key(phi_target), x_target)
        cross = activation(query, self.to_key(phi_sample), x_sample)
        a = torch.cat([own, cross], dim=1)
        around = self.propagate(edge_index, a=a, size=(len(a), len(a)))
        z = torch.cat([a, around], dim=1)
        return torch.sigmoid(self.open_gate(z)) * self.read(z)

    def message(self, a_j: Tensor) -> Tensor:
        """The activations of the source."""
        return a_j

    def scores(self, phi_rows: Float[Tensor, "r k"], phi_sample: Float[Tensor, "m k"]) -> Float[Tensor, "r m"]:
        r"""How well each node of the sample matches a few nodes of the target; the largest is the nearest key.

        .. math:: s_{ij} = q_i \cdot k_j - \tfrac12 \|k_j\|^2

        Without the second term long keys would win everywhere.

        Args:
            phi_rows: Basis at r nodes of the target, shape (r, k).
            phi_sample: Basis of the sample, shape (m, k).

        Returns:
            Scores, shape (r, m): keep r small.
        """
        key = self.to_key(phi_sample)
        return attention_rows(self.to_query(phi_rows), key) - key.square().sum(dim=1) / 2

    def __repr__(self) -> str:
        return f"SpectralCrossAttention({self.basis_channels}, {self.in_channels}, {self.out_channels})"
