from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data

from pyg_gears.data import (
    EmbeddedSlide,
    MinisetDataset,
    MinisetLoader,
    MinisetRecipe,
    NodeBudgetSampler,
    PairedViews,
    check_fields,
)
from pyg_gears.errors import InputError


@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=60),
    budget=st.integers(1, 1500),
    world_size=st.integers(1, 4),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 3),
    shuffle=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_every_graph_once_and_ranks_even(
    sizes: list[int], budget: int, world_size: int, seed: int, epoch: int, shuffle: bool
) -> None:
    if len(sizes) < world_size:
        with pytest.raises(InputError, match="at least one miniset per batch of a step"):
            NodeBudgetSampler(sizes, budget, world_size=world_size)
        return
    ranks = [
        NodeBudgetSampler(sizes, budget, seed=seed, shuffle=shuffle, rank=r, world_size=world_size)
        for r in range(world_size)
    ]
    for sampler in ranks:
        sampler.set_epoch(epoch)
    dealt = [list(sampler) for sampler in ranks]
    assert Counter(i for batches in dealt for batch in batches for i in batch) == Counter(range(len(sizes)))
    assert {len(batches) for batches in dealt} == {len(ranks[0])} != {0}
    over = [batch for batches in dealt for batch in batches if len(batch) > 1 and sum(sizes[i] for i in batch) > budget]
    # Beyond the budget only a graph alone, or what must be merged where halving cannot make the ranks even.
    assert len(over) < world_size
    alone = len(NodeBudgetSampler(sizes, budget))
    if -(-alone // world_size) * world_size <= len(sizes):
        assert not over


def test_budget_is_well_used_and_batches_hold_like_sizes() -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randint(96, 385, (1000,), generator=generator).tolist()
    sampler = NodeBudgetSampler(sizes, 3072)
    batches = list(sampler)
    nodes = [sum(sizes[i] for i in batch) for batch in batches]
    assert max(nodes) <= 3072
    assert sum(nodes) / len(nodes) > 0.85 * 3072
    padding = sum(len(batch) * max(sizes[i] for i in batch) for batch in batches) / sum(sizes)
    assert padding < 1.06


def test_order_and_company_change_with_the_epoch_but_not_the_length() -> None:
    sizes = torch.randint(20, 60, (200,), generator=torch.Generator().manual_seed(1)).tolist()
    sampler, twin = (NodeBudgetSampler(sizes, 300, seed=3) for _ in range(2))
    epochs = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        twin.set_epoch(epoch)
        epochs.append(list(sampler))
        assert epochs[-1] == list(sampler) == list(twin)
        assert len(epochs[-1]) == len(sampler)
    together = [{frozenset(batch) for batch in batches} for batches in epochs]
    assert epochs[0] != epochs[1] != epochs[2]
    assert len(together[0] & together[1]) < 0.2 * len(together[0])
    fixed = NodeBudgetSampler(sizes, 300, shuffle=False)
    calm = list(fixed)
    fixed.set_epoch(5)
    assert calm == list(fixed)


def test_groups_stay_together() -> None:
    sizes = [30] * 40
    groups = [(2 * i, 2 * i + 1) for i in range(20)]
    for batch in NodeBudgetSampler(sizes, 200, groups=groups):
        assert {i ^ 1 for i in batch} == set(batch)
        assert sum(sizes[i] for i in batch) <= 200
    assert [sorted(b) for b in NodeBudgetSampler([150] * 2, 200, groups=[(0, 1)])] == [[0, 1]]


def minisets(paired: bool = False) -> MinisetDataset:
    from torch_geometric.transforms import BaseTransform

    class Drop(BaseTransform):
        def forward(self, data: Data) -> Data:
            data.edge_index = torch.arange(data.num_nodes).repeat(2, 1)
            del data.pos
            return data

    generator = torch.Generator().manual_seed(0)
    slide = EmbeddedSlide("s", torch.randn(90, 4, generator=generator), torch.rand(90, 2, generator=generator))
    recipe = MinisetRecipe(count=30, min_size=10, max_size=40, local=None)
    return MinisetDataset([slide], recipe, pre_transform=Drop(), views=PairedViews() if paired else None)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_valid_and_complete(workers: int) -> None:
    dataset = minisets()
    loader = MinisetLoader(dataset, 120, num_workers=workers)
    batches = list(loader)
    assert len(batches) == len(loader)
    nodes = []
    for batch in batches:
        assert isinstance(batch, Batch)
        check_fields(batch)
        assert "pos" not in batch
        assert batch.num_nodes <= 120
        nodes += [tuple(data.node_id.tolist()) for data in batch.to_data_list()]
    assert Counter(nodes) == Counter(tuple(dataset[i].node_id.tolist()) for i in range(30))


def test_views_of_a_pair_share_a_batch() -> None:
    for batch in MinisetLoader(minisets(paired=True), 120):
        assert set(Counter(batch.pair_id.tolist()).values()) == {2}


def test_coordinates_are_refused() -> None:
    graphs = [Data(x=torch.ones(5, 2), pos=torch.ones(5, 2))]
    with pytest.raises(InputError, match="without coordinates, found 'pos'; apply GeometricTargets"):
        next(iter(MinisetLoader(graphs, 10)))


def test_any_sequence_of_graphs_does() -> None:
    graphs = [Data(x=torch.full((n, 1), float(n))) for n in (3, 50, 4, 5)]
    batches = list(MinisetLoader(graphs, 12, shuffle=False))
    assert [batch.num_nodes for batch in batches] == [12, 50]
    assert sum(batch.num_graphs for batch in MinisetLoader(graphs, 40)) == 4


@pytest.mark.parametrize("workers", [0, 1])
def test_fields_are_followed_and_left_out_as_in_a_loader_of_pyg(workers: int) -> None:
    graphs = [Data(x=torch.randn(n, 2), note=torch.zeros(n, 1), pos=torch.zeros(n, 2)) for n in (4, 3, 5)]
    choices = {"follow_batch": ["note"], "exclude_keys": ["pos"]}
    found = next(iter(MinisetLoader(graphs, 12, shuffle=False, num_workers=workers, **choices)))
    expected = Batch.from_data_list([graphs[1], graphs[0], graphs[2]], **choices)  # as PyG's loaders make it
    assert set(found.keys()) == set(expected.keys())
    assert "pos" not in found
    for name, value in expected.to_dict().items():
        assert torch.equal(torch.as_tensor(found[name]), torch.as_tensor(value)), name
    for option in choices:
        with pytest.raises(
            InputError, match=rf"fields of the minisets in {option}, found 'nose' \(did you mean 'note'\?\)"
        ):
            next(iter(MinisetLoader(graphs, 12, **{**choices, option: ["nose"]})))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:GPU available but not used")
def test_lightning_sets_the_epoch() -> None:
    lightning = pytest.importorskip("lightning")
    seen: list[list[tuple[int, ...]]] = []

    class Model(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def on_train_epoch_start(self) -> None:
            seen.append([])

        def training_step(self, batch: Batch, _: int) -> torch.Tensor:
            seen[-1].append(tuple(batch.node_id.tolist()))
            return self.layer(batch.x).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    dataset = minisets()
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Model(), MinisetLoader(dataset, 120, seed=7))
    expected = []
    for epoch in range(2):
        loader = MinisetLoader(dataset, 120, seed=7)
        loader.set_epoch(epoch)
        expected.append([tuple(batch.node_id.tolist()) for batch in loader])
    assert seen == expected
    assert seen[0] != seen[1]


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_batches_of_a_step_do_not_depend_on_who_shares_them(world_size: int) -> None:
    sizes = torch.randint(20, 60, (61,), generator=torch.Generator().manual_seed(1)).tolist()
    alone = list(NodeBudgetSampler(sizes, 140, seed=3, share=4))
    assert len(alone) % 4 == 0
    assert len(list(NodeBudgetSampler(sizes, 140, seed=3))) % 4 != 0
    ranks = [NodeBudgetSampler(sizes, 140, seed=3, rank=r, world_size=world_size, share=4) for r in range(world_size)]
    assert [batch for turn in zip(*ranks, strict=True) for batch in turn] == alone


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"node_budget": 0}, "positive budget of nodes, found 0"),
        ({"rank": 2, "world_size": 2}, "rank in 0..1, found 2"),
        ({"world_size": 5}, "at least one miniset per batch of a step, found 4 for 5"),
        ({"world_size": 2, "share": 3}, "batches of a step that 2 processes can share, found 3; make it a multiple"),
    ],
)
def test_bad_arguments(changes: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NodeBudgetSampler([5] * 4, **{"node_budget": 10, **changes})


class _Marked:
    """Marks every worker process; at the top of the module, so that it can be sent to one."""

    def __init__(self, folder) -> None:
        self.folder = folder

    def __call__(self, worker: int) -> None:
        (self.folder / f"worker_{worker}").touch()


@pytest.mark.filterwarnings("ignore:.*pin_memory.*")
def test_options_of_a_data_loader_are_passed_on_and_change_no_batch(tmp_path) -> None:
    dataset = minisets()
    expected = [batch.node_id.tolist() for batch in MinisetLoader(dataset, 120, seed=4)]
    loader = MinisetLoader(
        dataset,
        120,
        seed=4,
        num_workers=2,
        pin_memory=True,
        persistent_workers=True,
        prefetch_factor=3,
        multiprocessing_context="fork",
        worker_init_fn=_Marked(tmp_path),
        generator=torch.Generator().manual_seed(9),
        timeout=60,
    )
    assert (loader.prefetch_factor, loader.persistent_workers, loader.timeout, loader.pin_memory) == (3, True, 60, True)
    assert [batch.node_id.tolist() for batch in loader] == expected
    assert [batch.node_id.tolist() for batch in loader] == expected  # the workers are still there
    assert sorted(path.name for path in tmp_path.iterdir()) == ["worker_0", "worker_1"]


@pytest.mark.parametrize("name", ["batch_size", "sampler", "batch_sampler", "drop_last", "collate_fn"])
def test_what_the_budget_decides_is_no_option(name: str) -> None:
    with pytest.raises(InputError, match=f"batches by node_budget and seed, found {name}; leave it out"):
        MinisetLoader(minisets(), 120, **{name: None})


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"options of a DataLoader, found 'num_worker' \(did you mean 'num_workers'\?\)"
    ):
        MinisetLoader(minisets(), 120, num_worker=2)
