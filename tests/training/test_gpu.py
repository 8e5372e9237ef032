"""What a GPU would wait for in a training step, counted on the CPU; and, where there is a GPU, a fit on it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections import Counter
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch_geometric.data import Batch

from pyg_gears import Gears
from pyg_gears.devices import repeatable
from pyg_gears.layout import LayoutSettings, row_spearman
from pyg_gears.models import StructureModel
from pyg_gears.training import Recipe
from pyg_gears.training.augmentation import augment
from pyg_gears.training.build_model import build_model
from pyg_gears.training.structure_loss import structure_terms

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

SIZED_BY_VALUES = ("nonzero", "_unique2", "unique_consecutive", "masked_select", "bincount")
READ = ("_local_scalar_dense", "equal")
MOST_WAITS = 12


class Waits(TorchDispatchMode):
    """Counts what waits for a GPU: values that are read, and results whose size depends on values."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func).split(".")[1]
        indices = args[1] if name.startswith(("index", "_index_put")) and isinstance(args[1], list | tuple) else ()
        by_mask = any(isinstance(index, torch.Tensor) and index.dtype == torch.bool for index in indices)
        repeats = name == "repeat_interleave" and (kwargs or {}).get("output_size") is None
        if name in SIZED_BY_VALUES + READ or by_mask or repeats:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


def test_the_counter_counts() -> None:
    values = torch.tensor([1.0, 0.0, 2.0])
    with Waits() as waits:
        float(values.sum())
        values[values > 0]
        values[torch.tensor([0, 2])]
    assert waits.found == {"_local_scalar_dense": 1, "index": 1}


def one_step(recipe: Recipe, model: StructureModel, batch: Batch) -> torch.Tensor:
    """The loss of one augmented batch; but for dropout, the numbers are drawn on the CPU."""
    generator = torch.Generator().manual_seed(0)
    augmented = augment(batch, recipe.training, batch.x.std(dim=0), generator)
    terms = structure_terms(model, augmented, recipe, walk_weight=0.3, generator=generator, gate_x=augmented.x)
    return sum((weight * value for _, weight, value in terms), batch.x.new_zeros(()))


@pytest.fixture
def model(tiny_recipe, prepared) -> StructureModel:
    return build_model(tiny_recipe, prepared.train[0].x.size(1), seed=0).train()


@pytest.fixture
def batch(prepared) -> Batch:
    return Batch.from_data_list([prepared.train[0], prepared.train[1]])


def test_a_training_step_waits_rarely_for_a_gpu(tiny_recipe, model, batch, monkeypatch) -> None:
    # On a GPU doors look at types and shapes alone.
    doors = ("geometry.checked_coordinates", "graphs.checked_edges", "nn.attention_bias", "nn.checked_nodes")
    doors += ("models.graph_input", "graphs.checked_batch")
    for door in doors:
        monkeypatch.setattr(import_module(f"pyg_gears.{door}"), "values_are_known", lambda values: False)
    with Waits() as waits:
        loss = one_step(tiny_recipe, model, batch)
    assert 0 < sum(waits.found.values()) <= MOST_WAITS, waits.found
    with Waits() as waits:
        loss.backward()
    assert not waits.found


def step_values(recipe: Recipe, model: StructureModel, batch: Batch) -> torch.Tensor:
    """Loss and gradients of one step, in one vector."""
    with torch.random.fork_rng([batch.x.device] if batch.x.is_cuda else []):
        torch.manual_seed(0)
        model.zero_grad()
        loss = one_step(recipe, model, batch)
        loss.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return torch.cat([loss.detach().view(1), *(gradient.flatten() for gradient in gradients)])


@pytest.mark.parametrize("kind", ["ipa_lite", "gate_egnn"])
def test_a_step_reads_no_memory_that_nothing_has_written(tiny_recipe, batch, kind, monkeypatch) -> None:
    # `repeatable` leaves such memory as it is: filled with NaN it has to make no difference.
    recipe = tiny_recipe.change({"model": {"kind": kind}})
    model = build_model(recipe, batch.x.size(1), seed=0).train()
    model.begin_training(10)
    expected = step_values(recipe, model, batch)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        assert torch.empty(3).isnan().all()
        found = step_values(recipe, model, batch)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(found, expected)


def test_repeatable_leaves_the_settings_as_they_were() -> None:
    before = torch.utils.deterministic.fill_uninitialized_memory
    with repeatable("cuda"):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory == before


@needs_gpu
def test_torch_agrees_on_how_often_a_step_waits(tiny_recipe, model, batch) -> None:
    model, batch = model.to("cuda"), batch.to("cuda")
    one_step(tiny_recipe, model, batch).backward()  # loads what a first step loads
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            one_step(tiny_recipe, model, batch).backward()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = [warning for warning in caught if "called a synchronizing" in str(warning.message)]
    copies = 8  # numbers drawn on the processor go to the device; facts are read in one list
    assert len(waits) <= MOST_WAITS + copies, [f"{wait.filename}:{wait.lineno}" for wait in waits]


@needs_gpu
def test_a_step_gives_the_same_bits_twice(tiny_recipe, model, batch) -> None:
    model, batch = model.to("cuda"), batch.to("cuda")
    with repeatable("cuda"):
        found = [step_values(tiny_recipe, model, batch) for _ in range(2)]
    assert torch.equal(found[0], found[1])


@needs_gpu
def test_a_fit_on_a_gpu_is_that_on_the_cpu_to_rounding_and_repeats_itself(tiny_recipe, tissue) -> None:
    def layout(device: str) -> np.ndarray:
        fitted = Gears(tiny_recipe).fit(tissue.slides, progress=False, device=device)
        settings = LayoutSettings(patch_size=32)
        return fitted.reconstruct(tissue.cells, progress=False, settings=settings, device=device).pos

    there, again, here = layout("cuda"), layout("cuda"), layout("cpu")
    assert np.array_equal(there, again)
    assert row_spearman(there, here).mean() > 0.99


def test_repeatable_leaves_torch_as_it_was() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    with repeatable("cpu"):
        assert not torch.are_deterministic_algorithms_enabled()
    with repeatable("cuda"):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


HEARD = """
import warnings
from pyg_gears.devices import repeatable
with repeatable("cuda"):
    warnings.warn("_bincount_cuda does not have a deterministic implementation")
    warnings.warn("Memory Efficient attention defaults to a non-deterministic algorithm")
    warnings.warn("of another kind")
"""


def test_operations_without_a_fixed_order_are_no_news() -> None:
    # In a process of its own: filters are global.
    found = subprocess.run([sys.executable, "-W", "always::UserWarning", "-c", HEARD], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "of another kind" in found.stderr
    assert "deterministic" not in found.stderr
