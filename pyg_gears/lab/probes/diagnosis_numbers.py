"""Everything that the probes find about the members of a model on one slide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pyg_gears.data import MinisetDataset
from pyg_gears.lab.probes.attention_probe import AttentionProbeOutput, attention_probe
from pyg_gears.lab.probes.candidate_robustness import CandidateRobustness, candidate_robustness
from pyg_gears.lab.probes.collapse_rate import CollapseRate, collapse_rate
from pyg_gears.lab.probes.energy_by_beta import energy_by_beta
from pyg_gears.lab.probes.gap_decomposition import GapDecomposition, gap_decomposition
from pyg_gears.lab.probes.gate_probe import GateProbeOutput, gate_probe
from pyg_gears.lab.probes.gate_ranking_scores import GateScores, gate_ranking_scores
from pyg_gears.lab.probes.gradient_alignment import GradientAlignment, gradient_alignment
from pyg_gears.lab.probes.graph_recovery import GraphRecovery, graph_recovery
from pyg_gears.lab.probes.poison_pills import PoisonPills, poison_pills
from pyg_gears.lab.probes.readiness import CANDIDATES, ReadinessCheck, readiness
from pyg_gears.transforms import CandidateGraph

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel

PROBES = 8
"""Probes of a member, for progress."""


class MemberDiagnosis(NamedTuple):
    """What the probes found about one member on one slide; see each probe."""

    gap: GapDecomposition
    gate: GateProbeOutput
    scores: GateScores
    energy_by_beta: dict[float, float]
    attention: AttentionProbeOutput
    alignment: GradientAlignment
    pills: PoisonPills
    collapse: CollapseRate
    robustness: CandidateRobustness


class SlideDiagnosis(NamedTuple):
    """What was found on one slide.

    Attributes:
        name: Name of the slide.
        status: Whether the model has seen it: "seen in training", "held out, validation" (it chose when training
            stopped) or "held out".
        spots: Its spots.
        sizes: Nodes of each miniset.
        recovery: How much of the tissue's graph the embedding keeps, by kind of neighbours.
        members: One record a member.
        readiness: Checks of the mean over the members.
    """

    name: str
    status: str
    spots: int
    sizes: tuple[int, ...]
    recovery: dict[str, GraphRecovery]
    members: tuple[MemberDiagnosis, ...]
    readiness: tuple[ReadinessCheck, ...]


def slide_diagnosis(
    members: Sequence[StructureModel],
    minisets: MinisetDataset,
    status: str,
    *,
    node_budget: int = 1024,
    seed: int = 0,
    progress: Callable[[str], None] = lambda step: None,
) -> SlideDiagnosis:
    """Run every probe on one slide.

    Args:
        members: Trained structure models.
        minisets: Minisets of the slide, with targets and candidates.
        status: Whether the model has seen the slide, in words.
        node_budget: Most nodes of a batch.
        seed: Seed of the probes' draws.
        progress: Called with the name of each step as it begins, ``PROBES`` times a member.

    Returns:
        The records, their readiness checks made on :func:`mean_record`.
    """
    slide = minisets.slides[0]
    assert minisets.pre_transform is not None
    graph = next(t for t in minisets.pre_transform.transforms if isinstance(t, CandidateGraph))
    recovery = graph_recovery(slide.x, slide.pos, seed=seed)
    found = tuple(_member(member, minisets, graph, node_budget, seed, progress) for member in members)
    checks = readiness(
        gap=mean_record([member.gap for member in found]),
        attention=mean_record([member.attention for member in found]),
        collapse=mean_record([member.collapse for member in found]),
        robustness=mean_record([member.robustness for member in found]),
        pills=mean_record([member.pills for member in found]),
        seeds=[member.gap.energy["learned_gate"] for member in found] if len(found) > 1 else None,
    )
    return SlideDiagnosis(slide.name, status, len(slide.x), tuple(minisets.sizes), recovery, found, checks)


def _member(
    model: StructureModel,
    minisets: MinisetDataset,
    graph: CandidateGraph,
    node_budget: int,
    seed: int,
    progress: Callable[[str], None],
) -> MemberDiagnosis:
    def run(step: str, probe: Callable[..., Any], **more: Any) -> Any:
        progress(step)
        return probe(model, minisets, node_budget=node_budget, **more)

    rules = {name: getattr(graph, name) for name in ("metric", "mutual", "jaccard", "projection")}
    ks = tuple(sorted({*CANDIDATES, graph.k}))
    return MemberDiagnosis(
        gap=run("gap", gap_decomposition),
        gate=run("gate", gate_probe),
        scores=gate_ranking_scores(model, minisets, node_budget=node_budget),
        energy_by_beta=run("beta", energy_by_beta),
        attention=run("attention", attention_probe),
        alignment=run("gradients", gradient_alignment),
        pills=run("poison pills", poison_pills, k=graph.k, seed=seed, **rules),
        collapse=run("collapse", collapse_rate),
        robustness=run("candidates", candidate_robustness, ks=ks, **rules),
    )


def mean_record(records: Sequence[Any]) -> Any:
    """The mean of equal records, field by field, mappings entry by entry; a truth holds when it holds in every record.

    >>> mean_record([{"a": 1.0, "b": True}, {"a": 2.0, "b": False}])
    {'a': 1.5, 'b': False}
    """
    first = records[0]
    if isinstance(first, Mapping):
        return {key: mean_record([record[key] for record in records]) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(mean_record(values) for values in zip(*records, strict=True)))
    if isinstance(first, bool | np.bool_):
        return all(records)
    if isinstance(first, int | str) or first is None:
        return first
    mean = np.mean(records, axis=0)
    return float(mean) if mean.ndim == 0 else mean
