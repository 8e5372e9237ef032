"""The merged operator against its dense formula, and what its layouts are."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix, similarity_procrustes
from pyg_gears.layout import (
    LayoutSettings,
    PatchesOutput,
    eigenvector_coordinates,
    landmark_coordinates,
    merge_operators,
    operator_layout,
    operator_merge,
    reversible_operator,
)
from pyg_gears.models import CoordinateMLP, OperatorNet
from pyg_gears.transforms import CandidateGraph

N = 110


def patches_of(*cells: list[int] | np.ndarray) -> PatchesOutput:
    parts = [np.sort(np.asarray(one)) for one in cells]
    return PatchesOutput(np.concatenate(parts), np.cumsum([0, *map(len, parts)]), np.zeros(len(parts), dtype=bool), N)


def walk(m: int, seed: int, share: float = 0.2) -> csr_array:
    """A sparse walk that is not reversible, with a ring that keeps it in one part."""
    rng = np.random.default_rng(seed)
    weight = rng.random((m, m)) * (rng.random((m, m)) < share) + 0.1 * np.roll(np.eye(m), 1, axis=1)
    np.fill_diagonal(weight, 0)
    return csr_array(weight / weight.sum(axis=1, keepdims=True))


@pytest.fixture(scope="module")
def overlapping() -> tuple[PatchesOutput, list[csr_array]]:
    patches = patches_of(np.arange(60), np.arange(30, 100), np.concatenate([np.arange(80, N), np.arange(20)]))
    return patches, [walk(len(patches[p]), p) for p in range(3)]


def dense_merge(patches: PatchesOutput, operators: list[csr_array]) -> np.ndarray:
    found = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            values = []
            for p, operator in enumerate(operators):
                places = {int(cell): place for place, cell in enumerate(patches[p])}
                if i in places and j in places:
                    values.append(operator.toarray()[places[i], places[j]] if i != j else 0.0)
            found[i, j] = np.mean(values) if values else 0.0
    return found / found.sum(axis=1, keepdims=True)


def test_entries_are_means_over_the_patches_that_hold_both_cells() -> None:
    patches = patches_of([0, 1, 2], [1, 2, 3])
    first = csr_array(np.array([[0, 0.5, 0.5], [0.25, 0, 0.75], [1.0, 0, 0]]))
    second = csr_array(np.array([[0, 0, 1.0], [0.5, 0, 0.5], [0, 1.0, 0]]))
    found = merge_operators(patches, [first, second]).toarray()[:4, :4]
    # From 1 to 2: 0.75 and none, a mean of 0.375; to 0 and 3 one patch each, 0.25 and 1.
    np.testing.assert_allclose(found[1], np.array([0.25, 0, 0.375, 1.0]) / 1.625)
    np.testing.assert_allclose(found[2], np.array([1.0, 0.25, 0, 0.5]) / 1.75)
    np.testing.assert_allclose(found[0], [0, 0.5, 0.5, 0])
    # A cell that no patch moves stays.
    assert merge_operators(patches, [first, second])[N - 1, N - 1] == 1.0


def test_the_merged_operator_is_that_of_the_dense_formula(overlapping) -> None:
    patches, operators = overlapping
    found = merge_operators(patches, operators)
    expected = dense_merge(patches, operators)
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-14)
    assert found.nnz == (expected > 0).sum()


@pytest.mark.parametrize("dense", [operator_merge.DENSE, 10])
def test_layout_and_walk_of_all_cells_are_those_of_the_dense_formulas(overlapping, monkeypatch, dense) -> None:
    monkeypatch.setattr(operator_merge, "DENSE", dense)
    merged = merge_operators(*overlapping)
    operator = reversible_operator(merged)
    t = merged.toarray()
    value, vector = np.linalg.eig(t.T)
    stationary = np.abs(vector[:, np.argmin(np.abs(value - 1))].real)
    stationary /= stationary.sum()
    np.testing.assert_allclose(operator.stationary, stationary, rtol=1e-8)
    both_ways = 0.5 * (t + np.diag(1 / stationary) @ t.T @ np.diag(stationary))
    root = np.sqrt(stationary)
    np.testing.assert_allclose(both_ways.sum(axis=1), 1.0)
    np.testing.assert_allclose(operator.similar.toarray(), root[:, None] * both_ways / root, atol=1e-9)
    value, vector = np.linalg.eigh(root[:, None] * both_ways / root)
    expected = vector[:, [-2, -3]] / np.sqrt(1 - value[[-2, -3]])
    found = eigenvector_coordinates(operator)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-7)
    assert ((found**3).sum(axis=0) >= 0).all()


def test_landmarks_lay_out_diffusion_distances(overlapping) -> None:
    operator = reversible_operator(merge_operators(*overlapping))
    root, steps = np.sqrt(operator.stationary), 3
    walk_of_three = np.linalg.matrix_power(operator.similar.toarray() / root[:, None] * root, steps)
    gap = (walk_of_three[:, None] - walk_of_three[None]) / root
    square = (gap**2).sum(axis=2)
    centre = np.eye(N) - 1 / N
    value, vector = np.linalg.eigh(-0.5 * centre @ square @ centre)
    scaling = vector[:, [-1, -2]] * np.sqrt(value[[-1, -2]])
    found = landmark_coordinates(operator, np.arange(N), steps)
    np.testing.assert_allclose(np.abs(found), np.abs(scaling), rtol=1e-6, atol=1e-9)
    # The landmarks have the scaling of their own distances, whoever else is there.
    some = np.arange(0, N, 2)
    centre = np.eye(len(some)) - 1 / len(some)
    value, vector = np.linalg.eigh(-0.5 * centre @ square[np.ix_(some, some)] @ centre)
    own = landmark_coordinates(operator, some, steps)[some]
    np.testing.assert_allclose(
        np.abs(own), np.abs(vector[:, [-1, -2]] * np.sqrt(value[[-1, -2]])), rtol=1e-6, atol=1e-9
    )


def test_a_reversible_operator_is_its_own() -> None:
    weight = np.random.default_rng(0).random((N, N)) + 0.01
    weight = weight + weight.T
    t = csr_array(weight / weight.sum(axis=1, keepdims=True))
    found = reversible_operator(t)
    root = np.sqrt(found.stationary)
    np.testing.assert_allclose(found.similar.toarray() / root[:, None] * root, t.toarray(), atol=1e-12)
    np.testing.assert_allclose(found.stationary, weight.sum(axis=1) / weight.sum(), rtol=1e-10)


def embedding(n: int = N) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    pos = torch.rand(n, 2, generator=generator) * torch.tensor([1.25, 1.0])
    return torch.cat([pos, 0.05 * torch.randn(n, 3, generator=generator)], dim=1)


@pytest.fixture(scope="module")
def model() -> OperatorNet:
    torch.manual_seed(0)
    return OperatorNet(5, hidden_channels=16, decoder="spectral").eval()


PLAIN = LayoutSettings(refinement_rounds=0, fill=0.0)


def test_one_patch_gives_the_layout_of_the_models_own_decoder(model) -> None:
    x, candidates = embedding(), CandidateGraph(10, metric="euclidean")
    found = operator_layout(model, x, candidates=candidates, settings=PLAIN)
    assert (found.patches, found.parts) == (1, 1)
    from torch_geometric.data import Batch, Data

    own = model(Batch.from_data_list([candidates(Data(x=x))])).pos.detach().double()
    assert similarity_procrustes(torch.from_numpy(found.pos), own, allow_reflection=True).disparity < 1e-5


class Diffusing(torch.nn.Module):
    """The walk of a true neighbourhood: weights that fall with the distance in the first two channels."""

    def forward(self, batch):
        source, target = batch.edge_index
        weight = torch.exp(-(batch.x[source, :2] - batch.x[target, :2]).square().sum(dim=1) / 0.02)
        weight = weight.masked_fill(source == target, 0.0)
        total = torch.zeros(len(batch.x)).index_add(0, target, weight)
        return SimpleNamespace(operator=weight / total[target], edge_index=batch.edge_index)


@pytest.mark.parametrize("decode", operator_merge.DECODES)
def test_merged_patches_bring_a_tissue_back(decode) -> None:
    x = embedding(400)
    settings = LayoutSettings(patch_size=80, min_cover=4, refinement_rounds=0, fill=0.0)
    options = {"candidates": CandidateGraph(12, metric="euclidean"), "settings": settings, "decode": decode}
    found = operator_layout(Diffusing(), x, landmarks=120, seed=1, **options)
    assert found.patches > 10
    disparity = similarity_procrustes(
        torch.from_numpy(found.pos), gauge_fix(x[:, :2].double()), allow_reflection=True
    ).disparity
    assert disparity < 0.15
    again = operator_layout(Diffusing(), x, landmarks=120, seed=1, **options)
    np.testing.assert_array_equal(found.pos, again.pos)


def test_parts_are_joined_along_the_locality_graph() -> None:
    x = torch.cat([embedding(60), embedding(60) + torch.tensor([9.0, 0, 0, 0, 0])])
    candidates = CandidateGraph(6, metric="euclidean")
    found = operator_layout(Diffusing(), x, candidates=candidates, settings=LayoutSettings(patch_size=120))
    assert found.parts >= 2
    assert np.isfinite(found.pos).all()
    # The two halves of the cells lie apart on one axis.
    assert abs(np.corrcoef(np.arange(120) < 60, found.pos[:, 0])[0, 1]) > 0.5


def test_what_has_no_operator_is_refused(model) -> None:
    options = {"candidates": CandidateGraph(10, metric="euclidean")}
    with pytest.raises(InputError, match="expected a model that makes an operator, found CoordinateMLP"):
        operator_layout(CoordinateMLP(5).eval(), embedding(), **options)
    with pytest.raises(InputError, match="expected at least 4 cells, found 3"):
        operator_layout(model, embedding(3), **options)
    with pytest.raises(InputError, match="expected a decode among eigenvectors, landmarks, found 'springs'"):
        operator_layout(model, embedding(), decode="springs", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_landmarks_are_refused(count: int) -> None:
    walk = np.full((6, 6), 1 / 6)
    operator = reversible_operator(csr_array(walk))
    with pytest.raises(InputError, match=f"expected at least 3 landmarks, found {count}"):
        landmark_coordinates(operator, np.arange(count))
