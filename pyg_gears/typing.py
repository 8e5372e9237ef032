"""The alphabet of dimensions that every signature of the package is written in.

* ``n``: nodes: spots or cells of one graph, or of all graphs of a batch
* ``e``: edges; ``r`` edges of the random walk, ``s`` edges of the stress
* ``b``: graphs of a batch
* ``c``: channels of the embedding
* ``g``: genes
* ``h``: attention heads
* ``k``: neighbours of a node

Graphs follow PyTorch Geometric: ``edge_index[0]`` is the source j, ``edge_index[1]`` the target i, messages flow j -> i.
"""

from __future__ import annotations

from os import PathLike
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""A NumPy array of any float width."""

IntArray: TypeAlias = NDArray[np.integer[Any]]
"""A NumPy array of any integer width."""

BoolArray: TypeAlias = NDArray[np.bool_]
"""A NumPy array of truth values."""

FilePath: TypeAlias = str | PathLike[str]
"""A path as the user gives it."""

Metric: TypeAlias = Literal["cosine", "euclidean"]
"""How embeddings are compared."""

Frame: TypeAlias = Literal["free", "rotation"]
"""Maps of coordinates per attention head: any, or those that commute with rotations."""

GateBound: TypeAlias = Literal["clip", "tanh"]
"""How a gate keeps its logits within their limit."""

GateTarget: TypeAlias = Literal["walk", "walk2", "mix"]
"""What a gate is taught: one step of the true random walk, two, or the mean of both."""

QKMode: TypeAlias = Literal["none", "plain", "divided", "published", "learned"]
"""Scale of the q.k term of an attention."""

RecycleAttention: TypeAlias = Literal["learned", "uniform_after_first", "smoothing_after_first", "hard_gate"]
"""What the rounds of a recycling model are."""

__all__ = [
    "FilePath",
    "FloatArray",
    "Frame",
    "GateBound",
    "GateTarget",
    "IntArray",
    "Metric",
    "QKMode",
    "RecycleAttention",
]
