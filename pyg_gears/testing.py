"""Property checks for layers, losses and models on graphs: yours as well as ours.

Each check raises ``AssertionError`` with the largest difference. ``pyg_gears.data.simulate_tissue`` makes slides to go with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

GraphFunction = Callable[[Data], Tensor]


def random_graphs(
    sizes: Sequence[int], channels: int, *, share: float = 0.3, seed: int = 0, dtype: torch.dtype = torch.float32
) -> list[Data]:
    """Random symmetric graphs with self-loops, an embedding ``x`` and start coordinates ``pos``.

    Args:
        sizes: Nodes of each graph.
        channels: Channels of ``x``.
        share: Share of the pairs that are edges.
        seed: Same seed, same graphs.
        dtype: Float type of ``x`` and ``pos``.

    Returns:
        One ``Data`` per size, edges sorted by target, then source.
    """
    generator = torch.Generator().manual_seed(seed)
    graphs = []
    for n in sizes:
        draw = torch.rand(n, n, generator=generator) < share
        adjacency = draw.triu(1)
        adjacency = adjacency | adjacency.T | torch.eye(n, dtype=torch.bool)
        edge_index = adjacency.nonzero().T.flip(0).contiguous()
        x = torch.randn(n, channels, generator=generator, dtype=dtype)
        graphs.append(Data(x=x, pos=torch.randn(n, 2, generator=generator, dtype=dtype), edge_index=edge_index))
    return graphs


def permute(graph: Data, order: Tensor) -> Data:
    """The same graph with node ``order[i]`` in place i; node fields, edges and their fields follow, edges sorted again.

    Other fields whose name ends in ``index`` are renumbered and keep their order; what is left stays as it is.
    """
    place = torch.empty_like(order)
    place[order] = torch.arange(order.numel())
    edges = place[graph.edge_index]
    by_target = (edges[1] * order.numel() + edges[0]).argsort(stable=True)
    fields = {}
    for name, value in graph.to_dict().items():
        if name.endswith("index"):
            fields[name] = place[value]
        elif graph.is_node_attr(name):
            fields[name] = value[order]
        else:
            fields[name] = value[by_target] if graph.is_edge_attr(name) else value
    return Data(**fields | {"edge_index": edges[:, by_target]})


def assert_permutation_equivariant(function: GraphFunction, graph: Data, *, tol: float, seed: int = 0) -> None:
    """Numbering the nodes otherwise renumbers the rows of the result (n, ...), and nothing else."""
    order = torch.randperm(int(graph.num_nodes or 0), generator=torch.Generator().manual_seed(seed))
    _close(function(permute(graph, order)), function(graph)[order], tol, "permutation")


def assert_batched_equals_single(function: GraphFunction, graphs: Sequence[Data], *, tol: float) -> None:
    """The rows of a batch's result are those of its graphs alone, whatever keeps them company."""
    together = function(Batch.from_data_list(list(graphs)))
    _close(together, torch.cat([function(graph) for graph in graphs]), tol, "batching")


def assert_pose_invariant(
    function: Callable[[Tensor], Tensor], pos: Tensor, *, allow_reflection: bool, tol: float, seed: int = 0
) -> None:
    """Shift, rotation, scale (and, with ``allow_reflection``, mirror) of coordinates (n, 2) leave the result as it is."""
    turn, shift, scale = _pose(allow_reflection, seed)
    moved = scale * pos.double() @ turn + shift
    _close(function(moved.to(pos.dtype)), function(pos), tol, "pose")


def assert_coordinate_equivariant(
    function: Callable[[Tensor], Tensor],
    pos: Tensor,
    *,
    allow_reflection: bool,
    tol: float,
    invariant: bool = False,
    seed: int = 0,
) -> None:
    """Shift and rotation (and, with ``allow_reflection``, mirror) of coordinates (n, 2) move the result (n, 2) the same way.

    With ``invariant`` they leave the result as it is.
    """
    turn, shift, _ = (torch.as_tensor(part).to(pos.dtype) for part in _pose(allow_reflection, seed))
    expected = function(pos)
    _close(function(pos @ turn + shift), expected if invariant else expected @ turn + shift, tol, "motion")


def _pose(allow_reflection: bool, seed: int) -> tuple[Tensor, Tensor, float]:
    """A rotation (and mirror), a shift and a scale."""
    generator = torch.Generator().manual_seed(seed)
    angle, scale, *shift = (torch.rand(4, generator=generator, dtype=torch.float64) * 5 + 0.5).tolist()
    by = torch.tensor(angle, dtype=torch.float64)
    turn = torch.stack([torch.stack([by.cos(), -by.sin()]), torch.stack([by.sin(), by.cos()])])
    if allow_reflection:
        turn = turn * torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    return turn, torch.tensor(shift, dtype=torch.float64), scale


def _close(found: Tensor, expected: Tensor, tol: float, what: str) -> None:
    assert found.shape == expected.shape, f"{what}: shape {tuple(found.shape)} instead of {tuple(expected.shape)}"
    difference = float((found - expected).detach().abs().max()) if found.numel() else 0.0
    assert difference <= tol, f"{what}: results differ by {difference:.2e}, more than {tol:.0e}"


__all__ = [
    "assert_batched_equals_single",
    "assert_coordinate_equivariant",
    "assert_permutation_equivariant",
    "assert_pose_invariant",
    "permute",
    "random_graphs",
]
