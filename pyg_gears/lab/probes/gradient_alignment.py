"""Attention against the gradient of the energy, by family of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.geometry import edge_distance
from pyg_gears.lab.probe import Probe
from pyg_gears.lab.probes.distance_energy import FAMILIES, EnergyPairs, distance_energy, energy_pairs, pair_keys
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches
from pyg_gears.lab.probes.figure_parts import pooled
from pyg_gears.lab.probes.model_parts import attention_output
from pyg_gears.lab.probes.row_statistics import row_correlation, row_ranks
from pyg_gears.lab.probes.subject import Found, each_member, member_table
from pyg_gears.losses.membership import membership
from pyg_gears.report.figure_style import OTHER, PALETTE, legend_below

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pyg_gears.models import StructureModel

LABELS = {"neighbors": "kNN", "ring": "ring", "landmarks": "landmarks", "all": "all pairs"}


class GradientAlignment(NamedTuple):
    """Attention of each recycle and head against the gradient of E_geo, by family of pairs, means over minisets.

    Families: "neighbors" (true neighbours), "ring" (farther pairs of the stress), "landmarks" (pairs of the stress with a
    landmark), "all" of them.

    Attributes:
        minisets: Number of minisets.
        spearman: Family -> rank correlation of attention and ``|dE/dd|`` over the pairs that are candidates, shape (recycles,
            heads); NaN where a family has no two such pairs.
        spread: Family -> standard deviation of it over minisets.
        coverage: Family -> share of its pairs that are candidates.
        attention: Family -> share of all attention that falls on it, shape (recycles, heads); the rest is on self-loops and
            on candidates whose distance the energy does not read.
        gradient: Family -> share of the sum of ``|dE/dd|``, shape (recycles,), candidates or not.
    """

    minisets: int
    spearman: dict[str, Float[np.ndarray, "recycles h"]]
    spread: dict[str, Float[np.ndarray, "recycles h"]]
    coverage: dict[str, float]
    attention: dict[str, Float[np.ndarray, "recycles h"]]
    gradient: dict[str, Float[np.ndarray, " recycles"]]


def gradient_alignment(model: StructureModel, minisets: Minisets, node_budget: int = 1024) -> GradientAlignment:
    r"""Correlate attention with the gradient at the layout that the recycle starts from.

    The energy is written as a function of the distances of its pairs (:func:`distance_energy`), each a free variable, and
    differentiated by them; a pair read by the random walk (in both directions) and by the stress gets the sum. The attention
    of a pair is :math:`\alpha_{ij} + \alpha_{ji}`. Ranks are over all pairs of a family in a miniset.

    Args:
        model: Structure model that can return its attention terms.
        minisets: Minisets with targets and candidates.
        node_budget: Most nodes of a batch.

    Raises:
        InputError: when there is no miniset.
        NotMeasurable: when the model returns no attention terms.
    """
    table = MinisetTable(len(minisets))
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            output = attention_output(model, batch)
            assert output.terms is not None
            starts = (output.initial, *output.trajectory[:-1])
            alpha = torch.stack([terms.alpha for terms in output.terms], dim=1).double()
            ptr = membership(batch, int(batch.num_nodes)).ptr.tolist()
            for place, number in enumerate(ids):
                first, end = ptr[place], ptr[place + 1]
                own = (output.edge_index[1] >= first) & (output.edge_index[1] < end)
                pos = torch.stack([start[first:end].double() for start in starts])
                measures = _miniset(batch[place], pos, output.edge_index[:, own] - first, alpha[own])
                for name, values in measures.items():
                    table.add(name, [number], values[None])
    names = (*FAMILIES, "all")
    return GradientAlignment(
        minisets=len(minisets),
        spearman={name: table.mean(f"spearman {name}") for name in names},
        spread={name: table.spread(f"spearman {name}") for name in names},
        coverage={name: table.mean(f"coverage {name}") for name in names},
        attention={name: table.mean(f"attention {name}") for name in names},
        gradient={name: table.mean(f"gradient {name}") for name in names},
    )


def _miniset(graph: Any, pos: Tensor, edges: Tensor, alpha: Tensor) -> dict[str, Tensor]:
    """Measures of one miniset: from starts (recycles, n, 2), candidate edges (2, e) and attention (e, recycles, h)."""
    pairs, n = energy_pairs(graph), pos.size(1)
    known, asked = pair_keys(pairs.nodes, n), pair_keys(edges, n)
    place = torch.searchsorted(known, asked).clamp(max=known.numel() - 1)
    read = known[place] == asked
    mass = alpha.new_zeros(known.numel(), *alpha.shape[1:]).index_add(0, place[read], alpha[read])
    candidate = torch.zeros_like(known, dtype=torch.bool).index_fill(0, place[read], True)
    steep = torch.stack([_gradient(start, graph, pairs) for start in pos], dim=1)
    found = {}
    for name, family in (pairs.family | {"all": torch.ones_like(candidate)}).items():
        both = family & candidate
        found[f"coverage {name}"] = both.sum() / family.sum().double()
        found[f"gradient {name}"] = steep[family].sum(dim=0) / steep.sum(dim=0)
        found[f"attention {name}"] = mass[family].sum(dim=0) / alpha.sum(dim=0)
        found[f"spearman {name}"] = _spearman(mass[both], steep[both, :, None].expand(-1, -1, alpha.size(2)))
    return found


def _gradient(pos: Tensor, graph: Any, pairs: EnergyPairs) -> Tensor:
    """``|dE/dd|`` of every pair at a layout (n, 2) in the gauge, shape (p,)."""
    with torch.enable_grad():
        distance = edge_distance(pos, pairs.nodes).detach().requires_grad_()
        (slope,) = torch.autograd.grad(distance_energy(distance, graph, pairs), distance)
    return slope.abs()


def _spearman(a: Tensor, b: Tensor) -> Tensor:
    """Rank correlation over the first dimension of (p, recycles, h), NaN without two pairs."""
    if len(a) < 2:
        return a.new_full(a.shape[1:], torch.nan)
    mask = torch.ones(1, len(a), dtype=torch.bool, device=a.device)
    ranks_a, ranks_b = (row_ranks(values.flatten(1)[None], mask) for values in (a, b))
    return row_correlation(ranks_a, ranks_b, mask).view(a.shape[1:])


def _tables(found: Found[GradientAlignment]) -> Mapping[str, pd.DataFrame]:
    def last(values: Mapping[str, np.ndarray]) -> dict[str, float]:
        return {label: float(np.mean(values[name][-1])) for name, label in LABELS.items()}

    recycles = len(found[0].members[0].gradient["all"])
    return {
        f"Spearman of attention with |dL/dd|, recycle {recycles}": member_table(found, lambda one: last(one.spearman)),
        f"Share of attention, recycle {recycles}": member_table(found, lambda one: last(one.attention)),
        f"Share of |dL/dd|, recycle {recycles}": member_table(found, lambda one: last(one.gradient)),
    }


def _draw(found: Found[GradientAlignment], figure: Figure) -> None:
    """A column per slide: rank correlations above, shares below."""
    from matplotlib import colormaps

    figure.set_size_inches(2.2 + 3.8 * len(found), 6.2)
    panels = figure.subplots(2, len(found), sharex=True, sharey="row", squeeze=False)
    places = np.arange(len(LABELS))
    for (rank_axes, share_axes), slide in zip(panels.T, found, strict=True):
        records = slide.members
        curves = [pooled([r.spearman[f] for r in records], [r.spread[f] for r in records]) for f in LABELS]
        recycles = len(curves[0].mean)
        width = 0.8 / recycles
        for recycle in range(recycles):
            shade = colormaps["cividis"](recycle / max(recycles - 1, 1) * 0.9)
            heights, errors = (
                np.nan_to_num([getattr(c, part)[recycle] for c in curves]) for part in ("mean", "spread")
            )
            where = places + (recycle - (recycles - 1) / 2) * width
            rank_axes.bar(where, heights, width * 0.92, color=shade, label=f"recycle {recycle + 1}")
            rank_axes.errorbar(where, heights, errors, fmt="none", ecolor="#555555", elinewidth=0.8)
        shares = {
            "attention mass, last recycle": [np.mean([r.attention[f][-1].mean() for r in records]) for f in LABELS],
            "share of |dL/dd|, last recycle": [np.mean([r.gradient[f][-1] for r in records]) for f in LABELS],
            "share of its pairs that are candidates": [np.mean([r.coverage[f] for r in records]) for f in LABELS],
        }
        for number, (label, values) in enumerate(shares.items()):
            where, color = places + (number - 1) * 0.27, (PALETTE[0], PALETTE[1], OTHER)[number]
            share_axes.bar(where, np.nan_to_num(values), 0.25, color=color, label=label)
            for x, value in zip(where, values, strict=True):
                share_axes.text(x, np.nan_to_num(value) + 0.01, f"{value:.2f}", ha="center", fontsize=7)
        rank_axes.axhline(0.0, color="black", lw=0.8)
        rank_axes.set_title(f"{slide.name}\n({slide.status})", fontsize=10)
        share_axes.set_xticks(places, labels=list(LABELS.values()), fontsize=9)
        share_axes.set_ylim(0, 1.12)
        for axes in (rank_axes, share_axes):
            axes.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylabel("Spearman of attention with |dL/dd|")
    panels[1, 0].set_ylabel("share")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    legend_below(figure, panels[1], columns=1 if len(found) == 1 else 3)
    figure.suptitle(
        "attention against the gradient of E_geo\n(whiskers: std over minisets, heads, models)", fontsize=11
    )


PROBE = Probe(
    "gradient_alignment",
    each_member(
        lambda model, slide, subject: gradient_alignment(model, slide.minisets, subject.node_budget), "gradients"
    ),
    _tables,
    _draw,
)
