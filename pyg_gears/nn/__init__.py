"""Layers: each a module of its own, for any PyG graph; nothing here needs a slide."""

from __future__ import annotations

from pyg_gears.nn.attention_bias import AttentionBias
from pyg_gears.nn.attention_terms import AttentionTerms
from pyg_gears.nn.edge_gate import EdgeGate
from pyg_gears.nn.egnn_conv import EGNNConv
from pyg_gears.nn.gate_former import GateFormer
from pyg_gears.nn.geometry_bias import GeometryBias
from pyg_gears.nn.ipa_conv import IPAConv
from pyg_gears.nn.padded_graphs import PaddedGraphs, pad_graphs
from pyg_gears.nn.pair_bias import PairBias
from pyg_gears.nn.projected_gate import ProjectedGate

__all__ = [
    "AttentionBias",
    "AttentionTerms",
    "EGNNConv",
    "EdgeGate",
    "GateFormer",
    "GeometryBias",
    "IPAConv",
    "PaddedGraphs",
    "PairBias",
    "ProjectedGate",
    "pad_graphs",
]
