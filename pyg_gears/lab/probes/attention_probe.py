"""What the attention looks at: recall of true neighbours, entropy, and which term of the logits it follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches, miniset_means
from pyg_gears.lab.probes.row_statistics import edge_rows, row_best, row_correlation, row_ranks, row_std
from pyg_gears.lab.probes.true_neighbors import true_neighbors
from pyg_gears.losses.membership import membership

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel

TERMS = ("qk", "gate", "geo", "pair")
NEIGHBORS = 30


class AttentionProbeOutput(NamedTuple):
    """Attention by recycle and head, means over minisets of means over nodes; "spread" is the standard deviation over minisets.

    Attributes:
        minisets: Number of minisets.
        k: Neighbours counted in ``recall``.
        recall: Share of a node's k best true neighbours among the k candidates with most attention, shape (recycles, heads).
        recall_spread: Its spread.
        entropy: Entropy of the attention of a node in nats, the self-loop included, shape (recycles, heads).
        entropy_spread: Its spread.
        spearman: Term -> rank correlation of attention with the term within a node's candidates, shape (recycles, heads);
            NaN where the term is constant at every node.
        spearman_spread: Its spread.
        logit_std: Term, or "total" -> standard deviation of the term within a node's candidates, shape (recycles, heads).
        logit_std_spread: Its spread.
        step: ``||x^{r+1} - x^r||_F / sqrt(n)``, shape (recycles,), gauge units.
        step_spread: Its spread.
        candidate_recall: Share of the k best true neighbours that are candidates at all: the ceiling of ``recall``.
    """

    minisets: int
    k: int
    recall: Float[np.ndarray, "recycles h"]
    recall_spread: Float[np.ndarray, "recycles h"]
    entropy: Float[np.ndarray, "recycles h"]
    entropy_spread: Float[np.ndarray, "recycles h"]
    spearman: dict[str, Float[np.ndarray, "recycles h"]]
    spearman_spread: dict[str, Float[np.ndarray, "recycles h"]]
    logit_std: dict[str, Float[np.ndarray, "recycles h"]]
    logit_std_spread: dict[str, Float[np.ndarray, "recycles h"]]
    step: Float[np.ndarray, " recycles"]
    step_spread: Float[np.ndarray, " recycles"]
    candidate_recall: float


def attention_probe(
    model: StructureModel, minisets: Minisets, node_budget: int = 1024, k: int = NEIGHBORS
) -> AttentionProbeOutput:
    r"""Measure where the attention of a model goes.

    With B_i the k true neighbours of i of largest T_ref (all of them where it has fewer) and A_i the k candidates with
    the largest attention :math:`\alpha_{ij}`, :math:`j \ne i`,

    .. math::
        \mathrm{recall}_i = |A_i \cap B_i| / |B_i|, \quad
        H_i = -\sum_j \alpha_{ij} \log \alpha_{ij}, \quad
        \rho_i = \mathrm{Spearman}_{j \ne i}(\alpha_{ij}, \mathrm{term}_{ij}).

    Recall, correlations and standard deviations leave the self-loop out; the entropy is that of the whole softmax. A
    node at which a term is constant is skipped for that term. Steps are plain differences: recycles of one pass share
    their frame, and every one is in the gauge.

    Args:
        model: Structure model that can return its attention terms.
        minisets: Minisets with targets and candidates.
        node_budget: Most nodes of a batch.
        k: Neighbours counted.

    Raises:
        InputError: when there is no miniset, or the model returns no terms.
    """
    table = MinisetTable(len(minisets))
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            output = model(batch, return_terms=True)
            expect(
                output.terms is not None,
                "expected attention terms of every recycle, found none; probe a model that can return_terms.",
            )
            assert output.terms is not None
            probe, start, steps = _BatchProbe(batch, output.edge_index, k), output.initial, []
            found: dict[str, list[Tensor]] = {}
            for terms, pos in zip(output.terms, output.trajectory, strict=True):
                for name, rows in probe.recycle(terms).items():
                    found.setdefault(name, []).append(rows)
                steps.append(_step(start, pos, batch))
                start = pos
            for name, recycles in found.items():
                table.add(name, ids, miniset_means(torch.stack(recycles, dim=1), batch))
            table.add("step", ids, torch.stack(steps, dim=1))
            table.add("candidate_recall", ids, miniset_means(probe.candidate_recall(), batch))
    return AttentionProbeOutput(
        minisets=len(minisets),
        k=k,
        recall=table.mean("recall"),
        recall_spread=table.spread("recall"),
        entropy=table.mean("entropy"),
        entropy_spread=table.spread("entropy"),
        spearman={name: table.mean(f"spearman {name}") for name in TERMS},
        spearman_spread={name: table.spread(f"spearman {name}") for name in TERMS},
        logit_std={name: table.mean(f"std {name}") for name in (*TERMS, "total")},
        logit_std_spread={name: table.spread(f"std {name}") for name in (*TERMS, "total")},
        step=table.mean("step"),
        step_spread=table.spread("step"),
        candidate_recall=table.mean("candidate_recall"),
    )


class _BatchProbe:
    """Every measure at every node of a batch, one recycle after the other."""

    def __init__(self, batch: Any, edges: Tensor, k: int) -> None:
        self.n, self.k, self.target = int(batch.num_nodes), k, edges[1]
        self.other = edges[0] != edges[1]
        self.true = true_neighbors(batch, edges[:, self.other], k)
        self.best, self.mask = edge_rows(self.true.best, self.target[self.other], self.n)
        self.ranked: dict[str, tuple[Tensor, Tensor]] = {}

    def candidate_recall(self) -> Tensor:
        """Share of the best true neighbours that are candidates, shape (n,)."""
        return self.best.sum(dim=(1, 2)) / self.true.wanted

    def recycle(self, terms: Any) -> dict[str, Tensor]:
        """Measures of one recycle, shape (n, h) each."""
        alpha, rows = terms.alpha.double(), self._rows(terms.alpha)
        hits = (row_best(rows, self.mask, self.k) & self.best).sum(dim=1)
        found = {
            "recall": hits / self.true.wanted[:, None],
            "entropy": -alpha.new_zeros(self.n, alpha.size(1)).index_add(0, self.target, torch.xlogy(alpha, alpha)),
        }
        ranks, total = row_ranks(rows, self.mask), torch.zeros_like(rows)
        for name in TERMS:
            values = self._rows(getattr(terms, name))
            total = total + values
            found[f"spearman {name}"] = row_correlation(ranks, self._ranks(name, values), self.mask)
            found[f"std {name}"] = row_std(values, self.mask)
        found["std total"] = row_std(total, self.mask)
        return found

    def _rows(self, values: Tensor) -> Tensor:
        return edge_rows(values[self.other], self.target[self.other], self.n)[0]

    def _ranks(self, name: str, values: Tensor) -> Tensor:
        """Ranks of a term, kept while it stays the same (the gate does, from recycle to recycle)."""
        if name not in self.ranked or not torch.equal(self.ranked[name][0], values):
            self.ranked[name] = values, row_ranks(values, self.mask)
        return self.ranked[name][1]


def _step(before: Tensor, after: Tensor, batch: Any) -> Tensor:
    """Root mean square displacement of every graph, shape (b,)."""
    square = (after.double() - before.double()).square().sum(dim=-1)
    return membership(batch, square.size(0)).node_mean(square).sqrt()
