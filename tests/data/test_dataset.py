from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform, Compose

from pyg_gears.data import (
    FIELDS,
    EmbeddedSlide,
    ExpressionSampling,
    LocalSampling,
    MinisetDataset,
    MinisetLoader,
    MinisetRecipe,
    PairedViews,
    UniformSampling,
    build_miniset,
    check_fields,
)
from pyg_gears.errors import InputError
from pyg_gears.transforms import CandidateGraph, GeometricTargets, TargetFamilies


class ToyTargets(BaseTransform):
    """Turns coordinates into one target and drops them; counts its calls."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def forward(self, data: Data) -> Data:
        global built
        built += 1
        assert data.pos.dtype == torch.float64
        data.sigma = self.scale * data.pos.norm(dim=1)
        ring = torch.arange(data.num_nodes)
        data.edge_index = torch.stack([ring, ring.roll(1)])
        del data.pos
        return data


class KeepsPos(BaseTransform):
    def forward(self, data: Data) -> Data:
        return data


built = 0
SMALL = MinisetRecipe(count=8, min_size=10, max_size=30, local=None)
ONE_KIND = {"local": None, "uniform": None, "expression": None}


def slides(count: int = 2, n: int = 60) -> list[EmbeddedSlide]:
    generator = torch.Generator().manual_seed(0)
    return [
        EmbeddedSlide(
            f"s{i}",
            torch.randn(n, 3, generator=generator),
            torch.rand(n, 2, generator=generator, dtype=torch.float64),
            i,
        )
        for i in range(count)
    ]


def same(one: Data, other: Data) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one.keys())  # noqa: SIM118


def test_items_are_valid_minisets_of_their_slide() -> None:
    given = slides(3)
    dataset = MinisetDataset(given, SMALL, pre_transform=ToyTargets())
    assert len(dataset) == 8
    for index, data in enumerate(dataset[i] for i in range(8)):
        check_fields(data, required=("x", "slide_id", "node_id", "sigma"))
        assert data.slide_id.tolist() == [index % 3]
        slide = given[index % 3]
        assert torch.equal(data.x, slide.x[data.node_id])
        assert data.sigma.dtype == torch.float32
        torch.testing.assert_close(data.sigma, slide.pos[data.node_id].norm(dim=1).float())
        assert 10 <= data.num_nodes <= 30
    assert dataset.sizes == [dataset[i].num_nodes for i in range(8)]
    with pytest.raises(IndexError):
        dataset[8]


def test_no_coordinate_leaves_the_dataset() -> None:
    dataset = MinisetDataset(slides(), SMALL, pre_transform=ToyTargets())
    assert all("pos" not in dataset[i] for i in range(8))
    with pytest.raises(InputError, match="without coordinates, found 'pos'"):
        MinisetDataset(slides(), SMALL, pre_transform=KeepsPos())[0]
    assert "pos" in MinisetDataset(slides(), SMALL)[0]  # asked for: no transform, and no loader will take it


def test_the_real_transforms_fill_the_table(tmp_path: Path) -> None:
    transform = Compose([TargetFamilies(), GeometricTargets(), CandidateGraph(k=15)])
    dataset = MinisetDataset(
        slides(1, 120),
        MinisetRecipe(count=2, min_size=40, max_size=90, uniform=None),
        pre_transform=transform,
        cache=tmp_path,
    )
    fields = set(FIELDS) - {"pos", "pair_id", "gram_factor"}
    for data in (dataset[0], dataset[1], next(iter(MinisetLoader(dataset, 500)))):
        assert fields <= set(data.keys())
        check_fields(data, required=fields)
        assert {data[name].dtype for name in fields if FIELDS[name].kind == "float"} == {torch.float32}
    # Targets are built in the precision of the coordinates and rounded once.
    slide = dataset.slides[0]
    exact = GeometricTargets()(build_miniset(slide.x, slide.pos, dataset[0].node_id, 0))
    assert exact.sigma.dtype == torch.float64
    assert torch.equal(dataset[0].sigma, exact.sigma.float())


def test_the_seed_decides_and_count_does_not() -> None:
    one = MinisetDataset(slides(), SMALL)
    longer = MinisetDataset(slides(), SMALL.change({"count": 20}))
    other = MinisetDataset(slides(), SMALL.change({"seed": 1}))
    third = MinisetDataset(slides(), SMALL, seed=1)
    assert all(same(one[i], longer[i]) for i in (7, 0, 3))
    assert not any(same(one[i], other[i]) or same(one[i], third[i]) or same(other[i], third[i]) for i in range(8))
    assert len({tuple(one[i].node_id.tolist()) for i in range(8)}) == 8


@pytest.mark.parametrize("kind", [LocalSampling(), UniformSampling(), ExpressionSampling()])
def test_every_kind_and_small_slides(kind: LocalSampling | UniformSampling | ExpressionSampling) -> None:
    name = type(kind).__name__.removesuffix("Sampling").lower()
    recipe = MinisetRecipe(**{**ONE_KIND, name: kind, "count": 4, "max_share": 1.0})
    assert MinisetDataset(slides(), recipe).sizes == [60] * 4
    data = MinisetDataset(slides(), recipe)[1]
    assert torch.equal(data.node_id, torch.arange(60))


def test_expression_drawn_minisets_are_neighbours_in_the_embedding() -> None:
    """Two groups that the embedding keeps apart and space mixes: a walk stays in one."""
    group = torch.arange(60) % 2
    x = torch.stack([1.0 - group, group.float()], dim=1) + 0.1 * torch.randn(
        60, 2, generator=torch.Generator().manual_seed(0)
    )
    slide = slides(1)[0]._replace(x=x)
    recipe = MinisetRecipe(
        count=10, min_size=10, max_size=20, local=None, uniform=None, expression=ExpressionSampling(neighbors=5)
    )
    dataset = MinisetDataset([slide], recipe)
    assert all(group[dataset[i].node_id].unique().numel() == 1 for i in range(10))


def test_pairs_overlap_and_are_named() -> None:
    recipe = MinisetRecipe(count=8, min_size=20, max_size=30, local=None)
    dataset = MinisetDataset(slides(), recipe, views=PairedViews(alpha=0.5, n_min=12))
    assert dataset.groups == [(0, 1), (2, 3), (4, 5), (6, 7)]
    for one, other in dataset.groups:
        first, second = dataset[one], dataset[other]
        assert first.pair_id.tolist() == second.pair_id.tolist() == [one // 2]
        assert first.slide_id.tolist() == second.slide_id.tolist()
        assert first.num_nodes == second.num_nodes == dataset.sizes[one]
        shared = int(torch.isin(first.node_id, second.node_id).sum())
        assert max(12, 0.5 * first.num_nodes) <= shared < first.num_nodes
    assert MinisetDataset(slides(), SMALL).groups == [(i,) for i in range(8)]


def test_memory_keeps_what_was_built_and_hands_out_copies() -> None:
    global built
    dataset = MinisetDataset(slides(), SMALL, pre_transform=ToyTargets())
    built = 0
    first = dataset[2]
    first.sigma.zero_()
    first.x.zero_()
    again = dataset[2]
    assert built == 1
    assert (again.sigma > 0).all()
    assert (again.x != 0).any()
    forgetful = MinisetDataset(slides(), SMALL, pre_transform=ToyTargets(), keep_in_memory=False)
    built = 0
    assert same(forgetful[2], again)
    assert same(forgetful[2], again)
    assert built == 2


def test_disk_keeps_across_datasets(tmp_path: Path) -> None:
    global built
    first = MinisetDataset(slides(), SMALL, pre_transform=ToyTargets(), cache=tmp_path)
    wanted = [first[i] for i in range(8)]
    built = 0
    second = MinisetDataset(slides(), SMALL, pre_transform=ToyTargets(), cache=tmp_path)
    assert all(same(second[i], wanted[i]) for i in range(8))
    assert built == 0
    assert all(wanted[0][k].dtype == second[0][k].dtype for k in wanted[0].keys())  # noqa: SIM118


def test_a_copy_on_another_machine_does_without_the_folder(tmp_path: Path) -> None:
    dataset = MinisetDataset(slides(), SMALL, pre_transform=ToyTargets(), cache=tmp_path / "here")
    sent = pickle.dumps(dataset)
    assert pickle.loads(sent).folder == dataset.folder
    (tmp_path / "here").rename(tmp_path / "elsewhere")
    copy = pickle.loads(sent)
    assert copy.folder is None
    assert same(copy[1], MinisetDataset(slides(), SMALL, pre_transform=ToyTargets())[1])
    assert not (tmp_path / "here").exists()


def test_any_change_of_recipe_or_input_is_another_cache(tmp_path: Path) -> None:
    moved = slides()
    moved[1].pos[3, 0] += 1e-9
    other_x = slides()
    other_x[0].x[0, 0] += 1e-6
    variants = [
        (slides(), SMALL, ToyTargets()),
        (slides(), SMALL, ToyTargets(2.0)),
        (slides(), SMALL, None),
        (slides(), SMALL.change({"seed": 5}), ToyTargets()),
        (moved, SMALL, ToyTargets()),
        (other_x, SMALL, ToyTargets()),
        (slides()[::-1], SMALL, ToyTargets()),
    ]
    folders = {MinisetDataset(s, r, pre_transform=t, cache=tmp_path).folder for s, r, t in variants}
    assert len(folders) == len(variants)
    folders.add(MinisetDataset(slides(), SMALL, pre_transform=ToyTargets(), seed=1, cache=tmp_path).folder)
    folders.add(MinisetDataset(slides(), SMALL, pre_transform=ToyTargets(), views=PairedViews(), cache=tmp_path).folder)
    assert len(folders) == len(variants) + 2
    more = MinisetDataset(slides(), SMALL, pre_transform=ToyTargets(), count=20, cache=tmp_path)
    assert more.folder in folders  # the number of minisets says nothing about any one of them


def test_a_damaged_file_is_built_again(tmp_path: Path) -> None:
    global built
    wanted = MinisetDataset(slides(), SMALL, pre_transform=ToyTargets(), cache=tmp_path)[4]
    (path,) = tmp_path.rglob("*.npz")
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-30], np.random.default_rng(0).bytes(500)):
        path.write_bytes(damaged)
        built = 0
        assert same(MinisetDataset(slides(), SMALL, pre_transform=ToyTargets(), cache=tmp_path)[4], wanted)
        assert built == 1
        assert path.read_bytes() == whole


def read_all(folder: Path, start: Any, answers: Any) -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    slide = EmbeddedSlide("s", torch.randn(300, 8, generator=generator), torch.rand(300, 2, generator=generator))
    dataset = MinisetDataset([slide], MinisetRecipe(count=60, min_size=50, max_size=200), cache=folder)
    start.wait()
    answers.put([dataset[i].node_id.tolist() for i in range(60)])


def test_two_processes_share_one_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, answers = context.Barrier(2), context.Queue()
    running = [context.Process(target=read_all, args=(tmp_path, start, answers)) for _ in range(2)]
    for process in running:
        process.start()
    results = [answers.get(timeout=60) for _ in running]
    for process in running:
        process.join(timeout=10)
    assert results[0] == results[1]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 60
    assert all(path.suffix == ".npz" and not path.name.startswith(".") for path in files)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "expected count at least 1, found 0"),
        ({"min_size": 40}, "expected minisets.min_size at most max_size, found 40 and 30"),
        ({"min_size": 0}, "expected min_size at least 3, found 0"),
        ({"max_share": 0.0}, "expected max_share above 0"),
        ({"uniform": None}, "expected at least one of minisets.local, uniform, expression and geodesic, found none"),
        ({"expression": {"restart": 1.0}}, "expected expression.restart below 1"),
        ({"local": {"tau": 0}}, "expected local.tau above 0"),
        ({"local": {"reach": 1}}, "found 'local.reach'"),
    ],
)
def test_bad_recipes(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SMALL.change(changes)


def test_bad_slides_and_counts() -> None:
    slide = slides(1)[0]
    for bad, message in [
        ([], "at least one slide to draw from"),
        ([slide._replace(pos=slide.pos[:5])], r"one position per spot \(60 x 2\), found \(5, 2\)"),
        ([slide._replace(x=slide.x[:0], pos=slide.pos[:0])], "s0: expected spots to draw from, found none"),
    ]:
        with pytest.raises(InputError, match=message):
            MinisetDataset(bad, SMALL)
    with pytest.raises(InputError, match="even count of paired views, found 7"):
        MinisetDataset([slide], SMALL, count=7, views=PairedViews())
