"""One operator of all cells from those of overlapping patches, and the layout that it alone gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array, diags_array, eye_array
from scipy.sparse.csgraph import connected_components
from torch_geometric.data import Batch, Data

from pyg_gears.errors import expect
from pyg_gears.geometry import principal_frame
from pyg_gears.layout.fill import fill_evenly
from pyg_gears.layout.locality import locality_graph
from pyg_gears.layout.neighbor_refinement import refine_neighbors
from pyg_gears.layout.patches import PatchesOutput, draw_patches
from pyg_gears.layout.settings import LayoutSettings
from pyg_gears.seeds import random_stream
from pyg_gears.transforms import CandidateGraph

Decode = Literal["eigenvectors", "landmarks"]
DECODES: tuple[Decode, ...] = ("eigenvectors", "landmarks")
LANDMARKS = 256
WALK = 8
"""Steps of the walk whose diffusion distances the landmarks are laid out by."""
BRIDGE = 0.05
"""Share of the walk that goes along the locality graph where the merged operator falls into parts."""
DENSE = 600
"""Up to this number of cells dense solvers are faster."""
LEAST = 1e-3
"""Least distance of an eigenvalue from 1, and least ratio of the two axes' eigenvalues."""


class ReversibleOperator(NamedTuple):
    r"""A reversible walk.

    Attributes:
        similar: :math:`S = \Pi^{1/2} T \Pi^{-1/2}`, symmetric, (n, n); its largest eigenvalue is 1, of :math:`\sqrt\pi`.
        stationary: :math:`\pi`, positive, with sum 1, shape (n,).
    """

    similar: csr_array
    stationary: Float[np.ndarray, " n"]


class OperatorLayout(NamedTuple):
    """A layout that operators alone have made.

    Attributes:
        pos: Coordinates, float64, centred, root mean square radius 1, longest axis first, shape (n, 2).
        operator: The merged operator, made reversible.
        patches: How many were merged.
        parts: Parts into which the operator fell; more than one were joined along the locality graph.
    """

    pos: Float[np.ndarray, "n 2"]
    operator: ReversibleOperator
    patches: int
    parts: int


def operator_layout(
    model: Callable[..., Any],
    x: Float[torch.Tensor, "n c"],
    *,
    candidates: CandidateGraph,
    settings: LayoutSettings | None = None,
    decode: Decode = "eigenvectors",
    landmarks: int = LANDMARKS,
    seed: int = 0,
) -> OperatorLayout:
    """Lay out cells by who diffuses to whom: no patch is given coordinates.

    The operators of overlapping local patches are merged (:func:`merge_operators`), made reversible
    (:func:`reversible_operator`) and decoded; near neighbours are refined and the area filled as in
    :func:`~pyg_gears.layout.reconstruct_layout`. Patches drawn from all cells at random take no part: a step of their walk is as
    long as the tissue.

    Measured, it loses against patches that vote with their coordinates: hippocampus 4, one OperatorNet of a short training,
    Spearman, Trust@20 and recall@15 0.518, 0.782, 0.112 against 0.607, 0.822, 0.145. For a tissue about twice as long as wide the
    second axis repeats the first. It is there for questions about operators.

    Args:
        model: A structure model whose output has an ``operator``, in evaluation mode.
        x: Embedding, shape (n, c), n at least 4.
        candidates: The candidate graph that the model was trained on.
        settings: ``patch_size``, ``min_cover``, ``overlap``, those of the locality graph, of refinement and filling are used; the
            defaults if omitted.
        decode: "eigenvectors" (:func:`eigenvector_coordinates`) or "landmarks" (:func:`landmark_coordinates`).
        landmarks: Cells that "landmarks" solves for, at least 3, drawn by the seed.
        seed: Same seed, same layout.

    Raises:
        InputError: for fewer than 4 cells, fewer than 3 landmarks, a model that makes no operator, or an unknown decode.
    """
    x = torch.as_tensor(x).detach().to("cpu", torch.float32)
    n, settings = len(x), settings or LayoutSettings()
    expect(n >= 4, f"expected at least 4 cells, found {n}; give more cells.")
    expect(decode in DECODES, f"expected a decode among {', '.join(DECODES)}, found {decode!r}; name one of them.")
    locality = locality_graph(
        x, settings.locality_neighbors, settings.jaccard, candidates.metric, settings.shared_neighbors
    )
    patches = draw_patches(
        locality.graph, settings.patch_size, settings.min_cover, settings.shared_cells, global_share=0.0, seed=seed
    )
    operators = [_operator(model, candidates, x[torch.from_numpy(patches[patch])]) for patch in range(len(patches))]
    merged = merge_operators(patches, operators)
    parts = int(connected_components(merged, connection="strong")[0])
    if parts > 1:
        step = diags_array(1.0 / np.asarray(locality.graph.sum(axis=1), dtype=np.float64)) @ locality.graph
        merged = csr_array((1 - BRIDGE) * merged + BRIDGE * step)
    operator = reversible_operator(merged)
    if decode == "landmarks":
        chosen = random_stream(seed, "landmarks").choice(n, min(landmarks, n), replace=False)
        pos = landmark_coordinates(operator, np.sort(chosen))
    else:
        pos = eigenvector_coordinates(operator)
    pos = pos - pos.mean(axis=0)
    pos = pos / max(float(np.sqrt((pos**2).sum(axis=1).mean())), 1e-12)
    pos = refine_neighbors(pos, (x,), rounds=settings.refinement_rounds, pull=settings.refinement_pull)
    pos = fill_evenly(pos, settings.fill)
    posed = principal_frame(torch.from_numpy(np.ascontiguousarray(pos, dtype=np.float64))).numpy()
    return OperatorLayout(posed, operator, len(patches), parts)


