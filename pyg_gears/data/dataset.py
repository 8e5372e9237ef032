"""``MinisetDataset``: minisets of a recipe, each built when first asked for, kept in memory and on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator
from torch.utils.data import Dataset
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from pyg_gears.data.fields import refuse_coordinates
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.data.miniset import build_miniset
from pyg_gears.data.packed import Packed, pack_data, read_packed, unpack_data, write_packed
from pyg_gears.data.sampling import SAMPLERS, WalkGraph, draw_miniset, draw_pair, draw_size, walk_graph
from pyg_gears.data.splits import EmbeddedSlide
from pyg_gears.errors import expect
from pyg_gears.typing import FilePath


@dataclass(frozen=True)
class MinisetRecipe:
    """How minisets are drawn.

    Attributes:
        count: Number of minisets (with ``paired``: of views, two a pair); they come from the slides in turn.
        min_size: Smallest miniset, spots.
        max_size: Largest miniset, spots.
        kind: Sampling: "local", "global", "expression" or "mixed".
        weights: Share of each kind in "mixed", pairs of kind and weight. Half local, half global transferred best to
            unseen sections.
        tau: Reach of local sampling, in radii that hold as many spots as the miniset.
        restart: Chance of the expression walk to return to its start.
        paired: Whether minisets 2i and 2i + 1 are overlapping views; they get the field ``pair_id``.
        alpha: Least part that two views share, 0..1.
        n_min: Least number of spots that two views share.
        seed: Chooses sizes and spots; miniset i depends on the seed and i alone, not on ``count``.
        max_share: Largest share of a slide's spots in one miniset, above 0, at most 1; both sizes are clipped to it. Minisets
            of a small section that all hold the whole of it would be one and the same.
    """

    count: int = 1000
    min_size: int = 96
    max_size: int = 384
    kind: str = "mixed"
    weights: tuple[tuple[str, float], ...] = (("local", 0.5), ("global", 0.5))
    tau: float = 1.0
    restart: float = 0.15
    paired: bool = False
    alpha: float = 0.5
    n_min: int = 32
    seed: int = 0
    max_share: float = 0.75

    def __post_init__(self) -> None:
        expect(self.count >= 1, f"Expected at least 1 miniset, found count={self.count}; raise it.")
        expect(
            1 <= self.min_size <= self.max_size,
            f"Expected 1 <= min_size <= max_size, found {self.min_size} and {self.max_size}; swap or change them.",
        )
        expect(0 < self.max_share <= 1, f"Expected max_share above 0 and at most 1, found {self.max_share}; change it.")
        expect(self.kind in SAMPLERS, f"Expected a sampling of {SAMPLERS}, found {self.kind!r}; name one of them.")
        expect(
            not self.paired or self.count % 2 == 0,
            f"Expected an even count of paired views, found {self.count}; add one.",
        )


class MinisetDataset(Dataset[Data]):
    """Minisets of several slides, for ``MinisetLoader``.

    Coordinates serve ``pre_transform`` (which builds the targets) and are gone afterwards; its float results are
    computed in the dtype of the coordinates and returned in the dtype of ``x``.

    Args:
        slides: Embedded slides, or tuples (name, x, pos); ``pos`` may be a NumPy array.
        recipe: How to draw.
        pre_transform: PyG transform run once on every miniset, for instance
            ``Compose([GeometricTargets(), CandidateGraph()])``. Without one the minisets keep ``pos``, and the
            loader refuses them.
        cache: Folder for finished minisets, one file each, under a key of recipe, transform, input and code.
            Several processes may share it; a damaged file is built anew.
        keep_in_memory: Whether finished minisets also stay in memory (0.4 MB each at the default sizes).

    Raises:
        InputError: for no slides, a slide without spots to draw from, shapes that disagree, or (from an item) a
            ``pre_transform`` that leaves coordinates.
    """

    def __init__(
        self,
        slides: Sequence[EmbeddedSlide | tuple[Any, ...]],
        recipe: MinisetRecipe,
        *,
        pre_transform: BaseTransform | None = None,
        cache: FilePath | None = None,
        keep_in_memory: bool = True,
    ) -> None:
        expect(len(slides) > 0, "Expected at least one slide to draw from, found none; name a slide.")
        self.slides = [_checked(EmbeddedSlide(*slide)) for slide in slides]
        self.recipe = recipe
        self.pre_transform = pre_transform
        self.keep_in_memory = keep_in_memory
        self.folder: Path | None = None
        if cache is not None:
            key = fingerprint(recipe, pre_transform, [tuple(slide) for slide in self.slides])
            self.folder = Path(cache) / key[:32]
            self.folder.mkdir(parents=True, exist_ok=True)
        self._kept: dict[int, Packed] = {}
        self._walks: dict[int, WalkGraph | None] = {}

    def __len__(self) -> int:
        return self.recipe.count

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
        step = 2 if self.recipe.paired else 1
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
        unit = index // 2 if self.recipe.paired else index
        text = hashlib.sha256(f"miniset {self.recipe.seed} {unit}".encode()).digest()
        generator = Generator().manual_seed(int.from_bytes(text[:7], "big"))
        which = unit % len(self.slides)
        slide = self.slides[which]
        available = slide.pos.size(0) if slide.allowed is None else int(slide.allowed.sum())
        top = max(1, int(self.recipe.max_share * available))
        low, high = min(self.recipe.min_size, top), min(self.recipe.max_size, top)
        return which, generator, draw_size(low, high, available, generator)

    def _build(self, index: int) -> Data:
        which, generator, size = self._start(index)
        slide, recipe = self.slides[which], self.recipe
        if which not in self._walks:
            self._walks[which] = None if slide.neighbors is None else walk_graph(slide.neighbors, slide.allowed)
        if recipe.paired:
            spots = draw_pair(
                slide.pos,
                self._walks[which],
                size,
                recipe.kind,
                generator,
                alpha=recipe.alpha,
                n_min=recipe.n_min,
                allowed=slide.allowed,
                tau=recipe.tau,
                restart=recipe.restart,
                weights=dict(recipe.weights),
            )[index % 2]
        else:
            spots = draw_miniset(
                slide.pos,
                self._walks[which],
                size,
                recipe.kind,
                generator,
                allowed=slide.allowed,
                tau=recipe.tau,
                restart=recipe.restart,
                weights=dict(recipe.weights),
            )
        data = build_miniset(slide.x, slide.pos, spots, which if slide.slide_id is None else slide.slide_id)
        if recipe.paired:
            data.pair_id = torch.tensor([index // 2])
        if self.pre_transform is not None:
            data = self.pre_transform(data)
            refuse_coordinates(data)
            data = data.apply(lambda value: value.to(slide.x.dtype) if value.is_floating_point() else value)
        return data


def _checked(slide: EmbeddedSlide) -> EmbeddedSlide:
    pos: object = slide.pos
    if isinstance(pos, np.ndarray):
        slide = slide._replace(pos=torch.tensor(pos))
    n = slide.x.size(0)
    expect(
        slide.pos.shape == (n, 2) and (slide.allowed is None or slide.allowed.shape == (n,)),
        f"{slide.name}: expected one position a spot ({n} x 2), found {tuple(slide.pos.shape)} "
        f"and allowed spots {None if slide.allowed is None else tuple(slide.allowed.shape)}; check the slide.",
    )
    expect(
        n > 0 and (slide.allowed is None or bool(slide.allowed.any())),
        f"{slide.name}: expected spots to draw from, found none allowed; leave the slide out.",
    )
    return slide
