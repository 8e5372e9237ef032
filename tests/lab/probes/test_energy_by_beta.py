from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.errors import InputError
from pyg_gears.lab.probes.energy_by_beta import BETAS, energy_by_beta
from pyg_gears.losses import geometric_energy
from pyg_gears.models import IPALite
from pyg_gears.training.oracle import mean_energies


@torch.no_grad()
def test_every_weight_equals_its_own_pass(minisets) -> None:
    model = IPALite.from_preset(
        "v1", 8, recycles=2, hidden_channels=8, heads=2, head_channels=4, gate_channels=8, beta=1.0
    )
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.6, generator=torch.Generator().manual_seed(weight.numel()))
    model.eval()
    found = energy_by_beta(model, minisets, betas=(0.0, 1.0, 3.0), node_budget=100)
    graphs = [Batch.from_data_list([minisets[i]]) for i in range(len(minisets))]
    assert found.beta == model.beta
    for beta, value in found.energy.items():
        energies = [float(geometric_energy(model(graph, beta=beta).pos, graph)) for graph in graphs]
        assert value == pytest.approx(np.mean(energies), rel=1e-4)
    own = [float(geometric_energy(model(graph).pos, graph)) for graph in graphs]
    assert found.energy[model.beta] == pytest.approx(np.mean(own), rel=1e-4)
    assert found.energy[0.0] != pytest.approx(found.energy[3.0], rel=1e-3)
    whole = energy_by_beta(model, minisets)
    assert tuple(whole.energy) == BETAS
    assert whole.oracle == pytest.approx(mean_energies(model, minisets, 100)["t_edge"], rel=1e-4)


def test_no_minisets(reading_model) -> None:
    with pytest.raises(InputError, match="expected at least one miniset"):
        energy_by_beta(reading_model(), [])
