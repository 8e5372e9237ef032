"""Layers: each a module of its own, for any PyG graph; nothing here needs a slide."""

from __future__ import annotations

from pyg_gears.nn.angle_histogram import angle_histogram
from pyg_gears.nn.attention_bias import AttentionBias
from pyg_gears.nn.attention_terms import AttentionTerms
from pyg_gears.nn.distance_bias import DistanceBias
from pyg_gears.nn.distance_head import DistanceHead, PairDistances
from pyg_gears.nn.edge_gate import EdgeGate
from pyg_gears.nn.egnn_conv import EGNNConv
from pyg_gears.nn.film import FiLM
from pyg_gears.nn.fourier_time import FourierTime
from pyg_gears.nn.gate_former import GateFormer
from pyg_gears.nn.geometry_bias import GeometryBias
from pyg_gears.nn.ipa_conv import IPAConv
from pyg_gears.nn.isab import ISAB
from pyg_gears.nn.mab import MAB
from pyg_gears.nn.padded_graphs import PaddedGraphs, pad_graphs
from pyg_gears.nn.padded_sets import PaddedSets, pad_sets
from pyg_gears.nn.pair_bias import PairBias
from pyg_gears.nn.pair_head import PairHead
from pyg_gears.nn.perceptron import Perceptron
from pyg_gears.nn.projected_gate import ProjectedGate
from pyg_gears.nn.sab import SAB
from pyg_gears.nn.top_eigenpairs import top_eigenpairs

__all__ = [
    "ISAB",
    "MAB",
    "SAB",
    "AttentionBias",
    "AttentionTerms",
    "DistanceBias",
    "DistanceHead",
    "EGNNConv",
    "EdgeGate",
    "FiLM",
    "FourierTime",
    "GateFormer",
    "GeometryBias",
    "IPAConv",
    "PaddedGraphs",
    "PaddedSets",
    "PairBias",
    "PairDistances",
    "PairHead",
    "Perceptron",
    "ProjectedGate",
    "angle_histogram",
    "pad_graphs",
    "pad_sets",
    "top_eigenpairs",
]
