"""What the target laboratory looks at: minisets of slides, by size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data import MinisetRecipe, Slide
from pyg_gears.data.sampling import draw_miniset
from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.lab.targets.families import FAMILIES
from pyg_gears.seeds import torch_stream

LOCAL = MinisetRecipe(uniform=None)


class Miniset(NamedTuple):
    """Spots of one slide that lie together: true coordinates in the gauge (n, 2), float64."""

    slide: str
    pos: Float[Tensor, "n 2"]

    @property
    def size(self) -> int:
        """Number of spots n."""
        return self.pos.size(0)


@dataclass(frozen=True)
class TargetsSubject:
    """Minisets and how they are looked at.

    Attributes:
        minisets: One of every size from each slide.
        many: Minisets of mixed sizes, for what is regressed over minisets.
        families: Names of the families whose recoverability is measured.
        starts: Random starts of a direct optimisation.
        steps: Steps of each.
        seed: Seed of all draws.
    """

    minisets: tuple[Miniset, ...]
    many: tuple[Miniset, ...]
    families: tuple[str, ...] = tuple(FAMILIES)
    starts: int = 3
    steps: int = 2000
    seed: int = 0


def targets_subject(
    slides: Sequence[Slide],
    sizes: Sequence[int],
    *,
    many: int = 40,
    families: Sequence[str] = tuple(FAMILIES),
    starts: int = 3,
    steps: int = 2000,
    seed: int = 0,
) -> TargetsSubject:
    """Draw the minisets, each around a random centre.

    Args:
        slides: Slides with positions.
        sizes: Spots of the minisets; each slide must have as many.
        many: Minisets of 96 to 384 spots (at most three quarters of a slide) from each slide.
        families: Names of the families to recover.
        starts: Random starts.
        steps: Steps of each.
        seed: Seed of all draws.

    Raises:
        InputError: for a slide with too few spots, an unknown family, or none.
    """
    unknown = [name for name in families if name not in FAMILIES]
    expect(
        len(families) > 0 and not unknown,
        f"expected families among {', '.join(FAMILIES)}, found {', '.join(unknown) or 'none'}; name some of these.",
    )
    drawn, mixed = [], []
    for slide in slides:
        assert slide.pos is not None
        expect(
            len(slide) >= max(sizes),
            f"{slide.name}: expected at least {max(sizes)} spots, found {len(slide)}; leave the larger sizes out.",
        )
        pos = torch.tensor(slide.pos, dtype=torch.float64)
        for size in sizes:
            chosen = draw_miniset(pos, None, size, LOCAL, torch_stream(seed, "miniset", slide.name, size))
            drawn.append(Miniset(slide.name, gauge_fix(pos[chosen])))
        generator = torch_stream(seed, "many", slide.name)
        most = max(3, min(384, int(0.75 * len(slide))))
        for _ in range(many):
            size = int(torch.randint(min(96, most), most + 1, (), generator=generator))
            mixed.append(Miniset(slide.name, gauge_fix(pos[draw_miniset(pos, None, size, LOCAL, generator)])))
    return TargetsSubject(tuple(drawn), tuple(mixed), tuple(families), starts, steps, seed)
