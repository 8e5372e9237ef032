"""The energy of a layout against the number of candidates."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from pyg_gears.errors import expect
from pyg_gears.lab.probe import PUBLISHED, Probe, Requirement
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches
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
from pyg_gears.lab.probes.true_neighbors import true_neighbors
from pyg_gears.losses.membership import membership
from pyg_gears.transforms import CandidateGraph

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel

CANDIDATES = (80, 100, 120)
# Of the energy: the published range 0.03 at a limit of 0.35.
RELATIVE_RANGE = 0.03 / 0.35


class CandidateRobustness(NamedTuple):
    """E_geo with the learned gate on candidate graphs of several k, means over minisets.

    Attributes:
        minisets: Number of minisets.
        energy: k -> E_geo.
        candidate_recall: k -> share of the edges of the true walk that are candidates.
        range: Largest minus smallest energy.
    """

    minisets: int
    energy: dict[int, float]
    candidate_recall: dict[int, float]
    range: float


def candidate_robustness(
    model: StructureModel,
    minisets: Minisets,
    candidates: CandidateGraph,
    ks: Sequence[int] = CANDIDATES,
    node_budget: int = 1024,
) -> CandidateRobustness:
    """Search the candidates of every miniset with each k, and lay it out with the model's gate on them.

    Args:
        model: Structure model.
        minisets: Minisets with targets.
        candidates: Candidate graph of the training; only its k is varied.
        ks: Neighbours per node before the union, clipped to the miniset.
        node_budget: Most nodes of a batch.

    Raises:
        InputError: when there is no miniset, or no k.
    """
    expect(len(ks) > 0, "expected at least one k to find candidates with, found none; pass ks=(80, 100, 120).")
    table = MinisetTable(len(minisets))
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            members, n = membership(batch, int(batch.num_nodes)), int(batch.num_nodes)
            known = batch.rw_edge_index[1].bincount(minlength=n).double()
            for k in ks:
                edges = with_neighbors(candidates, k).batch_edges(batch)
                table.add(f"energy {k}", ids, miniset_energies(model(batch, edge_index=edges).pos, batch).energy)
                found = known.new_zeros(n).index_add(
                    0, edges[1], (true_neighbors(batch, edges, 1).transition > 0).double()
                )
                table.add(f"recall {k}", ids, members.node_mean(found) / members.node_mean(known))
    energy = {int(k): table.mean(f"energy {k}") for k in ks}
    recall = {int(k): table.mean(f"recall {k}") for k in ks}
    return CandidateRobustness(len(minisets), energy, recall, max(energy.values()) - min(energy.values()))


def with_neighbors(candidates: CandidateGraph, k: int) -> CandidateGraph:
    """The same transform with another k."""
    changed = copy.copy(candidates)
    changed.k = k
    return changed


def _run(model: StructureModel, slide: SlideSubject, subject: ModelSubject) -> CandidateRobustness:
    ks = sorted({*CANDIDATES, subject.candidates.k})
    return candidate_robustness(model, slide.minisets, subject.candidates, ks, subject.node_budget)


def _tables(found: Found[CandidateRobustness]) -> Mapping[str, pd.DataFrame]:
    return {
        "E_geo by number of candidates": member_table(
            found, lambda one: {f"k = {k}": e for k, e in one.energy.items()}
        ),
        "True neighbours that are candidates": member_table(
            found, lambda one: {f"k = {k}": share for k, share in one.candidate_recall.items()}
        ),
    }


def _requirements(slide: OnSlide[CandidateRobustness]) -> list[Requirement]:
    mean = slide.mean()
    asked = [mean.energy[k] for k in CANDIDATES]
    width = max(asked) - min(asked)
    note = ", ".join(f"k={k} {energy:.3f}" for k, energy in mean.energy.items())
    name = f"range over k of {', '.join(map(str, CANDIDATES))}"
    return [
        Requirement(f"{name} / E_geo", width / asked[1], RELATIVE_RANGE, "at most", note=note),
        Requirement(name, width, 0.03, "at most", PUBLISHED, note=note),
    ]


PROBE = Probe(
    "candidate_robustness", each_member(_run, "candidates"), _tables, requirements=slide_requirements(_requirements)
)
