from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.graphs import candidate_graph
from pyg_gears.lab.probes.poison_pills import PILLS, matched_noise, poison_pills
from pyg_gears.losses import geometric_energy


class Spy:
    """Keeps what a model is shown."""

    def __init__(self, model):
        self.model, self.shown = model, []

    def __call__(self, batch, **kwargs):
        self.shown.append((batch.x.clone(), kwargs["edge_index"], batch))
        return self.model(batch, **kwargs)


def rows(x: torch.Tensor) -> list[tuple[float, ...]]:
    return sorted(tuple(row) for row in x.tolist())


def test_what_each_pill_shows_the_model(minisets, reading_model) -> None:
    spy = Spy(reading_model())
    found = poison_pills(spy, minisets, 14, "euclidean", seed=3, node_budget=1)
    assert len(spy.shown) == 5 * len(minisets)
    energies: dict[str, list[float]] = {}
    for start in range(0, len(spy.shown), 5):
        shown = dict(zip(("clean", *PILLS), spy.shown[start : start + 5], strict=True))
        clean, edges, batch = shown["clean"]
        assert torch.equal(edges, batch.edge_index)
        for name in ("shuffled", "other_miniset", "random"):
            x, candidates, _ = shown[name]
            assert torch.equal(candidates, candidate_graph(x, 14, "euclidean"))
            assert x.shape == clean.shape
            assert not torch.equal(x, clean)
        assert rows(shown["shuffled"][0]) == rows(clean)
        donors = [minisets[i].x for i in range(len(minisets)) if not torch.equal(minisets[i].x, clean)]
        assert any(set(rows(shown["other_miniset"][0])) <= set(rows(donor)) for donor in donors)
        torch.testing.assert_close(shown["random"][0].mean(dim=0), clean.mean(dim=0), atol=1e-5, rtol=0)
        torch.testing.assert_close(shown["random"][0].T.cov(), clean.T.cov(), atol=1e-5, rtol=0)
        x, drawn, _ = shown["random_graph"]
        assert torch.equal(x, clean)
        assert torch.equal(drawn[1].bincount(), edges[1].bincount())
        assert len({tuple(e) for e in drawn.T.tolist()}) == drawn.size(1)
        assert (drawn[0] == drawn[1]).sum() == len(x)
        assert not torch.equal(drawn, edges)
        for name, (x, candidates, seen) in shown.items():
            poisoned = Batch.from_data_list([seen[0].clone()])
            poisoned.x = x
            energy = geometric_energy(spy.model(poisoned, edge_index=candidates).pos.double(), seen)
            energies.setdefault(name, []).append(float(energy))
    assert found.clean == pytest.approx(np.mean(energies["clean"]), rel=1e-6)
    for name in PILLS:
        assert found.energy[name] == pytest.approx(np.mean(energies[name]), rel=1e-6)
        assert found.factor[name] == pytest.approx(found.energy[name] / found.clean)
        worse = np.mean([a > b for a, b in zip(energies[name], energies["clean"], strict=True)])
        assert found.share_worse[name] == pytest.approx(worse)


def test_a_model_that_reads_the_embedding_is_poisoned(minisets, reading_model) -> None:
    # A sharp gate would leave every node at its place on a random graph: this one averages over its candidates.
    model = reading_model(recycles=1, stay=0.0, gate_of=lambda x, e: torch.zeros(e.size(1)))
    found = poison_pills(model, minisets, 14, "euclidean")
    assert all(found.worse.values())
    assert min(found.factor[name] for name in ("shuffled", "other_miniset", "random")) > 2
    assert found.share_worse["shuffled"] == 1


def test_a_model_that_reads_nothing_is_found_out(minisets, reading_model) -> None:
    import dataclasses

    def constant(batch, **kwargs):
        place = torch.cat([torch.arange(int(n)) for n in batch.ptr.diff()]).float()
        still = torch.stack([place.cos(), (2 * place).sin()], dim=1)
        return dataclasses.replace(reading_model()(batch, **kwargs), coordinates=(still,))

    found = poison_pills(constant, minisets, 14, "euclidean")
    assert not any(found.worse.values())
    assert set(found.factor.values()) == {1.0}


def test_draws_follow_the_seed_and_not_the_company(minisets, reading_model) -> None:
    from pyg_gears.models import IPALite

    model = IPALite.from_preset("d7", 8, recycles=1, hidden_channels=8, heads=2, head_channels=4, gate_channels=8)
    alone, together = (poison_pills(model, minisets, 14, "euclidean", 1, budget) for budget in (1, 1000))
    other = poison_pills(model, minisets, 14, "euclidean", 2, 1000)
    for name in PILLS:
        assert alone.energy[name] == pytest.approx(together.energy[name], rel=1e-4)
    assert other.energy["shuffled"] != together.energy["shuffled"]


def test_one_miniset_has_no_donor(minisets, reading_model) -> None:
    found = poison_pills(reading_model(), [minisets[0]], 14, "euclidean")
    assert np.isnan(found.energy["other_miniset"])
    assert not found.worse["other_miniset"]
    assert np.isnan(found.share_worse["other_miniset"])


@pytest.mark.parametrize("shape", [(40, 5), (5, 9), (2, 3)])
def test_noise_is_matched_exactly(shape: tuple[int, int]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) @ torch.diag(
        torch.arange(1.0, shape[1] + 1, dtype=torch.float64)
    )
    noise = matched_noise(x, torch.Generator().manual_seed(1))
    torch.testing.assert_close(noise.mean(dim=0), x.mean(dim=0))
    torch.testing.assert_close(noise.T.cov(), x.T.cov())
    assert not torch.allclose(noise, x)
