"""A graph as the transfer reads it: contours, basis, moments."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.spectral import (
    BasisAlignment,
    affinity_laplacian,
    align_bases,
    boundary_mask,
    lowest_eigenvectors,
    node_functions,
    spectral_moments,
)
from pyg_gears.transfer.signal_graph import SignalGraph, node_spacing


class DescribedGraph(NamedTuple):
    """``phi`` is sqrt(n) times the eigenvectors, so that graphs of unlike size compare; ``spacing`` between neighbours."""

    graph: SignalGraph
    contours: Bool[Tensor, " n"]
    phi: Float[Tensor, "n k"]
    moments: Float[Tensor, "m k"]
    spacing: float


def describe(graph: SignalGraph, name: str, *, k: int = 12, boundary_only: bool = False) -> DescribedGraph:
    """Find a graph's contours, its k lowest eigenvectors and their moments.

    Args:
        graph: The graph.
        name: What it is called in an error.
        k: Eigenvectors.
        boundary_only: Whether the Laplacian is that of the contours alone.

    Returns:
        The description.

    Raises:
        InputError: for a graph without contours, with too few nodes, or with most nodes on one another.
    """
    signal, pos, edges = graph.signal, graph.pos, graph.edge_index
    n = len(signal)
    expect(n > k + 1, f"expected more than {k + 1} nodes in the {name}, found {n}; pass a larger one or a smaller k.")
    spacing = node_spacing(graph)
    contours = boundary_mask(signal, edges)
    expect(
        bool(contours.any()),
        f"expected contours in the {name}, found none along its edges; pass a signal that jumps, or edges that join nodes.",
    )
    laplacian = affinity_laplacian(signal, edges, nodes=contours if boundary_only else None)
    basis = lowest_eigenvectors(laplacian, k)
    if basis.gap <= 1e-6 * float(basis.values[-1]) + 1e-12:
        warnings.warn(
            f"eigenvalues {k} and {k + 1} of the {name} are equal, so that its basis is not unique; choose another k",
            stacklevel=3,
        )
    functions = torch.stack(list(node_functions(signal, contours, laplacian, pos).values()), dim=1)
    return DescribedGraph(
        graph,
        contours,
        n**0.5 * basis.vectors,
        spectral_moments(basis.vectors, functions),
        spacing,
    )


def align(sample: DescribedGraph, target: DescribedGraph) -> BasisAlignment:
    """The sample's basis on the target's, by the moments of the functions that both have.

    Args:
        sample: The one to turn.
        target: The one to turn it onto.

    Returns:
        The map: ``sample.phi @ rotation`` compares with ``target.phi``.
    """
    return align_bases(sample.moments, target.moments)
