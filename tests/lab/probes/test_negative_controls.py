from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.graphs import candidate_graph
from pyg_gears.lab.probe import PUBLISHED
from pyg_gears.lab.probes.negative_controls import CONTROLS, PROBE, matched_noise, negative_controls
from pyg_gears.lab.probes.subject import OnSlide
from pyg_gears.losses import geometric_energy
from pyg_gears.report.figure_style import new_figure
from pyg_gears.transforms import CandidateGraph

GRAPH = CandidateGraph(14, "euclidean")


class Spy:
    """Keeps what a model is shown."""

    def __init__(self, model):
        self.model, self.shown = model, []

    def __call__(self, batch, **kwargs):
        self.shown.append((batch.x.clone(), kwargs["edge_index"], batch))
        return self.model(batch, **kwargs)


def rows(x: torch.Tensor) -> list[tuple[float, ...]]:
    return sorted(tuple(row) for row in x.tolist())


def test_what_each_control_shows_the_model(minisets, reading_model) -> None:
    spy = Spy(reading_model())
    found = negative_controls(spy, minisets, GRAPH, seed=3, node_budget=1)
    count = 1 + len(CONTROLS)
    assert len(spy.shown) == count * len(minisets)
    energies: dict[str, list[float]] = {}
    for start in range(0, len(spy.shown), count):
        shown = dict(zip(("clean", *CONTROLS), spy.shown[start : start + count], strict=True))
        clean, edges, batch = shown["clean"]
        assert torch.equal(edges, batch.edge_index)
        for name in ("shuffled", "other_miniset", "random"):
            x, candidates, _ = shown[name]
            assert torch.equal(candidates, candidate_graph(x, 14, "euclidean"))
            assert x.shape == clean.shape
            assert not torch.equal(x, clean)
            again, kept, _ = shown[f"{name}_old_graph"]
            assert torch.equal(again, x)
            assert torch.equal(kept, edges)
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
            control = Batch.from_data_list([seen[0].clone()])
            control.x = x
            energy = geometric_energy(spy.model(control, edge_index=candidates).pos.double(), seen)
            energies.setdefault(name, []).append(float(energy))
    assert found.clean == pytest.approx(np.mean(energies["clean"]), rel=1e-6)
    for name in CONTROLS:
        assert found.energy[name] == pytest.approx(np.mean(energies[name]), rel=1e-6)
        assert found.factor[name] == pytest.approx(found.energy[name] / found.clean)
        worse = np.mean([a > b for a, b in zip(energies[name], energies["clean"], strict=True)])
        assert found.share_worse[name] == pytest.approx(worse)


def test_a_model_that_reads_the_embedding_gets_worse(minisets, reading_model) -> None:
    # A sharp gate would leave every node at its place on a random graph: this one averages over its candidates.
    model = reading_model(recycles=1, stay=0.0, gate_of=lambda x, e: torch.zeros(e.size(1)))
    found = negative_controls(model, minisets, GRAPH)
    assert all(found.worse.values())
    assert min(found.factor[name] for name in ("shuffled", "other_miniset", "random")) > 2
    assert found.share_worse["shuffled"] == 1


def test_a_model_that_reads_nothing_is_found_out(minisets, reading_model) -> None:
    import dataclasses

    def constant(batch, **kwargs):
        place = torch.cat([torch.arange(int(n)) for n in batch.ptr.diff()]).float()
        still = torch.stack([place.cos(), (2 * place).sin()], dim=1)
        return dataclasses.replace(reading_model()(batch, **kwargs), coordinates=(still,))

    found = negative_controls(constant, minisets, GRAPH)
    assert not any(found.worse.values())
    assert set(found.factor.values()) == {1.0}
    checks = PROBE.requirements((OnSlide("a", "held out", (found,)),))
    assert [check.passed for check in checks] == [False] * (len(CONTROLS) + 2)


@pytest.mark.parametrize(
    ("factor", "passed"), [(0.95, False), (1.0, False), (1.05, False), (1.1, True), (np.nan, False)]
)
def test_a_control_that_is_no_worse_has_failed(minisets, reading_model, factor: float, passed: bool) -> None:
    found = negative_controls(reading_model(), minisets, GRAPH)
    found = found._replace(factor=found.factor | {"random_graph": factor})
    checks = PROBE.requirements((OnSlide("a", "held out", (found,)),))
    (check,) = (c for c in checks if c.name.startswith("true H, random graph") and c.basis != PUBLISHED)
    assert check.passed is passed


def test_bars_and_rows_are_means_over_members(minisets, reading_model) -> None:
    pytest.importorskip("matplotlib")
    one, two = (negative_controls(reading_model(stay=stay), minisets, GRAPH) for stay in (0.5, 0.1))
    found = (OnSlide("a", "held out", (one, two)),)
    table = PROBE.tables(found)["E_geo of negative controls / E_geo of the true input"]
    assert len(table) == len(CONTROLS)
    mean = np.mean([one.factor["shuffled_old_graph"], two.factor["shuffled_old_graph"]])
    assert table.loc["H shuffled in the miniset, on the graph of the true H", "a"].startswith(f"{mean:.3f} +- ")
    figure = new_figure(4, 4)
    PROBE.draw(found, figure)  # type: ignore[misc]
    assert figure.axes[0].patches[1].get_width() == pytest.approx(mean)


def test_draws_follow_the_seed_and_not_the_company(minisets, reading_model) -> None:
    from pyg_gears.models import IPALite

    model = IPALite.from_preset("d7", 8, recycles=1, hidden_channels=8, heads=2, head_channels=4, gate_channels=8)
    alone, together = (negative_controls(model, minisets, GRAPH, 1, budget) for budget in (1, 1000))
    other = negative_controls(model, minisets, GRAPH, 2, 1000)
    for name in CONTROLS:
        assert alone.energy[name] == pytest.approx(together.energy[name], rel=1e-4)
    assert other.energy["shuffled"] != together.energy["shuffled"]


def test_one_miniset_has_no_donor(minisets, reading_model) -> None:
    found = negative_controls(reading_model(), [minisets[0]], GRAPH)
    assert np.isnan(found.energy["other_miniset"])
    assert not found.worse["other_miniset"]
    assert np.isnan(found.share_worse["other_miniset"])
    checks = {check.name: check for check in PROBE.requirements((OnSlide("a", "held out", (found,)),))}
    assert checks["H of another miniset: times worse"].passed is None


@pytest.mark.parametrize("shape", [(40, 5), (5, 9), (2, 3)])
def test_noise_is_matched_exactly(shape: tuple[int, int]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) @ torch.diag(
        torch.arange(1.0, shape[1] + 1, dtype=torch.float64)
    )
    noise = matched_noise(x, torch.Generator().manual_seed(1))
    torch.testing.assert_close(noise.mean(dim=0), x.mean(dim=0))
    torch.testing.assert_close(noise.T.cov(), x.T.cov())
    assert not torch.allclose(noise, x)
