from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data

from pyg_gears.data import EmbeddedSlide, MinisetDataset, MinisetLoader, MinisetRecipe, PairedViews
from pyg_gears.data.joined_minisets import JoinedMinisets
from pyg_gears.errors import InputError
from pyg_gears.transforms import CandidateGraph, GeometricTargets

SMALL = MinisetRecipe(count=6, min_size=10, max_size=30, local=None)


def slide(number: int, n: int = 60) -> EmbeddedSlide:
    generator = torch.Generator().manual_seed(number)
    return EmbeddedSlide(
        f"s{number}", torch.randn(n, 3, generator=generator), torch.rand(n, 2, generator=generator), number
    )


def dataset(number: int, views: PairedViews | None = None) -> MinisetDataset:
    steps = [GeometricTargets(), CandidateGraph(5)]

    def built(data: Data) -> Data:
        for step in steps:
            data = step(data)
        return data

    return MinisetDataset([slide(number)], SMALL, pre_transform=built, seed=number, views=views)


def same(one: Data, other: Data) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one.keys())  # noqa: SIM118


def test_the_parts_follow_one_another() -> None:
    parts = [dataset(0).first(4), dataset(1).first(2)]
    joined = JoinedMinisets(parts)
    assert len(joined) == 6
    assert joined.sizes == parts[0].sizes + parts[1].sizes
    assert [one.name for one in joined.slides] == ["s0", "s1"]
    for index, (part, own) in enumerate([(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]):
        assert same(joined[index], parts[part][own])
    for index in (-1, 6):
        with pytest.raises(IndexError, match=f"miniset {index} of 6"):
            joined[index]
    batches = list(MinisetLoader(joined, 60, seed=3))
    assert sum(batch.num_graphs for batch in batches) == 6
    assert {int(number) for batch in batches for number in batch.slide_id} == {0, 1}


def test_pairs_stay_together() -> None:
    views = PairedViews(n_min=4)
    joined = JoinedMinisets([dataset(0, views).first(4), dataset(1, views).first(2)])
    assert joined.groups == [(0, 1), (2, 3), (4, 5)]


def test_nothing_to_join_is_refused() -> None:
    with pytest.raises(InputError, match=r"^expected at least one dataset to join, found none; pass one\.$"):
        JoinedMinisets([])


def test_the_first_minisets_are_those_of_the_whole_and_built_once(monkeypatch) -> None:
    whole = dataset(0)
    kept = [whole[index] for index in range(3)]
    more = whole.first(8)
    assert (len(whole), len(more), len(whole.first(2))) == (6, 8, 2)
    build = MinisetDataset._build
    built: list[int] = []

    def counted(self: MinisetDataset, index: int) -> Data:
        built.append(index)
        return build(self, index)

    monkeypatch.setattr(MinisetDataset, "_build", counted)
    assert all(same(more[index], kept[index]) for index in range(3))
    assert built == []
    assert same(more[5], whole[5])
    assert built == [5]


def test_an_odd_count_of_paired_views_is_refused() -> None:
    with pytest.raises(InputError, match="expected an even count of paired views, found 3; add one"):
        dataset(0, PairedViews(n_min=4)).first(3)
