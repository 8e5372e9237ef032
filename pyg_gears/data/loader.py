"""``MinisetLoader``: batches of minisets of different size, filled by a budget of nodes."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler
from torch_geometric.data import Batch, Data

from pyg_gears.data.fields import refuse_coordinates
from pyg_gears.errors import expect, nearest_name
from pyg_gears.seeds import child_seed

OWN_OPTIONS = ("batch_size", "sampler", "batch_sampler", "drop_last", "collate_fn")
"""Arguments of a DataLoader that the budget of nodes decides."""
LOADER_OPTIONS = tuple(inspect.signature(DataLoader.__init__).parameters)[2:]


class NodeBudgetSampler(Sampler[list[int]]):
    """Batches of graphs of similar size whose nodes together stay within a budget.

    Sizes are rounded up to multiples of ``bucket``. Graphs in one bucket trade places every epoch, while the
    sequence of bucket sizes is packed into batches once: the number of batches never changes, every graph comes
    exactly once per epoch (over all ranks together), and all ranks get equally many batches.

    A graph, or a group that must stay together, beyond the budget makes a batch of its own. Where the batches do not
    divide by ``share``, the fullest ones are halved; only where none can be halved the smallest are merged, beyond
    the budget.

    Args:
        sizes: Nodes of every graph.
        node_budget: Most nodes of a batch.
        groups: Graphs that stay in one batch, as tuples of their numbers; each alone if omitted.
        seed: Chooses the order, with the epoch.
        shuffle: Whether order and company change; otherwise sizes ascend, the same in every epoch.
        rank: Number of this process.
        world_size: Number of processes.
        share: Batches that belong to one step, of all processes together: a multiple of ``world_size``, which it is if
            omitted. The batches are the same for every ``world_size`` that divides it.
        bucket: Width of a size bucket in nodes, at most a 32nd of the budget.

    Raises:
        InputError: when the budget is not positive, the rank is out of range, ``share`` is no multiple of ``world_size``, or
            there are fewer graphs than batches of a step.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        node_budget: int,
        *,
        groups: Sequence[tuple[int, ...]] | None = None,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        share: int | None = None,
        bucket: int = 16,
    ) -> None:
        share = world_size if share is None else share
        self.groups = [(i,) for i in range(len(sizes))] if groups is None else list(groups)
        expect(node_budget >= 1, f"expected a positive budget of nodes, found {node_budget}; raise it.")
        expect(0 <= rank < world_size, f"expected a rank in 0..{world_size - 1}, found {rank}; check the launcher.")
        expect(
            share >= 1 and share % world_size == 0,
            f"expected batches of a step that {world_size} processes can share, found {share}; make it a multiple.",
        )
        expect(
            len(self.groups) >= share,
            f"expected at least one miniset per batch of a step, found {len(self.groups)} for {share}; draw more.",
        )
        self.seed, self.shuffle, self.rank, self.world_size = seed, shuffle, rank, world_size
        self.epoch = 0
        bucket = max(1, min(bucket, node_budget // 32))
        rounded = torch.tensor([-(-sum(sizes[i] for i in group) // bucket) * bucket for group in self.groups])
        self._order = rounded.argsort(stable=True)
        self._size = rounded[self._order]
        self._spans = _divisible(_pack(self._size.tolist(), node_budget), self._size.tolist(), share)

    @property
    def sampler(self) -> NodeBudgetSampler:
        """Itself: Lightning looks here for ``set_epoch``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._spans) // self.world_size

    def __iter__(self) -> Iterator[list[int]]:
        order, batch_order = self._order, torch.arange(len(self._spans))
        if self.shuffle:
            generator = torch.Generator().manual_seed(child_seed(self.seed, "order", self.epoch))
            noise = torch.randperm(order.numel(), generator=generator)
            # Sorting a random order by bucket, stably, permutes within buckets only.
            order = order[noise][self._size[noise].argsort(stable=True)]
            batch_order = batch_order[torch.randperm(batch_order.numel(), generator=generator)]
        for number in batch_order[self.rank :: self.world_size].tolist():
            first, last = self._spans[number]
            yield [i for place in order[first:last].tolist() for i in self.groups[place]]


class MinisetLoader(DataLoader[Any]):
    """A torch ``DataLoader`` that yields PyG batches of minisets, by a budget of nodes.

    With Lightning and several devices pass ``use_distributed_sampler=False`` to the Trainer, and ``rank`` and
    ``world_size`` here: the batches are already dealt.

    Args:
        dataset: A ``MinisetDataset``, or any sequence of ``Data``.
        node_budget: Most nodes of a batch; 3072 holds 8 minisets of 384.
        seed: Chooses the order, with the epoch.
        shuffle: Whether order and company change every epoch.
        rank: Number of this process.
        world_size: Number of processes.
        share: As of ``NodeBudgetSampler``.
        follow_batch: Fields that get a membership of their own in the batch (``x_batch``, ``x_ptr``), as in PyG's loaders.
        exclude_keys: Fields that are left out of the batch, as in PyG's loaders.
        options: Further arguments of ``DataLoader``: ``num_workers``, ``pin_memory``, ``persistent_workers``,
            ``prefetch_factor``, ``multiprocessing_context``, ``worker_init_fn``, ``generator``, ``timeout`` and so on. The
            batches do not depend on them.

    Raises:
        InputError: as ``NodeBudgetSampler``, for an option that a ``DataLoader`` does not know or that the budget
            decides (``batch_size``, ``sampler``, ``batch_sampler``, ``drop_last``, ``collate_fn``), and on iteration when
            a miniset still carries coordinates, or lacks a field to follow or to leave out.
    """

    def __init__(
        self,
        dataset: Any,
        node_budget: int = 3072,
        *,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        share: int | None = None,
        follow_batch: Sequence[str] | None = None,
        exclude_keys: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        for name in options:
            expect(
                name not in OWN_OPTIONS,
                f"expected batches by node_budget and seed, found {name}; leave it out, or take a torch DataLoader.",
            )
            expect(
                name in LOADER_OPTIONS,
                f"expected options of a DataLoader, found {name!r}{nearest_name(name, LOADER_OPTIONS)}; correct it.",
            )
        sizes = dataset.sizes if hasattr(dataset, "sizes") else [data.num_nodes for data in dataset]
        batches = NodeBudgetSampler(
            sizes,
            node_budget,
            groups=getattr(dataset, "groups", None),
            seed=seed,
            shuffle=shuffle,
            rank=rank,
            world_size=world_size,
            share=share,
        )
        collate = partial(_collate, tuple(follow_batch or ()), tuple(exclude_keys or ()))
        super().__init__(dataset, batch_sampler=batches, collate_fn=collate, **options)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration gives; Lightning does this by itself."""
        assert isinstance(self.batch_sampler, NodeBudgetSampler)
        self.batch_sampler.set_epoch(epoch)


def _collate(follow_batch: tuple[str, ...], exclude_keys: tuple[str, ...], graphs: list[Data]) -> Batch:
    fields = graphs[0].keys()
    for option, names in (("follow_batch", follow_batch), ("exclude_keys", exclude_keys)):
        for name in names:
            expect(
                name in fields,
                f"expected fields of the minisets in {option}, found {name!r}{nearest_name(name, fields)}; correct it.",
            )
    for graph in graphs:
        refuse_coordinates(graph, dropped=exclude_keys)
    return Batch.from_data_list(graphs, follow_batch, exclude_keys)


def _pack(sizes: Sequence[int], budget: int) -> list[tuple[int, int]]:
    """Cut ascending sizes into consecutive spans (first, end) within the budget."""
    spans, first, total = [], 0, 0
    for i, size in enumerate(sizes):
        if i > first and total + size > budget:
            spans.append((first, i))
            first, total = i, 0
        total += size
    return [*spans, (first, len(sizes))]


def _divisible(spans: list[tuple[int, int]], sizes: Sequence[int], share: int) -> list[tuple[int, int]]:
    """Halve spans, or merge them where too few graphs are left to halve, until their number divides."""
    spans = list(spans)
    more = -(-len(spans) // share) * share
    wanted = more if more <= len(sizes) else more - share
    while len(spans) < wanted:
        fullest = max(range(len(spans)), key=lambda b: spans[b][1] - spans[b][0])
        first, end = spans[fullest]
        middle = (first + end) // 2
        spans[fullest : fullest + 1] = [(first, middle), (middle, end)]
    while len(spans) > wanted:
        together = [sum(sizes[a:c]) for (a, _), (_, c) in itertools.pairwise(spans)]
        smallest = together.index(min(together))
        spans[smallest : smallest + 2] = [(spans[smallest][0], spans[smallest + 1][1])]
    return spans
