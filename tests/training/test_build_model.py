from __future__ import annotations

import pytest
import torch

from pyg_gears.models import IPALite
from pyg_gears.training import Recipe
from pyg_gears.training.build_model import build_model


def test_weights_follow_the_seed() -> None:
    one, again, other = (build_model(Recipe(), 7, seed=seed).state_dict() for seed in (0, 0, 1))
    assert isinstance(build_model(Recipe(), 7, seed=0), IPALite)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["embed_pos.0.weight"], other["embed_pos.0.weight"])


def test_no_random_state_changes_on_any_device(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded = []
    # What torch.manual_seed calls for the other devices; queued where CUDA has not started yet.
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before = torch.get_rng_state()
    build_model(Recipe(), 7, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert seeded == []


def test_weights_are_drawn_on_the_cpu_whatever_the_default_device() -> None:
    expected = build_model(Recipe(), 7, seed=0).state_dict()
    with torch.device("meta"):
        found = build_model(Recipe(), 7, seed=0).state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
