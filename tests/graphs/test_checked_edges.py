from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_geometric import EdgeIndex

from pyg_gears.errors import InputError
from pyg_gears.graphs import checked_edges

EDGES = torch.tensor([[0, 3, 1], [2, 0, 1]])


def adjacency(layout: torch.layout) -> torch.Tensor:
    """Transposed, as PyG keeps it: the row is the target."""
    return (
        torch.sparse_coo_tensor(EDGES.flip(0), torch.tensor([1.0, 0.0, 5.0]), (4, 4))
        .coalesce()
        .to_sparse(layout=layout)
    )


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.uint8])
def test_every_integer_type_and_edge_index_become_a_plain_list(dtype: torch.dtype) -> None:
    forms = [EDGES.to(dtype)]
    if dtype in (torch.int64, torch.int32):
        forms.append(EdgeIndex(EDGES.to(dtype), sparse_size=(4, 4)))
    for form in forms:
        found = checked_edges(form, 4)
        assert type(found) is torch.Tensor
        assert found.dtype == torch.int64
        assert torch.equal(found, EDGES)
    assert checked_edges(EDGES, 4) is EDGES
    assert checked_edges(EDGES[:, :0], 0).shape == (2, 0)


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
def test_the_pattern_of_a_transposed_adjacency_counts(layout: torch.layout) -> None:
    found = checked_edges(adjacency(layout), 4)
    assert sorted(map(tuple, found.T.tolist())) == sorted(map(tuple, EDGES.T.tolist()))


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (EDGES.t(), r"shape \(2, e\), found \(3, 2\); transpose it"),
        (torch.ones(4, 4), r"shape \(2, e\), found \(4, 4\); make an edge list .*dense_to_sparse"),
        (EDGES[0], r"shape \(2, e\), found \(3,\); pass sources and targets as two rows"),
        (EDGES.float(), r"of integers, found torch\.float32; number the nodes"),
        (EDGES.bool(), r"of integers, found torch\.bool"),
        (EDGES + 1, r"nodes 0\.\.3 in edge_index, found 1\.\.4"),
        (EDGES - 1, r"nodes 0\.\.3 in edge_index, found -1\.\.2"),
        (EDGES.tolist(), r"as a tensor of shape \(2, e\), found list"),
        (None, r"as a tensor of shape \(2, e\), found none"),
        (torch.ones(3, 4).to_sparse(), r"adjacency of shape \(4, 4\), found \(3, 4\)"),
    ],
)
def test_what_is_no_edge_list_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_edges(wrong, 4)


@pytest.mark.filterwarnings("ignore:Sparse")
def test_other_sparse_layouts_are_refused() -> None:
    with pytest.raises(InputError, match=r"COO, CSR or CSC adjacency, found torch\.sparse_bsr"):
        checked_edges(torch.ones(4, 4).to_sparse_bsr(2), 4)


def test_another_name_is_used_in_the_sentence() -> None:
    with pytest.raises(InputError, match=r"nodes 0\.\.1 in rw_edge_index, found 0\.\.3"):
        checked_edges(EDGES, 2, "rw_edge_index")
