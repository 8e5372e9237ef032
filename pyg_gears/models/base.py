"""What every structure model takes and returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor
from torch.nn import GELU, Linear, Sequential

from pyg_gears._checks import expect
from pyg_gears.geometry import gauge_fix
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


class StructureModel(Protocol):
    """What training, inference and diagnostics ask of a structure model: a ``torch.nn.Module`` that is called like this.

    Attributes:
        gate: Network (x (n, c), edge_index (2, e)) -> logits (e,) or (e, h), 0 on self-loops.
        embed_pos: Network (n, c) -> (n, 2), the first guess of the coordinates before noise and gauge.
        recycles: Rounds of attention.
        beta: Weight of the gate in the attention logits.
        training: Whether the model is in training mode.
    """

    recycles: int
    beta: float
    training: bool

    @property
    def gate(self) -> torch.nn.Module: ...  # noqa: D102

    @property
    def embed_pos(self) -> torch.nn.Module: ...  # noqa: D102

    def __call__(
        self,
        batch: Any,
        edge_index: Tensor | None = None,
        gate_logits: Tensor | None = None,
        use_gate: bool = True,
        noise: float | None = None,
        generator: torch.Generator | None = None,
        *,
        beta: float | None = None,
        detach_gate: bool = False,
        step_scale: float = 1.0,
        attention: str = "learned",
        return_terms: bool = False,
    ) -> StructureOutput:
        """Lay out every graph of a batch.

        Args:
            batch: PyG Batch, or a single Data, with ``x`` (n, c) and ``edge_index`` (2, e).
            edge_index: Edges to travel on instead of the batch's own (an oracle graph).
            gate_logits: Gate logits on these edges, shape (e,) or (e, h); computed by the model's gate if omitted.
            use_gate: False leaves the gate out (its bias is 0).
            noise: Standard deviation of the initial noise; by default the model's in training mode and 0 otherwise.
            generator: Source of the noise; torch's global one if omitted.
            beta: Weight of the gate in this call; the model's if omitted.
            detach_gate: Stop the gradient from the layout to the gate; the gate logits returned keep theirs.
            step_scale: Factor of all step sizes of the coordinates in this call.
            attention: "learned", or an intervention from the second recycle on: "uniform_after_first" (all incoming
                edges of a node, its self-loop too, weigh the same), "gate_only_after_first" (only the gate decides).
            return_terms: Return the attention terms of each recycle (slower: they live on the edges).

        Returns:
            The layout, its trajectory and the gate logits.

        Raises:
            InputError: when the embedding does not fit the model, when the gate logits belong to other edges or are
                given together with ``use_gate=False``, or when ``attention`` is unknown.
        """
        ...

    def parameters(self) -> Iterator[torch.nn.Parameter]: ...  # noqa: D102
    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102
    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> Any: ...  # noqa: D102
    def train(self, mode: bool = True) -> Self: ...  # noqa: D102
    def eval(self) -> Self: ...  # noqa: D102
    def to(self, device: torch.device | str, /) -> Self: ...  # noqa: D102
    def cpu(self) -> Self: ...  # noqa: D102


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


def embedding_networks(in_channels: int, hidden_channels: int) -> tuple[Sequential, Sequential]:
    """The networks of the initial state, c -> 2 c_s -> c_s, and of the initial coordinates, c -> c_s -> 2."""
    return (
        Sequential(Linear(in_channels, 2 * hidden_channels), GELU(), Linear(2 * hidden_channels, hidden_channels)),
        Sequential(Linear(in_channels, hidden_channels), GELU(), Linear(hidden_channels, 2)),
    )


def initial_layout(guess: Tensor, graphs: GraphInput, std: float, generator: torch.Generator | None) -> Tensor:
    """The first guess with noise of this standard deviation, gauge-fixed per graph, shape (n, 2)."""
    return gauge_fix(guess + initial_noise(guess, std, generator), graphs.batch, graphs.num_graphs)


def initial_noise(pos: Tensor, std: float, generator: torch.Generator | None) -> Tensor:
    """Gaussian noise of the shape of ``pos``; the generator decides the draw on any device."""
    if std == 0.0:
        return torch.zeros_like(pos)
    device = pos.device if generator is None else generator.device
    return std * torch.randn(pos.shape, generator=generator, dtype=pos.dtype, device=device).to(pos.device)
