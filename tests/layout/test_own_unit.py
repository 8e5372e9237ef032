"""Patches in the unit that the model gave them (``scales=model``), as published."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.layout import (
    LayoutSettings,
    PatchPredictor,
    WeightedLayout,
    draw_patches,
    locality_graph,
    reconstruct_layout,
)
from pyg_gears.models import DistanceEGNN, OperatorVAE
from pyg_gears.transforms import CandidateGraph

CANDIDATES = CandidateGraph(8, "euclidean")
OWN = LayoutSettings(patch_size=40, scales="model", min_cover=3, fill=0.0)


class Sized(torch.nn.Module):
    """Knows the truth and its size: shapes without size in ``pos``, three dimensions with size in ``latent``."""

    noise = 0.0

    def forward(self, batch: Batch, noise: float = 0.0, generator: torch.Generator | None = None) -> SimpleNamespace:
        parts = []
        for number, graph in enumerate(batch.to_data_list()):
            turn, _ = np.linalg.qr(np.random.default_rng(number).standard_normal((2, 2)))
            parts.append(graph.x[:, :2] @ torch.from_numpy(turn).float())
        latent = torch.cat(parts)
        pos = gauge_fix(latent.double(), batch.batch).float()
        return SimpleNamespace(pos=pos, latent=torch.cat([latent, torch.zeros(len(latent), 1)], dim=1))


def slide(make_tissue) -> torch.Tensor:
    x = make_tissue(160)
    x = x - x.mean(dim=0)
    return x / x.square().sum(dim=1).mean().sqrt()


def test_every_patch_keeps_its_size(make_tissue):
    x = slide(make_tissue)
    patches = draw_patches(locality_graph(x, metric="euclidean").graph, 40, 3, 10, 0.5)
    whole = WeightedLayout(5.0 * x.double().numpy() + 3.0, 0.5)
    for samples in (1, 2):
        settings = OWN.change({"samples": samples})
        found = PatchPredictor([Sized()], CANDIDATES, settings, regressions=[whole]).predict(x, patches).pos
        for patch in range(len(patches)):
            own = found[:, patches.ptr[patch] : patches.ptr[patch + 1]]
            true = torch.cdist(*(x[patches[patch]].double(),) * 2).numpy()
            for voter in own:
                np.testing.assert_allclose(np.linalg.norm(voter[:, None] - voter[None], axis=-1), true, atol=1e-4)
    plain = PatchPredictor([Sized()], CANDIDATES, LayoutSettings(patch_size=40)).predict(x, patches).pos
    np.testing.assert_allclose((plain[0, :40] ** 2).sum(axis=1).mean(), 1.0, rtol=1e-4)


def test_a_layout_by_the_published_settings_is_the_truth_where_the_model_knows_it(make_tissue, spearman):
    x = slide(make_tissue)
    settings = LayoutSettings.published().change({"patch_size": 60})
    found = reconstruct_layout(Sized(), x, candidates=CANDIDATES, settings=settings, progress=False)
    assert found.report["mode"] == "patches"
    assert found.report["global_patches"] == 0
    assert spearman(found.pos, x.numpy()) > 0.99
    # Distances were not brought to a common unit, and need not be.
    assert found.report["residual_max"] < 0.2


def test_models_without_a_size_of_their_own_are_refused(oracle, make_tissue):
    x = slide(make_tissue)
    for model in (oracle(), DistanceEGNN(x.size(1), 8, steps=1).eval(), OperatorVAE(x.size(1), 8, heads=2).eval()):
        with pytest.raises(
            InputError, match=r"models with a unit of their own for scales=model, found one that gives shapes"
        ):
            reconstruct_layout(model, x, candidates=CANDIDATES, settings=OWN, progress=False)


def test_stored_patches_of_another_unit_are_not_reused(make_tissue, tmp_path):
    x = slide(make_tissue)
    patches = draw_patches(locality_graph(x, metric="euclidean").graph, 40, 3, 10, 0.5)
    for settings in (OWN, OWN.change({"scales": "reconciled"})):
        found = PatchPredictor([Sized()], CANDIDATES, settings, shard_dir=tmp_path).predict(x, patches)
        assert found.resumed == 0
