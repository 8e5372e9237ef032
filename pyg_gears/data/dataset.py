"""``MinisetDataset``: minisets of a recipe, each built when first asked for, kept in memory and on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator
from torch.utils.data import Dataset
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from pyg_gears.data.embedded_slide import EmbeddedSlide
from pyg_gears.data.fields import refuse_coordinates
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.data.geodesic_draw import GeodesicGraph, geodesic_graph
from pyg_gears.data.miniset import build_miniset
from pyg_gears.data.miniset_recipe import MinisetRecipe, PairedViews
from pyg_gears.data.packed import Packed, pack_data, read_packed, unpack_data, write_packed
from pyg_gears.data.sampling import WalkGraph, draw_miniset, draw_pair, draw_size, walk_graph
from pyg_gears.errors import expect
from pyg_gears.graphs import knn
from pyg_gears.seeds import child_seed
from pyg_gears.typing import FilePath


class MinisetDataset(Dataset[Data]):
    """Minisets of several slides, for ``MinisetLoader``.

    Coordinates serve ``pre_transform`` (which builds the targets) and are gone afterwards; its float results are
    computed in the dtype of the coordinates and returned in the dtype of ``x``.

    Args:
        slides: Embedded slides.
        recipe: How to draw.
        pre_transform: PyG transform run once on every miniset, for instance
            ``Compose([GeometricTargets(), CandidateGraph()])``. Without one the minisets keep ``pos``, and the
            loader refuses them.
        seed: Chooses sizes and spots, with the recipe's own seed; miniset i depends on both and on i alone.
        count: Number of minisets, if not the recipe's.
        views: Draw overlapping pairs: minisets 2i and 2i + 1 share spots and carry the field ``pair_id``.
        cache: Folder for finished minisets, one file each, under a key of recipe, transform, input and version.
            Several processes may share it; a damaged file is built again.
        keep_in_memory: Whether finished minisets also stay in memory (0.4 MB each at the default sizes).

    Raises:
        InputError: for no slides, a slide without spots, shapes that disagree, an odd number of paired views, or (from
            an item) a ``pre_transform`` that leaves coordinates.
    """

    def __init__(
        self,
        slides: Sequence[EmbeddedSlide],
        recipe: MinisetRecipe,
        *,
        pre_transform: BaseTransform | None = None,
        seed: int = 0,
        count: int | None = None,
        views: PairedViews | None = None,
        cache: FilePath | None = None,
        keep_in_memory: bool = True,
    ) -> None:
        expect(len(slides) > 0, "expected at least one slide to draw from, found none; name a slide.")
        for slide in slides:
            _check(slide)
        self.slides = list(slides)
        self.recipe, self.pre_transform, self.views = recipe, pre_transform, views
        self.seed, self.count = seed, recipe.count if count is None else count
        _check_count(self.count, views)
        self.keep_in_memory = keep_in_memory
        self.folder: Path | None = None
        if cache is not None:
            # No miniset depends on the number of minisets.
            drawn = recipe.model_copy(update={"count": 1})
            key = fingerprint(drawn, pre_transform, seed, views, [tuple(slide) for slide in self.slides])
            self.folder = Path(cache) / key[:32]
            self.folder.mkdir(parents=True, exist_ok=True)
        self._kept: dict[int, Packed] = {}
        self._walks: dict[int, WalkGraph] = {}
        self._geodesics: dict[int, GeodesicGraph] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In another process, perhaps on another machine: there the folder may not exist."""
        self.__dict__.update(state)
        if self.folder is not None and not self.folder.is_dir():
            self.folder = None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Data:
        if not 0 <= index < len(self):
            raise IndexError(f"miniset {index} of {len(self)}")
        packed = self._kept.get(index)
        if packed is None:
            packed = self._load_or_build(index)
            if self.keep_in_memory:
                self._kept[index] = packed
        return unpack_data(packed)

    @property
    def sizes(self) -> list[int]:
        """Number of nodes of every miniset, without building it."""
        return [self._start(index)[2] for index in range(len(self))]

    @property
    def groups(self) -> list[tuple[int, ...]]:
        """Minisets that belong into one batch: pairs of views, or each miniset alone."""
        step = 1 if self.views is None else 2
        return [tuple(range(i, i + step)) for i in range(0, len(self), step)]

    def _load_or_build(self, index: int) -> Packed:
        if self.folder is None:
            return pack_data(self._build(index))
        path = self.folder / f"{index:06d}.npz"
        packed = read_packed(path)
        if packed is None:
            packed = pack_data(self._build(index))
            write_packed(path, packed)
        return packed

    def _start(self, index: int) -> tuple[int, Generator, int]:
        """Slide, generator and size of a miniset; the views of a pair start alike."""
        unit = index if self.views is None else index // 2
        generator = Generator().manual_seed(child_seed(self.seed, "minisets", self.recipe.seed, unit))
        which = unit % len(self.slides)
        available = self.slides[which].pos.size(0)
        top = max(1, int(self.recipe.max_share * available))
        low, high = min(self.recipe.min_size, top), min(self.recipe.max_size, top)
        return which, generator, draw_size(low, high, available, generator)

    def _build(self, index: int) -> Data:
        which, generator, size = self._start(index)
        slide, walk, paths = self.slides[which], self._walk(which), self._paths(which)
        if self.views is None:
            spots = draw_miniset(slide.pos, walk, size, self.recipe, generator, paths)
        else:
            spots = draw_pair(slide.pos, walk, size, self.recipe, self.views, generator, paths)[index % 2]
        data = build_miniset(slide.x, slide.pos, spots, which if slide.slide_id is None else slide.slide_id)
        if self.views is not None:
            data.pair_id = torch.tensor([index // 2])
        if self.pre_transform is not None:
            data = self.pre_transform(data)
            refuse_coordinates(data)
            data = data.apply(lambda value: value.to(slide.x.dtype) if value.is_floating_point() else value)
        return data

    def _walk(self, which: int) -> WalkGraph | None:
        chosen = self.recipe.expression
        if chosen is None:
            return None
        if which not in self._walks:
            self._walks[which] = walk_graph(knn(self.slides[which].x, chosen.neighbors, metric="cosine").index)
        return self._walks[which]

    def _paths(self, which: int) -> GeodesicGraph | None:
        if self.recipe.geodesic is None:
            return None
        if which not in self._geodesics:
            self._geodesics[which] = geodesic_graph(self.slides[which].pos, self.recipe.geodesic.neighbors)
        return self._geodesics[which]


def _check_count(count: int, views: PairedViews | None) -> None:
    expect(
        views is None or count % 2 == 0,
        f"expected an even count of paired views, found {count}; add one.",
    )


def _check(slide: EmbeddedSlide) -> None:
    n = slide.x.size(0)
    expect(
        slide.pos.shape == (n, 2),
        f"{slide.name}: expected one position per spot ({n} x 2), found {tuple(slide.pos.shape)}; check the slide.",
    )
    expect(n > 0, f"{slide.name}: expected spots to draw from, found none; leave the slide out.")