def merge_operators(patches: PatchesOutput, operators: Sequence[csr_array]) -> csr_array:
    r"""Average the operators of overlapping patches, entry by entry.

    .. math:: T_{ij} \propto \frac{1}{|P_{ij}|} \sum_{p \in P_{ij}} T^p_{ij}, \quad P_{ij} = \{p : i \in p, j \in p\}

    with rows that sum to one. A patch that holds both cells and has no entry counts with zero. A cell from which no patch knows a
    step stays where it is.

    Args:
        patches: Cells of every patch.
        operators: Transitions inside each, row = from, (m, m), non-negative.

    Returns:
        The operator, (n, n), as sparse as those that it is made of.
    """
    n = patches.n
    entries = [operator.tocoo() for operator in operators]
    cells = [patches[patch] for patch in range(len(patches))]
    row = np.concatenate([own[entry.row] for own, entry in zip(cells, entries, strict=True)])
    column = np.concatenate([own[entry.col] for own, entry in zip(cells, entries, strict=True)])
    total = csr_array((np.concatenate([entry.data for entry in entries]), (row, column)), shape=(n, n))
    total.sum_duplicates()
    # Where an entry stands, counted from 1: slices of a sparse matrix may drop zeros.
    place = csr_array((np.arange(1, total.nnz + 1), total.indices, total.indptr), shape=(n, n))
    holding = np.zeros(total.nnz)
    for own in cells:
        holding[place[own][:, own].data - 1] += 1
    mean = csr_array((total.data / holding, total.indices, total.indptr), shape=(n, n))
    leaving = np.asarray(mean.sum(axis=1), dtype=np.float64)
    stuck = leaving <= 0
    mean = csr_array(mean + diags_array(stuck.astype(np.float64))) if stuck.any() else mean
    return csr_array(diags_array(1.0 / np.where(stuck, 1.0, leaving)) @ mean)


def reversible_operator(transition: csr_array) -> ReversibleOperator:
    r"""The walk that goes forwards or backwards in time with even chances: reversible, with the same stationary distribution.

    .. math:: \tfrac12 (T + \Pi^{-1} T^T \Pi), \quad \pi T = \pi

    A reversible operator is its own.

    Args:
        transition: T, rows sum to one, (n, n), with a path from every cell to every other.

    Source: Fill, Eigenvalue bounds on convergence to stationarity for nonreversible Markov chains (1991).
    """
    stationary = _stationary(transition)
    root = np.sqrt(stationary)
    half = 0.5 * (diags_array(root) @ transition @ diags_array(1.0 / root))
    return ReversibleOperator(csr_array(half + half.T), stationary)


