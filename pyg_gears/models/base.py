"""What every structure model takes and returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.nn import AttentionTerms


@dataclass(frozen=True)
class StructureOutput:
    """The layout that a structure model proposes, and how it came about.

    Attributes:
        pos: Coordinates after the last recycle, shape (n, 2), gauge-fixed per graph.
        trajectory: Coordinates after each recycle, shape (n, 2) each, gauge-fixed; the last is ``pos``.
        initial: Coordinates before the first recycle, shape (n, 2), gauge-fixed.
        state: Node states after the last recycle, shape (n, c_s).
        gate_logits: Gate of each edge used, shape (e,) or (e, h); None where no gate was used.
        edge_index: Edges that messages travelled on, shape (2, e).
        terms: Attention terms of each recycle, where asked for; their rows are the columns of ``edge_index``.
    """

    pos: Tensor
    trajectory: tuple[Tensor, ...]
    initial: Tensor
    state: Tensor
    gate_logits: Tensor | None
    edge_index: Tensor
    terms: tuple[AttentionTerms, ...] | None = None


@dataclass(frozen=True)
class GraphInput:
    """The fields of a PyG Batch (or a single Data) that a structure model reads."""

    x: Tensor
    edge_index: Tensor
    batch: Tensor | None
    num_graphs: int | None


def read_graphs(batch: Any, edge_index: Tensor | None, in_channels: int) -> GraphInput:
    """Read embedding, edges and membership from a Batch or a single Data.

    Args:
        batch: PyG Batch or Data with ``x`` and, unless ``edge_index`` is given, ``edge_index``.
        edge_index: Edges to use instead of the batch's own, shape (2, e).
        in_channels: Channels that ``x`` must have.

    Raises:
        InputError: when the embedding is missing or of another width, or when there are no edges.
    """
    x = getattr(batch, "x", None)
    expect(
        isinstance(x, Tensor) and x.dim() == 2 and x.size(1) == in_channels,
        f"expected an embedding x of shape (n, {in_channels}), found "
        f"{tuple(x.shape) if isinstance(x, Tensor) else 'none'}; use the encoder that the model was built for.",
    )
    edge_index = getattr(batch, "edge_index", None) if edge_index is None else edge_index
    expect(
        isinstance(edge_index, Tensor),
        "expected candidate edges in batch.edge_index, found none; apply transforms.CandidateGraph first.",
    )
    assert isinstance(x, Tensor)
    assert isinstance(edge_index, Tensor)
    if hasattr(edge_index, "as_tensor"):
        edge_index = edge_index.as_tensor()
    membership = getattr(batch, "batch", None)
    num_graphs = None if membership is None else getattr(batch, "num_graphs", None)
    return GraphInput(x=x, edge_index=edge_index, batch=membership, num_graphs=num_graphs)


def read_gate(gate: torch.nn.Module, graphs: GraphInput, gate_logits: Tensor | None, use_gate: bool) -> Tensor | None:
    """The gate logits of the graph in use: those given, those of the network, or None without a gate.

    Raises:
        InputError: when logits are given together with ``use_gate=False`` or belong to other edges.
    """
    if gate_logits is not None:
        expect(use_gate, "expected no gate logits with use_gate=False, found some; leave one of the two out.")
        check_gate_support(gate_logits, graphs.edge_index)
        return gate_logits
    return gate(graphs.x, graphs.edge_index) if use_gate else None


def check_gate_support(gate_logits: Tensor, edge_index: Tensor) -> None:
    """Refuse gate logits that were computed on other edges.

    Raises:
        InputError: when there is not one logit (or row of logits) per edge.
    """
    expect(
        gate_logits.size(0) == edge_index.size(1),
        f"expected gate logits for the {edge_index.size(1)} edges of the graph in use, found {gate_logits.size(0)}: "
        "they belong to another support; compute them on these edges, or pass use_gate=False for an oracle graph.",
    )


def initial_noise(pos: Tensor, std: float, generator: torch.Generator | None) -> Tensor:
    """Gaussian noise of the shape of ``pos``; the generator decides the draw on any device."""
    if std == 0.0:
        return torch.zeros_like(pos)
    device = pos.device if generator is None else generator.device
    return std * torch.randn(pos.shape, generator=generator, dtype=pos.dtype, device=device).to(pos.device)
