from __future__ import annotations

import pytest
import torch

from pyg_gears.encoders import fit_candidate_projection
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.graphs import candidate_graph, knn


def slides(n: int = 150, noise: int = 6) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Two channels tell the place, louder ones tell nothing."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(2):
        pos = torch.randn(n, 2, dtype=torch.float64, generator=generator)
        x = torch.cat([pos.float(), 2.0 * torch.randn(n, noise, generator=generator)], dim=1)
        found.append((x, pos))
    return found


def agreement(x: torch.Tensor, pos: torch.Tensor, k: int = 20) -> float:
    near, true = knn(x, k, metric="cosine").index, nearest_neighbors(pos, k).index
    return float((near[:, :, None] == true[:, None, :]).any(dim=2).float().mean())


def test_the_projection_finds_the_channels_that_tell_the_place() -> None:
    train, new = slides()
    projection = fit_candidate_projection([train], 4, steps=300)
    assert projection.shape == (8, 4)
    assert not projection.requires_grad
    x, pos = new
    assert agreement(x @ projection, pos) > 1.5 * agreement(x, pos)
    told, silent = projection.square().sum(dim=1)[:2].min(), projection.square().sum(dim=1)[2:].max()
    assert float(told) > 3 * float(silent)


def test_the_start_is_the_identity_and_the_seed_decides() -> None:
    for channels in (3, 8, 11):
        assert torch.equal(fit_candidate_projection(slides(40), channels, steps=0), torch.eye(8, channels))
    one, same, other = (fit_candidate_projection(slides(600), 4, steps=3, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_candidate_graph_searches_in_the_projection() -> None:
    (x, _), _ = slides()
    projection = torch.eye(8, 2)
    assert torch.equal(candidate_graph(x, k=5, projection=projection), candidate_graph(x[:, :2].contiguous(), k=5))


def test_other_widths_and_no_slides_are_refused() -> None:
    (x, pos), _ = slides(40)
    with pytest.raises(ValueError, match=r"one width of the embedding, found \[7, 8\]"):
        fit_candidate_projection([(x, pos), (x[:, :7], pos)], 4)
    with pytest.raises(ValueError, match="found no slides"):
        fit_candidate_projection([], 4)
