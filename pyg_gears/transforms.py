"""PyG transforms over graphs/ and targets/: they only set fields, and never edit a tensor in place.

A Batch is transformed graph by graph, so that no edge joins two of its graphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from pyg_gears.errors import expect
from pyg_gears.geometry import checked_coordinates
from pyg_gears.graphs import candidate_graph
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.graphs.each_graph import each_graph
from pyg_gears.targets import (
    GateTarget,
    fuzzy_target,
    gate_target,
    gram_factor,
    lle_target,
    log_transitions,
    multiscale_stress_target,
    neighborhood_target,
    random_walk_target,
    ring_triplets,
)
from pyg_gears.targets.gate import check_gate_target
from pyg_gears.targets.multiscale_stress import stress_neighbors
from pyg_gears.typing import Metric

FAMILIES = ("fuzzy", "triplets", "lle", "neighborhood")
"""The families of :class:`TargetFamilies`."""

OF_THE_EDGES = ("edge_attr", "edge_weight", "gate_target")
"""Fields with a row for each column of ``edge_index``, which mean nothing on other edges."""


class CandidateGraph(BaseTransform):
    """Set ``edge_index`` to the kNN candidates of the embedding ``x``, with self-loops.

    Where geometric targets are present the gate's target is set on the new edges, so the two transforms may come in
    either order. ``edge_attr``, ``edge_weight`` and a ``gate_target`` of earlier edges go with these; other fields stay.

    Args:
        k: Neighbours per node, at most n - 1.
        metric: "cosine" or "euclidean".
        mutual: Keep mutual neighbours only.
        jaccard: Least Jaccard overlap of the two neighbour lists, 0..1; 0 keeps every edge.
        projection: Linear map (c, d) of ``x`` in which neighbours are searched; ``x`` itself stays as it is.
        gate_target: The gate's target on the candidates, see :func:`pyg_gears.targets.gate_target`: "walk" (one step of
            the true random walk), "walk2" (two steps) or "mix" (their mean).

    Raises:
        InputError: when the graph has no ``x`` (n, c) of finite floats, for another ``gate_target``, for a heterogeneous
            graph, or for a Batch with fields set since it was made.
    """

    def __init__(
        self,
        k: int = 100,
        metric: Metric = "cosine",
        mutual: bool = False,
        jaccard: float = 0.0,
        projection: Float[Tensor, "c d"] | None = None,
        gate_target: GateTarget = "walk",
    ) -> None:
        check_gate_target(gate_target)
        self.k, self.metric, self.mutual, self.jaccard = k, metric, mutual, jaccard
        self.projection, self.gate_target = projection, gate_target

    def forward(self, data: Data) -> Data:
        """Return the graph, or every graph of a Batch, with ``edge_index`` (and ``gate_target`` where it can be known)."""
        return each_graph(data, self._of_one)

    def _of_one(self, data: Data) -> Data:
        expect(data.x is not None, "expected an embedding in data.x, found none; embed the cells first.")
        data.edge_index = candidate_graph(data.x, **self.choices)
        for name in OF_THE_EDGES:
            if name in data:
                del data[name]
        return _set_gate_target(data, self.gate_target)

    @property
    def choices(self) -> dict[str, Any]:
        """What it passes to :func:`pyg_gears.graphs.candidate_graph`, by name."""
        return {name: getattr(self, name) for name in ("k", "metric", "mutual", "jaccard", "projection")}

    def batch_edges(self, batch: Batch) -> Int[Tensor, "2 e"]:
        """Candidates of every graph of a batch, searched again from its ``x``."""
        # On the CPU, where the candidates of training are found: the same embedding gives the same graph, bit for bit.
        own = {**self.choices, "projection": None if self.projection is None else self.projection.cpu()}
        return candidate_graph(batch.x.cpu(), **own, batch=batch.batch.cpu()).to(batch.x.device)

    def __repr__(self) -> str:
        shown = {**self.choices, "gate_target": self.gate_target}
        if self.projection is not None:
            shown["projection"] = tuple(self.projection.shape)
        return f"CandidateGraph({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class GeometricTargets(BaseTransform):
    """Build the random-walk and stress targets from ``pos``, and drop ``pos``.

    They are those of the whole graph: take a part of it (``NeighborLoader``, ``Data.subgraph``) before, not after.

    Sets ``rw_edge_index``, ``rw_multiplicity``, ``rw_log_ref``, ``rw_steps``, ``sigma``, ``stress_edge_index`` and
    ``stress_distance``, in the float dtype of ``pos`` (float32 for half precision), and ``gate_target`` where candidates
    are present.

    Args:
        k: Spatial neighbours per node; by default 15 % of the nodes, at least 20.
        gate_target: As for :class:`CandidateGraph`; of two transforms the later one decides.

    Raises:
        InputError: when the graph has no ``pos`` (n, d) of finite floats, or fewer than three nodes, for another
            ``gate_target``, for a heterogeneous graph, or for a Batch with fields set since it was made.
    """

    def __init__(self, k: int | None = None, gate_target: GateTarget = "walk") -> None:
        check_gate_target(gate_target)
        self.k, self.gate_target = k, gate_target

    def forward(self, data: Data) -> Data:
        """Return the graph, or every graph of a Batch, with targets and without coordinates."""
        return each_graph(data, self._of_one)

    def _of_one(self, data: Data) -> Data:
        expect(
            data.pos is not None, "expected float coordinates in data.pos, found none; set pos before the transform."
        )
        pos = checked_coordinates(data.pos, "data.pos", finite=True)
        expect(
            not isinstance(data.x, Tensor) or data.x.size(0) == pos.size(0),
            f"expected a position for each row of data.x, found {pos.size(0)}; give every node both or only one.",
        )
        expect(
            pos.size(0) >= 3,
            f"expected at least 3 nodes, found {pos.size(0)}; draw larger minisets.",
        )
        neighbors = stress_neighbors(pos, self.k)  # found once for both
        walk = random_walk_target(pos, self.k, neighbors)
        stress = multiscale_stress_target(pos, self.k, neighbors)
        data.rw_edge_index = walk.edge_index
        data.rw_multiplicity = walk.multiplicity
        data.rw_log_ref = walk.log_ref
        data.rw_steps = torch.tensor([walk.steps], device=pos.device)
        data.sigma = walk.sigma
        data.stress_edge_index = stress.edge_index
        data.stress_distance = stress.distance
        del data.pos
        # PyG infers the number of nodes from x or pos; a graph without an embedding would lose it with pos.
        if data.x is None:
            data.num_nodes = walk.sigma.numel()
        return _set_gate_target(data, self.gate_target)

    def __repr__(self) -> str:
        return f"GeometricTargets(k={self.k}, gate_target={self.gate_target!r})"


class GramFactor(BaseTransform):
    """Set ``gram_factor``, the canonical factor of the Gram matrix of ``pos``; ``pos`` stays, for :class:`GeometricTargets`.

    A model that learns the Gram matrix is trained on it. In the factor no pose is left, but, unlike in the other targets, one
    axis after the other can be read: only such a model's minisets carry it.

    Args:
        units: Length that counts as one, by ``slide_id``, for instance each slide's RMS radius; each graph's own RMS radius if
            omitted.

    Raises:
        InputError: when the graph has no ``pos`` (n, d) of finite floats, or its slide has no unit.
    """

    def __init__(self, units: Mapping[int, float] | None = None) -> None:
        self.units = None if units is None else dict(units)

    def forward(self, data: Data) -> Data:
        """Return the graph, or every graph of a Batch, with ``gram_factor``."""
        return each_graph(data, self._of_one)

    def _of_one(self, data: Data) -> Data:
        expect(
            data.pos is not None,
            "expected float coordinates in data.pos, found none; apply GramFactor before the others.",
        )
        unit = None
        if self.units is not None:
            slide = int(data.slide_id)
            expect(
                slide in self.units,
                f"expected a slide among {', '.join(map(str, sorted(self.units)))}, found {slide}; name its unit.",
            )
            unit = self.units[slide]
        data.gram_factor = gram_factor(data.pos, unit)
        return data

    def __repr__(self) -> str:
        return f"GramFactor({self.units})"


class TargetFamilies(BaseTransform):
    """Set the targets of further families; ``pos`` stays, for :class:`GeometricTargets`.

    "fuzzy" (F1) sets ``fuzzy_edge_index``, ``fuzzy_membership``, ``fuzzy_negative_index`` and ``sigma``; "triplets" (F3)
    ``triplet_index``; "lle" (F5) ``lle_edge_index`` and ``lle_weight``; "neighborhood" ``near_edge_index`` and ``near_tau``.

    Args:
        families: Which; one may be named alone.
        k: Spatial neighbours per node; by default 15 % of the nodes, at least 20.
        seed: Of negatives and triplets: the same graph gets the same ones.

    Raises:
        InputError: when the graph has no ``pos`` (n, d) of finite floats, or for another family.
    """

    def __init__(self, families: Sequence[str] | str = FAMILIES, k: int | None = None, seed: int = 0) -> None:
        families = (families,) if isinstance(families, str) else families
        other = [name for name in families if name not in FAMILIES]
        expect(
            not other, f"expected families among {', '.join(FAMILIES)}, found {', '.join(other)}; name some of these."
        )
        self.families, self.k, self.seed = tuple(families), k, seed

    def forward(self, data: Data) -> Data:
        """Return the graph, or every graph of a Batch, with the targets."""
        return each_graph(data, self._of_one)

    def _of_one(self, data: Data) -> Data:
        expect(
            data.pos is not None,
            "expected float coordinates in data.pos, found none; apply TargetFamilies before the others.",
        )
        if "fuzzy" in self.families:
            fuzzy = fuzzy_target(data.pos, torch.Generator().manual_seed(self.seed), self.k)
            data.fuzzy_edge_index, data.fuzzy_membership, data.fuzzy_negative_index, data.sigma = fuzzy
        if "triplets" in self.families:
            data.triplet_index = ring_triplets(data.pos, torch.Generator().manual_seed(self.seed), self.k)
        if "lle" in self.families:
            data.lle_edge_index, data.lle_weight = lle_target(data.pos, self.k)
        if "neighborhood" in self.families:
            data.near_edge_index, data.near_tau = neighborhood_target(data.pos, self.k)
        return data

    def __repr__(self) -> str:
        return f"TargetFamilies({self.families}, k={self.k}, seed={self.seed})"


def _set_gate_target(data: Data, kind: GateTarget) -> Data:
    if data.edge_index is not None and "rw_log_ref" in data:
        n = data.sigma.numel()
        data.edge_index = checked_edges(data.edge_index, n)
        transition = log_transitions(data.rw_log_ref, data.rw_multiplicity, data.rw_edge_index, n).exp()
        data.gate_target = gate_target(data.edge_index, data.rw_edge_index, transition, n, kind)
    return data


__all__ = ["CandidateGraph", "GeometricTargets", "GramFactor", "TargetFamilies"]
