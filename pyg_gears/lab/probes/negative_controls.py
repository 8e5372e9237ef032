"""Negative controls: inputs without information, on which a layout must get worse (once called poison pills)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from pyg_gears.lab.probe import PUBLISHED, Probe, Requirement
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches
from pyg_gears.lab.probes.figure_parts import draw_bars
from pyg_gears.lab.probes.miniset_energies import miniset_energies
from pyg_gears.lab.probes.subject import (
    Found,
    ModelSubject,
    OnSlide,
    SlideSubject,
    each_member,
    member_table,
    slide_requirements,
)
from pyg_gears.losses.membership import membership
from pyg_gears.report.figure_style import PALETTE, legend_below
from pyg_gears.transforms import CandidateGraph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pyg_gears.models import StructureModel

CONTROLS = {
    "shuffled": "H shuffled in the miniset",
    "shuffled_old_graph": "... on the graph of the true H",
    "other_miniset": "H of another miniset",
    "other_miniset_old_graph": "... on the graph of the true H",
    "random": "random H, same moments",
    "random_old_graph": "... on the graph of the true H",
    "random_graph": "true H, random graph of equal degrees",
}
WORSE = 1.1
SHUFFLED_FACTOR = 6.0
# Published: from 0.44 towards 0.88.
RANDOM_GRAPH_FACTOR = 2.0


class NegativeControls(NamedTuple):
    """E_geo with inputs without information, means over minisets.

    Attributes:
        minisets: Number of minisets.
        clean: E_geo of the true input.
        energy: Control -> E_geo. "shuffled": the rows of the embedding H change places within the miniset; "other_miniset":
            rows of another miniset (NaN where there is one only); "random": normal rows with H's mean and covariance;
            "..._old_graph": the same with the candidates of the true H; "random_graph": the true H, candidates drawn
            uniformly, as many for each node as it had.
        factor: Control -> energy over ``clean``.
        worse: Control -> whether the energy rose; where it did not, the control failed.
        share_worse: Control -> share of minisets whose energy rose.
    """

    minisets: int
    clean: float
    energy: dict[str, float]
    factor: dict[str, float]
    worse: dict[str, bool]
    share_worse: dict[str, float]


def negative_controls(
    model: StructureModel, minisets: Minisets, candidates: CandidateGraph, seed: int = 0, node_budget: int = 1024
) -> NegativeControls:
    """Lay minisets out from inputs without information, and measure against their own targets.

    Candidates are searched in the changed embedding, as inference would, or kept from the true one; the model's gate is
    computed on them. Draws depend on the seed and the number of the miniset alone, not on its company. The donor of
    "other_miniset" is the next miniset by number that is at least as large, else the largest other one, whose rows then
    repeat.

    Args:
        model: Structure model.
        minisets: Minisets with targets.
        candidates: Candidate graph of the training.
        seed: Seed of the draws.
        node_budget: Most nodes of a batch.

    Raises:
        InputError: when there is no miniset.
    """
    table = MinisetTable(len(minisets))
    sizes = [int(minisets[i].num_nodes or 0) for i in range(len(minisets))]
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            old, x = candidates.batch_edges(batch), batch.x
            table.add("clean", ids, miniset_energies(model(batch, edge_index=old).pos, batch).energy)
            first = membership(batch, x.size(0)).ptr[:-1].tolist()
            graphs = [(x[a : a + sizes[i]], _generator(seed, i)) for a, i in zip(first, ids, strict=True)]
            changed = {
                "shuffled": [own[torch.randperm(len(own), generator=g).to(own.device)] for own, g in graphs],
                "other_miniset": [
                    _rows(minisets[donor].x.to(own), len(own), g)
                    for (own, g), i in zip(graphs, ids, strict=True)
                    if (donor := _donor(sizes, i)) is not None
                ],
                "random": [matched_noise(own, g) for own, g in graphs],
            }
            for name, parts in changed.items():
                if parts:
                    control = batch.clone()
                    control.x = torch.cat(parts)
                    for suffix, edges in (("", candidates.batch_edges(control)), ("_old_graph", old)):
                        pos = model(control, edge_index=edges).pos
                        table.add(f"{name}{suffix}", ids, miniset_energies(pos, control).energy)
            drawn = _random_edges(old, first, [(len(own), g) for own, g in graphs])
            table.add("random_graph", ids, miniset_energies(model(batch, edge_index=drawn).pos, batch).energy)
    if len(minisets) == 1:
        for name in ("other_miniset", "other_miniset_old_graph"):
            table.add(name, [], torch.empty(0))
    clean = table.mean("clean")
    found = {name: table.mean(name) for name in CONTROLS}
    return NegativeControls(
        minisets=len(minisets),
        clean=clean,
        energy=found,
        factor={name: value / clean for name, value in found.items()},
        worse={name: value > clean for name, value in found.items()},
        share_worse={name: _share_above(table.values(name), table.values("clean")) for name in CONTROLS},
    )


def matched_noise(x: Float[Tensor, "n c"], generator: Generator) -> Float[Tensor, "n c"]:
    r"""Normal rows with exactly the mean and covariance of ``x``.

    With :math:`x - \bar x = U S V^T`, U is replaced by an orthonormal basis of as many random centred columns.
    """
    values = x.double()
    mean = values.mean(dim=0)
    _, scale, axes = torch.linalg.svd(values - mean, full_matrices=False)
    rank = min(scale.numel(), max(len(values) - 1, 0))
    # Drawn where the generator lives: the same numbers for every device of the model.
    noise = torch.randn(len(values), rank, generator=generator, dtype=torch.float64, device=generator.device).to(values)
    basis, _ = torch.linalg.qr(noise - noise.mean(dim=0))
    return (mean + (basis * scale[:rank]) @ axes[:rank]).to(x)


def _generator(seed: int, number: int) -> Generator:
    state = np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1, np.uint64)[0]
    return Generator().manual_seed(int(state))


def _share_above(values: Float[np.ndarray, " m"], clean: Float[np.ndarray, " m"]) -> float:
    known = ~np.isnan(values)
    return float((values > clean)[known].mean()) if known.any() else float("nan")


def _donor(sizes: list[int], own: int) -> int | None:
    """The next miniset, going round, of at least the size; else the largest other one."""
    others = [(own + step) % len(sizes) for step in range(1, len(sizes))]
    enough = [i for i in others if sizes[i] >= sizes[own]]
    return enough[0] if enough else max(others, key=sizes.__getitem__, default=None)


def _rows(x: Tensor, count: int, generator: Generator) -> Tensor:
    """``count`` random rows, none twice before all were drawn once."""
    order = [torch.randperm(len(x), generator=generator) for _ in range(-(-count // len(x)))]
    return x[torch.cat(order)[:count].to(x.device)]


def _random_edges(
    edges: Int[Tensor, "2 e"], first: list[int], graphs: list[tuple[int, Generator]]
) -> Int[Tensor, "2 e"]:
    """As many uniformly drawn sources for every node as it had (itself among them), sorted by target, then source."""
    degree, parts = edges[1].bincount().cpu(), []
    for start, (n, generator) in zip(first, graphs, strict=True):
        draw = torch.rand(n, n, generator=generator).fill_diagonal_(-1.0)
        rank = draw.argsort(dim=1).argsort(dim=1)
        parts.append((rank < degree[start : start + n, None]).nonzero().T.flip(0) + start)
    return torch.cat(parts, dim=1).to(edges.device)


def _run(model: StructureModel, slide: SlideSubject, subject: ModelSubject) -> NegativeControls:
    return negative_controls(model, slide.minisets, subject.candidates, subject.seed, subject.node_budget)


def _labels() -> dict[str, str]:
    """Labels that stand alone, for the tables."""
    last, found = "", {}
    for name, label in CONTROLS.items():
        last = label if not label.startswith("...") else last
        found[name] = label.replace("...", f"{last},")
    return found


def _tables(found: Found[NegativeControls]) -> Mapping[str, pd.DataFrame]:
    return {
        "E_geo of negative controls / E_geo of the true input": member_table(
            found, lambda one: {label: one.factor[name] for name, label in _labels().items()}
        ),
        "Share of minisets in which the control is worse": member_table(
            found, lambda one: {label: one.share_worse[name] for name, label in _labels().items()}
        ),
    }


def _draw(found: Found[NegativeControls], figure: Figure) -> None:
    figure.set_size_inches(7.6, 1.6 + 0.36 * len(CONTROLS) * max(len(found), 2))
    axes = figure.subplots()
    values = {slide.label: [[one.factor[name] for one in slide.members] for name in CONTROLS] for slide in found}
    draw_bars(axes, list(CONTROLS.values()), values)
    axes.axvline(1.0, color="black", lw=1.0, ls="--", label="as good as the true input")
    axes.axvline(SHUFFLED_FACTOR, color=PALETTE[4], lw=1.0, ls=":", label=f"published, H shuffled: {SHUFFLED_FACTOR:g}")
    axes.set(xlabel="E_geo / E_geo of the true input", title="negative controls (higher is better)")
    axes.set_xlim(right=max(axes.get_xlim()[1], 1.1 * SHUFFLED_FACTOR))
    legend_below(figure, [axes], columns=2, order=list(values))


def _requirements(slide: OnSlide[NegativeControls]) -> list[Requirement]:
    mean = slide.mean()
    # One miniset has no other to borrow from.
    factor = {name: None if np.isnan(value) and mean.minisets == 1 else value for name, value in mean.factor.items()}
    found = []
    for name, label in _labels().items():
        note = "" if factor[name] is None else f"worse in {mean.share_worse[name]:.0%} of minisets"
        found.append(Requirement(f"{label}: times worse", factor[name], WORSE, "at least", note=note))
    limits = {"shuffled": SHUFFLED_FACTOR, "random_graph": RANDOM_GRAPH_FACTOR}
    return found + [
        Requirement(f"{CONTROLS[name]}: times worse", factor[name], limit, "at least", PUBLISHED)
        for name, limit in limits.items()
    ]


PROBE = Probe(
    "negative_controls", each_member(_run, "negative controls"), _tables, _draw, slide_requirements(_requirements)
)
