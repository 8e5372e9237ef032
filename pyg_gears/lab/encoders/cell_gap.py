"""How far cells lie from spots in each embedding, before and after an adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.domain_gap import domain_gap
from pyg_gears.encoders.single_cell_adapter import SCAdapter
from pyg_gears.lab.encoders.figure_parts import SEEN, UNSEEN, draw_grouped_bars
from pyg_gears.lab.encoders.neighbor_mixing import neighbor_mixing
from pyg_gears.lab.encoders.published_limits import LIMITS
from pyg_gears.lab.encoders.slide_probe import slide_probe
from pyg_gears.lab.encoders.subject import Embedding, Fit, Numbers, SlidesSubject
from pyg_gears.lab.probe import NotMeasurable, Probe, Requirement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLE = 1000
COLUMNS = {
    "probe": "probe",
    "probe_squares": "with squares",
    "mmd": "MMD",
    "coral": "CORAL",
    "covariance": "covariance",
    "entropy": "kNN entropy",
    "ilisi": "iLISI",
}


class CellGap(NamedTuple):
    """Cells against spots before and after an adapter that is fitted on half of the cells and the training spots.

    All numbers are of the other half of the cells, see :func:`gap_numbers`.

    Attributes:
        fitted: "before" and "after" -> numbers against the training spots.
        held_out: The same against spots of unseen slides, mean over the folds; None without one.
        floor: Numbers of one half of the training spots against the other.
        given: Whether the encoder was fitted elsewhere.
    """

    fitted: dict[str, Numbers]
    held_out: dict[str, Numbers] | None
    floor: Numbers
    given: bool


def gap_numbers(cells_x: Tensor, spots_x: Tensor, seed: int) -> Numbers:
    """How far cells lie from spots: :func:`~pyg_gears.encoders.domain_gap.domain_gap`, a linear probe, and mixing.

    Probe and mixing are of equal numbers of cells and spots, drawn by the seed.
    """
    gap = domain_gap(cells_x, spots_x, seed=seed)
    count = min(len(cells_x), len(spots_x), SAMPLE)
    generator = torch.Generator().manual_seed(seed)
    both = torch.cat([x[torch.randperm(len(x), generator=generator)[:count]] for x in (cells_x, spots_x)])
    label = np.repeat([0, 1], count)
    return {
        "probe": slide_probe(both.numpy(), label, seed=seed).accuracy,
        # An encoder that centres every slide gives both the same means, to which a linear probe is blind.
        "probe_squares": slide_probe(torch.cat([both, both.square()], dim=1).numpy(), label, seed=seed).accuracy,
        "mmd": gap.mmd,
        "coral": gap.coral,
        "covariance": gap.covariance,
        **neighbor_mixing(both, label, seed=seed)._asdict(),
    }


def cell_gap(embedding: Embedding, cells: Slide, seed: int, steps: int) -> CellGap:
    """Compare cells with spots in one embedding that has seen at least one of the slides."""
    assert embedding.fitted is not None
    against, floor = _fit_gaps(embedding.fitted, embedding.fitted.seen, cells, seed, steps)
    unseen = [_fit_gaps(fit, fit.unseen, cells, seed, steps)[0] for fit in embedding.folds]
    return CellGap(against, _mean(unseen) if unseen else None, floor, embedding.given)


def _fit_gaps(
    fit: Fit, against: Sequence[Slide], cells: Slide, seed: int, steps: int
) -> tuple[dict[str, Numbers], Numbers]:
    x = fit.encoder.encode(cells)
    spots = torch.cat([fit.xs[slide.name] for slide in fit.seen])
    generator = torch.Generator().manual_seed(seed)
    order, shuffled = torch.randperm(len(x), generator=generator), torch.randperm(len(spots), generator=generator)
    half, middle = len(x) // 2, len(spots) // 2
    adapter = SCAdapter.fit(x[order[:half]], spots, steps=steps, seed=seed)
    others, target = x[order[half:]], torch.cat([fit.xs[slide.name] for slide in against])
    gaps = {
        "before": gap_numbers(others, target, seed),
        "after": gap_numbers(adapter(others), target, seed),
    }
    return gaps, gap_numbers(spots[shuffled[:middle]], spots[shuffled[middle:]], seed)


def _mean(gaps: Sequence[Mapping[str, Numbers]]) -> dict[str, Numbers]:
    return {
        when: {key: float(np.mean([gap[when][key] for gap in gaps])) for key in gaps[0][when]}
        for when in ("before", "after")
    }


def _measure(subject: SlidesSubject) -> dict[str, CellGap]:
    if subject.cells is None:
        raise NotMeasurable("expected dissociated cells, found none; name them with --cells.")
    chosen = [one for one in subject.embeddings if one.adapt and one.fitted is not None]
    if not chosen:
        raise NotMeasurable(
            "expected an embedding in which cells are compared with spots, found none; compare one more."
        )
    seed, steps = subject.seed, subject.adapter_steps
    return {one.name: cell_gap(one, subject.cells, seed, steps) for one in chosen}


def _tables(record: Mapping[str, CellGap]) -> Mapping[str, pd.DataFrame]:
    rows, index = [], []
    for name, gap in record.items():
        for when in ("before", "after"):
            for label, numbers in (("training spots", gap.fitted), ("unseen slides", gap.held_out or {})):
                rows.append([numbers.get(when, {}).get(key) for key in COLUMNS])
                index.append((name, f"{when}, {label}"))
        rows.append([gap.floor[key] for key in COLUMNS])
        index.append((name, "floor"))
    frame = pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(index), columns=list(COLUMNS.values()), dtype=float)
    title = (
        "Cells against spots before and after an adapter that was fitted on the other half of the cells (floor: half of the\n"
        "training spots against the other half; better: lower, but mixing higher)"
    )
    return {title: frame}


def _draw(record: Mapping[str, CellGap], figure: Figure) -> None:
    """Domain probes and neighbour entropy before and after the adapter, with their floor or ceiling."""
    figure.set_size_inches(2.6 + 2.2 * len(record), 7.0)
    panels = figure.subplots(3, 1, sharex=True)
    ticks = [f"{name}\n{when}" for name in record for when in ("before", "after")]
    kinds = {"fitted": ("to training spots", SEEN), "held_out": ("to spots of unseen slides", UNSEEN)}
    titles = {
        "probe": "linear probe of cells against spots",
        "probe_squares": "the same with squares",
        "entropy": "kNN entropy (higher is better mixed)",
    }
    for axes, (key, title) in zip(panels, titles.items(), strict=True):
        values = {
            kind: [
                (getattr(gap, kind) or {}).get(when, {}).get(key)
                for gap in record.values()
                for when in ("before", "after")
            ]
            for kind in kinds
        }
        draw_grouped_bars(axes, ticks, values, kinds)
        ideal = 0.5 if key != "entropy" else next(iter(record.values())).floor["entropy_mixed"]
        axes.axhline(ideal, color="black", lw=0.8, ls="--", label="indistinguishable")
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1.12)
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=3, frameon=False, fontsize=9)


def _requirements(record: Mapping[str, CellGap]) -> list[Requirement]:
    return [
        LIMITS["domain"].requirement(gap.fitted["after"]["probe"], name) for name, gap in record.items() if gap.given
    ]


PROBE = Probe("cells_and_spots", _measure, _tables, _draw, _requirements)
