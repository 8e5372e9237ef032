"""A graph with a signal and places: what structure is transferred between."""

from __future__ import annotations

from typing import Literal, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.errors import expect
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.geometry.check_finite import check_finite
from pyg_gears.graphs import checked_edges
from pyg_gears.spectral import grid_edges, grid_positions

MOST_NODES = 2**20
"""A picture of 1024 x 1024. Above it the factor of the Laplacian would need more than 2 GB."""


class SignalGraph(NamedTuple):
    """Signal (n, c), places (n, 2), edges (2, e); ``size`` is (height, width) where the graph is a picture."""

    signal: Float[Tensor, "n c"]
    pos: Float[Tensor, "n 2"]
    edge_index: Int[Tensor, "2 e"]
    size: tuple[int, int] | None = None


def picture_graph(picture: Float[Tensor, "h w c"], neighbors: Literal[4, 8] = 8) -> SignalGraph:
    """A picture as the graph of its pixels.

    Args:
        picture: Values in [0, 1], shape (h, w, c).
        neighbors: 4 or 8 neighbours of a pixel; with 8 a line of two pixels is contour all through, with 4 not where it is
            oblique.

    Returns:
        The graph; a pixel's place is (column, row).

    Raises:
        InputError: for a picture that is empty, too large, of one colour, not finite or of another shape, or for another number
            of neighbours.
    """
    expect(
        picture.dim() == 3 and picture.numel() > 0,
        f"expected a picture of height x width x channels, found {' x '.join(map(str, picture.shape))}; pass one with pixels.",
    )
    height, width, channels = picture.shape
    check_size(height * width, f"{width} x {height} pixels")
    graph = SignalGraph(
        picture.reshape(-1, channels).double(),
        grid_positions(height, width),
        grid_edges(height, width, neighbors),
        (height, width),
    )
    _check_signal(graph.signal)
    return graph


def data_graph(data: Data) -> SignalGraph:
    """The graph of a PyG ``Data``: its ``x`` is the signal.

    Args:
        data: With ``x`` (n, c), ``pos`` (n, 2) and ``edge_index`` (2, e).

    Returns:
        The graph.

    Raises:
        InputError: when one of the three is missing or of another shape, when the graph is too large, or for a signal that is
            constant or not finite.
    """
    for name in ("x", "pos", "edge_index"):
        expect(
            isinstance(data.get(name), Tensor),
            f"expected Data with x, pos and edge_index, found no {name}; add it (KNNGraph makes edges from pos).",
        )
    x, pos = data.x, data.pos
    expect(
        x.dim() == 2 and x.numel() > 0, f"expected x of shape (n, c), found {tuple(x.shape)}; pass a row for each node."
    )
    expect(
        pos.shape == (x.size(0), 2),
        f"expected pos of shape ({x.size(0)}, 2), found {tuple(pos.shape)}; pass a place in the plane for each node.",
    )
    check_size(x.size(0), f"{x.size(0)} nodes")
    _check_signal(x)
    check_finite(pos=pos)
    return SignalGraph(x.double(), pos.double(), checked_edges(data.edge_index, x.size(0)))


def node_spacing(graph: SignalGraph) -> float:
    """The distance of neighbours: 1 on a picture, the median distance to the nearest other node elsewhere.

    Args:
        graph: With at least two nodes.

    Raises:
        InputError: where at least half of the nodes lie on another one, or distances leave float64.
    """
    if graph.size:
        return 1.0
    spacing = float(nearest_neighbors(graph.pos, 1).distance.median())
    expect(
        0 < spacing < float("inf"),
        f"expected nodes at places of their own, found a median distance of {spacing:g} to the nearest other node; merge "
        "nodes that lie on one another, or take another unit.",
    )
    return spacing


def check_size(nodes: int, found: str) -> None:
    """Refuse what would take more memory than is sensible.

    Args:
        nodes: Number of nodes.
        found: How to say it.

    Raises:
        InputError: above :data:`MOST_NODES`.
    """
    expect(
        nodes <= MOST_NODES,
        f"expected at most {MOST_NODES:,} nodes (1024 x 1024 pixels), found {found}; make the input smaller.",
    )


def _check_signal(signal: Tensor) -> None:
    check_finite(signal=signal)
    expect(
        bool((signal.amax(dim=0) > signal.amin(dim=0)).any()),
        "expected a signal with structure, found one colour everywhere; pass a picture with lines in it.",
    )
