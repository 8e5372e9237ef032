"""Transfer of structure: shapes of a sample at matching places of a target."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.spectral import BasisAlignment, affinity_laplacian
from pyg_gears.transfer.activation import magnitude_gate
from pyg_gears.transfer.composition import SparseBuffer, compose, rasterise
from pyg_gears.transfer.described_graph import DescribedGraph, align, describe
from pyg_gears.transfer.fragments import Fragment, fragment_of
from pyg_gears.transfer.matching import Match, destinations, match_units, sample_units
from pyg_gears.transfer.placement import Placement, place_all
from pyg_gears.transfer.signal_graph import SignalGraph
from pyg_gears.transfer.strategy import Strategy
from pyg_gears.transfer.thickening import heat_dilation, scatter_across
from pyg_gears.transfer.truncation import copied_nodes
from pyg_gears.transfer.variants import passes_gate, recolored_in_place, shadow, warped

NET = 0.5
"""Share of a sample's contour nodes in one piece above which that piece is no shape but a net."""


class PlacedFragment(NamedTuple):
    """One fragment of the last pass: the whole unit, what of it is copied, where it lies, and the buffer that it wrote."""

    whole: Fragment
    fragment: Fragment
    placement: Placement
    buffer: SparseBuffer


class TransferOutput(NamedTuple):
    """New signal of the target (n, c); the fragments of the last pass; how far the bases could be aligned."""

    signal: Float[Tensor, "n c"]
    fragments: tuple[PlacedFragment, ...]
    alignment: BasisAlignment


def transfer(
    target: SignalGraph, sample: SignalGraph, strategy: Strategy | None = None, *, passes: str = "c"
) -> TransferOutput:
    """Place the shapes found on the sample at matching places of the target.

    The target's contours, where its own activation is weak, say where; the unit of the sample with the nearest mean
    signature in the aligned basis says what; fragments are turned, moved, collected in sparse buffers and composed once. The
    next pass has the result as its target.

    Args:
        target: What is written into; left as it is.
        sample: What shapes are taken from.
        strategy: The choices; those of :class:`Strategy` if omitted.
        passes: A letter a pass: "c" (cross: shapes of the sample) or "s" (self: each destination's own shape, what
            self-attention would place).

    Returns:
        The new signal and how it came about. The same input gives the same bits.

    A sample most of whose contours hang together gives a warning.

    Raises:
        InputError: for other letters, graphs of unlike channels, or a graph without contours.
    """
    strategy = strategy or Strategy()
    expect(
        len(passes) > 0 and set(passes) <= set("cs"),
        f"expected passes of the letters c (cross) and s (self), found {passes!r}; write e.g. cccc.",
    )
    channels = target.signal.size(1), sample.signal.size(1)
    expect(
        channels[0] == channels[1],
        f"expected the same channels in target and sample, found {channels[0]} and {channels[1]}; convert one of them.",
    )
    boundary_only = strategy.basis == "contours"
    described = describe(sample, "sample", k=strategy.k, boundary_only=boundary_only)
    if "c" in passes and strategy.what == "contours":
        _warn_of_a_net(described, strategy)
    result = target
    for letter in passes:
        own = describe(result, "target", k=strategy.k, boundary_only=boundary_only)
        if letter == "s":
            output = one_pass(own, own, replace(strategy, what=strategy.where))
        else:
            output = one_pass(own, described, strategy)
        result = result._replace(signal=output.signal)
    return output


def _warn_of_a_net(sample: DescribedGraph, strategy: Strategy) -> None:
    """Most of the contours in one piece: every fragment would be a copy of nearly the whole sample."""
    largest = max((len(unit) for unit in sample_units(sample, strategy)), default=0)
    share = largest / max(int(sample.contours.sum()), 1)
    if share > NET:
        warnings.warn(
            f"the sample's contours hang together ({share:.0%} of them in one piece), which is copied as a whole; "
            'for shorter pieces take what="low_gate" (--strategy what=low_gate).',
            stacklevel=3,
        )