def eigenvector_coordinates(operator: ReversibleOperator) -> Float[np.ndarray, "n 2"]:
    r"""The second and third eigenvector of S, each over :math:`\sqrt{1 - \lambda}`, as OperatorNet's decoder has them.

    The sum of an axis' cubes is not negative.
    """
    from scipy.sparse.linalg import eigsh

    similar, n = operator.similar, len(operator.stationary)
    if n <= DENSE:
        value, vector = np.linalg.eigh(similar.toarray())
    else:
        # A fixed start makes the result the same every time; it is not an eigenvector of anything.
        start = np.random.default_rng(0).random(n) + 0.5
        value, vector = eigsh(similar, k=3, which="LA", v0=start, ncv=40, tol=1e-9)
    axes = np.argsort(-value, kind="stable")[1:3]
    pos = vector[:, axes] / np.sqrt(np.maximum(1 - value[axes], LEAST))
    return pos * np.where((pos**3).sum(axis=0) < 0, -1.0, 1.0)


def landmark_coordinates(
    operator: ReversibleOperator, landmarks: Int[np.ndarray, " l"], steps: int = WALK
) -> Float[np.ndarray, "n 2"]:
    r"""Classical scaling of the landmarks' diffusion distances, and the Nystroem extension to all cells.

    .. math::
        K = \Pi^{-1/2} S^{2t} \Pi^{-1/2}, \quad J K_{LL} J \approx U \Lambda U^T, \quad
        x_i = \Lambda^{-1/2} U^T (K_{Li} - \overline{K_{LL}})

    K is the Gram matrix of the distances between rows of :math:`T^t`. With all cells as landmarks these are their classical
    scaling; with fewer nothing of n x n values and no eigenvector of all cells is needed.

    Args:
        operator: The operator.
        landmarks: Cells that are solved for, shape (l,), l at least 3.
        steps: t.

    Raises:
        InputError: for fewer than 3 landmarks.

    Source: Coifman and Lafon, Diffusion maps (2006); de Silva and Tenenbaum, Sparse multidimensional scaling using landmark
        points (2004).
    """
    expect(len(landmarks) >= 3, f"expected at least 3 landmarks, found {len(landmarks)}; raise their number.")
    root, n = np.sqrt(operator.stationary), len(operator.stationary)
    block = np.zeros((n, len(landmarks)))
    block[landmarks, np.arange(len(landmarks))] = 1.0 / root[landmarks]
    for _ in range(2 * steps):
        block = operator.similar @ block
    block /= root[:, None]
    own = block[landmarks]
    mean = own.mean(axis=0)
    gram = own - mean - mean[:, None] + mean.mean()
    value, vector = np.linalg.eigh(0.5 * (gram + gram.T))
    value, vector = value[-2:][::-1], vector[:, -2:][:, ::-1]
    pos = (block - mean) @ vector / np.sqrt(np.maximum(value, LEAST * max(float(value[0]), 1e-300)))
    return pos * np.where((pos**3).sum(axis=0) < 0, -1.0, 1.0)


def _operator(model: Callable[..., Any], candidates: CandidateGraph, x: Float[torch.Tensor, "m c"]) -> csr_array:
    """The transitions that a model gives one patch: row = from, as the rows of its output enter a node."""
    with torch.inference_mode():
        output = model(Batch.from_data_list([candidates(Data(x=x))]))
    expect(
        output.operator is not None,
        f"expected a model that makes an operator, found {type(model).__name__}; fit model.kind=operator_net or operator_vae.",
    )
    source, target = output.edge_index.cpu().numpy()
    return csr_array((output.operator.double().cpu().numpy(), (target, source)), shape=(len(x), len(x)))


def _stationary(transition: csr_array) -> Float[np.ndarray, " n"]:
    """Where the walk is in the long run."""
    from scipy.sparse.linalg import eigs

    n = transition.shape[0]
    if n <= DENSE:
        # (I - T^T + 11^T / n) pi = 1/n has one solution, and its sum is 1.
        found = np.linalg.solve(np.eye(n) - transition.toarray().T + 1.0 / n, np.full(n, 1.0 / n))
    else:
        lazy = csr_array(0.5 * (transition.T + eye_array(n)))
        _, vector = eigs(lazy, k=1, which="LR", v0=np.asarray(lazy.sum(axis=1)), ncv=40, tol=1e-12)
        found = np.abs(vector[:, 0].real)
    found = np.maximum(found, 1e-12 * found.max())
    return found / found.sum()
