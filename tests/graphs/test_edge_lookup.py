from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_gears.errors import InputError
from pyg_gears.graphs import edge_lookup


@settings(deadline=None, max_examples=50)
@given(n=st.integers(1, 12), known=st.integers(0, 40), asked=st.integers(0, 40), seed=st.integers(0, 1000))
def test_slow_statement(n: int, known: int, asked: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    key = torch.randint(0, n * n, (known,), generator=generator).unique()
    known_edges = torch.stack([key % n, key // n])  # sorted by target, then source
    edges = torch.randint(0, n, (2, asked), generator=generator)
    place = {tuple(edge): number for number, edge in enumerate(known_edges.T.tolist())}
    found = edge_lookup(edges, known_edges, n)
    assert found.present.tolist() == [tuple(edge) in place for edge in edges.T.tolist()]
    assert found.position.tolist() == [place.get(tuple(edge), 0) for edge in edges.T.tolist()]


def test_edges_of_other_nodes_are_refused() -> None:
    """Their keys would meet those of other edges."""
    edges = torch.tensor([[1, 6], [0, 2]])
    with pytest.raises(InputError, match=r"nodes 0\.\.4 in edge_index, found 0\.\.6; number the nodes"):
        edge_lookup(edges, edges[:, :1], 5)
    with pytest.raises(InputError, match=r"nodes 0\.\.4 in known_edge_index, found 0\.\.6"):
        edge_lookup(edges[:, :1], edges, 5)
