"""Does the layout depend on how many candidates there are?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches
from pyg_gears.lab.probes.gap_decomposition import miniset_energies
from pyg_gears.lab.probes.true_neighbors import true_neighbors
from pyg_gears.losses.energy import STRESS_WEIGHT
from pyg_gears.losses.membership import membership
from pyg_gears.transforms import CandidateGraph
from pyg_gears.typing import Metric

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel


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
    ks: Sequence[int] = (80, 100, 120),
    metric: Metric = "cosine",
    node_budget: int = 1024,
    *,
    mutual: bool = False,
    jaccard: float = 0.0,
    projection: Float[Tensor, "c d"] | None = None,
) -> CandidateRobustness:
    """Search the candidates of every miniset anew with each k, and lay it out with the model's gate on them.

    Args:
        model: Structure model.
        minisets: Minisets with targets.
        ks: Neighbours per node before the union, clipped to the miniset.
        metric: "cosine" or "euclidean", as in training.
        node_budget: Most nodes of a batch.
        mutual: As in training.
        jaccard: As in training.
        projection: As in training.

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
                edges = CandidateGraph(k, metric, mutual, jaccard, projection).batch_edges(batch)
                walk, stress = miniset_energies(model(batch, edge_index=edges).pos, batch)
                table.add(f"energy {k}", ids, walk + STRESS_WEIGHT * stress)
                found = known.new_zeros(n).index_add(
                    0, edges[1], (true_neighbors(batch, edges, 1).transition > 0).double()
                )
                table.add(f"recall {k}", ids, members.node_mean(found) / members.node_mean(known))
    energy = {int(k): table.mean(f"energy {k}") for k in ks}
    recall = {int(k): table.mean(f"recall {k}") for k in ks}
    return CandidateRobustness(len(minisets), energy, recall, max(energy.values()) - min(energy.values()))
