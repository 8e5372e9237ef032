"""What can be chosen about a reconstruction, field by field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pyg_gears.errors import expect
from pyg_gears.transforms import CandidateGraph


@dataclass(frozen=True)
class InferenceSettings:
    """Settings of the patchwise, distance-first reconstruction.

    The defaults of the stitching were chosen with a stand-in that returns the true coordinates of a patch in a random gauge
    plus noise, so that they say nothing about a particular tissue. ``whole_below``, ``min_cover`` and ``fill`` were chosen
    on four held-out sections of mouse hippocampus and breast tumour; on one of four others filling cost a little.
    """

    patch_size: int = 256
    """Cells a patch, at least 8. The models are trained on 96 to 384."""
    min_cover: int = 8
    """Patches that every cell is in, at least 1. Cost grows in proportion; noise falls with its root."""
    overlap: int = 32
    """Cells that neighbouring local patches share, at most half a patch."""
    global_share: float = 0.5
    """Share of the cover given by patches drawn uniformly over all cells, in [0, 1]. They carry the long-range
    distances; any share above 0 means two such patches a cell at least."""
    samples: int = 1
    """Predictions of every patch and model, at least 1: the first without noise, the others with ``noise`` at the
    start."""
    noise: float | None = None
    """Standard deviation of the noise on a sample's initial coordinates, in the model's unit; None takes the level that
    the model was trained with (its attribute ``noise``)."""
    candidates: CandidateGraph = field(default_factory=CandidateGraph)
    """How the graph of a patch is built, on which cells attend to each other: as the models were trained."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Metric of the embedding for locality: "cosine" or "euclidean"."""
    locality_neighbors: int = 20
    """Neighbours a cell in the locality graph, before the mutual and the overlap condition."""
    jaccard: float = 0.05
    """Overlap of the neighbour lists (Jaccard index) that an edge of the locality graph must exceed, in [0, 1)."""
    whole_below: int = 0
    """A query of at most this many cells (or of one patch) is predicted whole. Many overlapping patches are many views of a
    cell: their agreed layout was better than that of one whole prediction, besides scaling."""
    batch_nodes: int = 4096
    """Cells a forward pass at most (a larger patch goes alone). No influence on the result beyond rounding."""
    shard_patches: int = 32
    """Patches that are stored together when a shard folder is given: what a kill can lose."""
    neighbors: int = 12
    """Nearest neighbours of a cell within its patch whose distances are measured."""
    landmarks: int = 8
    """Longer distances a cell and patch: to this many cells spread over the patch."""
    min_support: int = 2
    """Patches that must have measured a local pair for it to be kept (pairs that only global patches hold are
    exempt)."""
    max_spread: float = 3.0
    """Pairs whose measurements scatter by more than this many times the median scatter are dropped."""
    iterations: int = 30
    """Rounds of the global solve."""
    polish: int = 0
    """Iterations of L-BFGS after it (0: none)."""
    anchor: float = 1e-3
    """Pull of a cell to its start, relative to the pull of all its edges."""
    fill: float = 0.25
    """Even-filling prior in [0, 1]: the share of the way towards a uniformly filled disc that every cell is moved.
    Predicted layouts contract to their middle; this corrects part of it and refers to no slide."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("patch_size", 8, None),
            ("min_cover", 1, None),
            ("overlap", 0, self.patch_size // 2),
            ("global_share", 0, 1),
            ("samples", 1, None),
            ("noise", 0, None),
            ("locality_neighbors", 1, None),
            ("jaccard", 0, 1),
            ("whole_below", 0, None),
            ("batch_nodes", 1, None),
            ("shard_patches", 1, None),
            ("neighbors", 1, None),
            ("landmarks", 0, None),
            ("min_support", 1, None),
            ("max_spread", 0, None),
            ("iterations", 1, None),
            ("polish", 0, None),
            ("anchor", 0, None),
            ("fill", 0, 1),
        ):
            value = getattr(self, name)
            inside = value is None or (low <= value and (high is None or value <= high))
            bound = f"at least {low}" if high is None else f"from {low} to {high}"
            expect(inside, f"expected {name} {bound}, found {value}; change the setting")
        expect(
            self.metric in ("cosine", "euclidean"),
            f"expected metric 'cosine' or 'euclidean', found {self.metric!r}; change the setting",
        )
