"""Structure transfer between two graphs with node signals: shapes of a sample at matching places of a target."""

from __future__ import annotations

from pyg_gears.transfer.activation import activation, attention_rows, magnitude_gate
from pyg_gears.transfer.colors import match_colors
from pyg_gears.transfer.composition import SparseBuffer, compose, rasterise
from pyg_gears.transfer.described_graph import DescribedGraph, align, describe
from pyg_gears.transfer.fidelity import FidelityOutput, fidelity
from pyg_gears.transfer.fragments import Fragment, fragment_of, principal_axis
from pyg_gears.transfer.graph_files import read_graph, write_graph
from pyg_gears.transfer.matching import Match, destinations, match_units, sample_units
from pyg_gears.transfer.motions import place, rotate, translate
from pyg_gears.transfer.placement import Placement, place_all
from pyg_gears.transfer.signal_graph import SignalGraph, data_graph, picture_graph
from pyg_gears.transfer.spectral_cross_attention import SpectralCrossAttention
from pyg_gears.transfer.strategy import Strategy
from pyg_gears.transfer.structure_transfer import PlacedFragment, TransferOutput, one_pass, transfer
from pyg_gears.transfer.synthetic_pictures import draw_boxes, draw_curves
from pyg_gears.transfer.thickening import heat_dilation, scatter_across
from pyg_gears.transfer.truncation import AffinityOutput, affinities

__all__ = [
    "AffinityOutput",
    "DescribedGraph",
    "FidelityOutput",
    "Fragment",
    "Match",
    "PlacedFragment",
    "Placement",
    "SignalGraph",
    "SparseBuffer",
    "SpectralCrossAttention",
    "Strategy",
    "TransferOutput",
    "activation",
    "affinities",
    "align",
    "attention_rows",
    "compose",
    "data_graph",
    "describe",
    "destinations",
    "draw_boxes",
    "draw_curves",
    "fidelity",
    "fragment_of",
    "heat_dilation",
    "magnitude_gate",
    "match_colors",
    "match_units",
    "one_pass",
    "picture_graph",
    "place",
    "place_all",
    "principal_axis",
    "rasterise",
    "read_graph",
    "rotate",
    "sample_units",
    "scatter_across",
    "transfer",
    "translate",
    "write_graph",
]