def one_pass(target: DescribedGraph, sample: DescribedGraph, strategy: Strategy) -> TransferOutput:
    """One transfer between described graphs.

    Args:
        target: What is written into.
        sample: What shapes are taken from; the target itself for a self-transfer.
        strategy: The choices.

    Returns:
        As of :func:`transfer`.
    """
    alignment = align(sample, target)
    aligned = sample.phi @ alignment.rotation
    matches = match_units(
        destinations(target, strategy), sample_units(sample, strategy), target, sample, aligned, strategy
    )
    cross = torch.stack([m.where @ m.what for m in matches]) if matches else torch.zeros(0, dtype=torch.float64)
    gates = magnitude_gate(cross, strategy.gate)
    kept = gates > 0 if strategy.gate > 0 else torch.ones(len(matches), dtype=torch.bool)
    if strategy.variant == "gate" and matches:
        kept &= passes_gate(cross)
    chosen = [match for match, keep in zip(matches, kept.tolist(), strict=True) if keep]
    placed = _placed(chosen, gates[kept], target, sample, aligned, strategy)
    signal = compose(target.graph.signal, [p.buffer for p in placed], strategy.blend)
    return TransferOutput(signal, tuple(placed), alignment)


def _placed(
    matches: list[Match],
    gates: Tensor,
    target: DescribedGraph,
    sample: DescribedGraph,
    aligned: Tensor,
    strategy: Strategy,
) -> list[PlacedFragment]:
    tree, spacing = cKDTree(target.graph.pos.numpy()), target.spacing
    wholes, fragments, goals, strengths = [], [], [], []
    for match, gate in zip(matches, gates.tolist(), strict=True):
        goal = fragment_of(match.destination, target.graph.pos, target.graph.signal, spacing)
        whole = fragment_of(match.unit, sample.graph.pos, sample.graph.signal, sample.spacing)
        nodes = copied_nodes(match, aligned, sample.contours, strategy)
        if strategy.variant == "gate":
            whole = fragment = shadow(goal, whole)
        elif not len(nodes):
            continue
        else:
            fragment = fragment_of(nodes, sample.graph.pos, sample.graph.signal, sample.spacing)
        wholes.append(whole)
        fragments.append(fragment)
        goals.append(goal)
        strengths.append(gate)
    placements = place_all(fragments, goals, target.graph.pos, strategy, spacing)
    draw = _Draw(target, aligned, tree, max(spacing, sample.spacing), strategy)
    placed = []
    for whole, fragment, goal, placement, strength in zip(wholes, fragments, goals, placements, strengths, strict=True):
        buffer = draw(fragment, goal, placement, strength)
        if len(buffer.nodes):
            placed.append(PlacedFragment(whole, fragment, placement, buffer))
    return placed


class _Draw:
    """From a fragment and its place to what is written, as the strategy says."""

    def __init__(self, target: DescribedGraph, aligned: Tensor, tree: cKDTree, cell: float, strategy: Strategy) -> None:
        self.phi, self.aligned, self.tree, self.cell, self.strategy = target.phi, aligned, tree, cell, strategy
        blank = torch.zeros_like(target.graph.signal)
        self.even = affinity_laplacian(blank, target.graph.edge_index) if strategy.thicken == "heat" else None

    def __call__(self, fragment: Fragment, goal: Fragment, placement: Placement, strength: float) -> SparseBuffer:
        strategy = self.strategy
        if strategy.variant == "colors":
            buffer = recolored_in_place(goal, fragment, self.phi, self.aligned)
        elif strategy.variant == "warp":
            buffer = warped(goal, fragment, self.phi, self.aligned, self.tree)
        else:
            drawn = fragment
            if strategy.thicken == "scatter":
                even = torch.full((len(fragment.nodes),), strength, dtype=torch.float64)
                drawn = scatter_across(fragment, even, strategy.width, self.cell)
            buffer = rasterise(drawn, placement.turn, placement.centre, self.tree, self.cell)
        if self.even is not None:
            buffer = heat_dilation(buffer, self.even, strategy.width, strength)
        return buffer
