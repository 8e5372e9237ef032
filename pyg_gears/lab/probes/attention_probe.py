"""Where the attention goes: recall of true neighbours, entropy, and which term of the logits it follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.lab.probe import PUBLISHED, Probe, Requirement
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches, miniset_means
from pyg_gears.lab.probes.figure_parts import BAND, draw_curve, pooled, recycle_ticks
from pyg_gears.lab.probes.model_parts import attention_output
from pyg_gears.lab.probes.row_statistics import edge_rows, row_best, row_correlation, row_ranks, row_std
from pyg_gears.lab.probes.subject import Found, OnSlide, each_member, slide_requirements
from pyg_gears.lab.probes.true_neighbors import true_neighbors
from pyg_gears.lab.text_table import number
from pyg_gears.losses.membership import membership
from pyg_gears.report.figure_style import PALETTE, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pyg_gears.models import StructureModel

TERMS = ("qk", "gate", "geo", "pair")
NEIGHBORS = 30
COLORS = {"gate": PALETTE[0], "qk": PALETTE[1], "geo": PALETTE[2], "pair": PALETTE[3], "total": "black"}
# Published models: recall from 0.4 on, entropy about 2.9, standard deviation of the logits from 2 to 10.
PUBLISHED_RANGES = {"recall_30": (0.4, 1.0), "entropy": (2.5, 3.1), "logit_std": (2.0, 10.0)}
RECALL_OF_CEILING = 0.4


class AttentionProbeOutput(NamedTuple):
    """Attention by recycle and head, means over minisets of means over nodes; "spread" is the standard deviation over minisets.

    Attributes:
        minisets: Number of minisets.
        recall_30: Share of 30 that are true neighbours among the 30 candidates with most attention, as published, shape
            (recycles, heads).
        recall_30_spread: Its spread.
        candidate_recall_30: The ceiling of ``recall_30``: a node's candidates that are true neighbours, 30 at most, over 30.
        strict_recall_30: Share of the 30 likeliest true neighbours among the 30 candidates with most attention, shape
            (recycles, heads).
        strict_recall_30_spread: Its spread.
        strict_candidate_recall_30: The ceiling of ``strict_recall_30``: the share of these 30 that are candidates.
        entropy: Entropy of the attention of a node in nats, the self-loop included, shape (recycles, heads).
        entropy_spread: Its spread.
        relative_entropy: The same over the log of the number of the node's candidates, in [0, 1].
        spearman: Term -> rank correlation of attention with the term within a node's candidates, shape (recycles, heads);
            NaN where the term is constant at every node.
        spearman_spread: Its spread.
        logit_std: Term, or "total" -> standard deviation of the term within a node's candidates, shape (recycles, heads).
        logit_std_spread: Its spread.
        step: ``||x^{r+1} - x^r||_F / sqrt(n)``, shape (recycles,), gauge units.
        step_spread: Its spread.
    """

    minisets: int
    recall_30: Float[np.ndarray, "recycles h"]
    recall_30_spread: Float[np.ndarray, "recycles h"]
    candidate_recall_30: float
    strict_recall_30: Float[np.ndarray, "recycles h"]
    strict_recall_30_spread: Float[np.ndarray, "recycles h"]
    strict_candidate_recall_30: float
    entropy: Float[np.ndarray, "recycles h"]
    entropy_spread: Float[np.ndarray, "recycles h"]
    relative_entropy: Float[np.ndarray, "recycles h"]
    spearman: dict[str, Float[np.ndarray, "recycles h"]]
    spearman_spread: dict[str, Float[np.ndarray, "recycles h"]]
    logit_std: dict[str, Float[np.ndarray, "recycles h"]]
    logit_std_spread: dict[str, Float[np.ndarray, "recycles h"]]
    step: Float[np.ndarray, " recycles"]
    step_spread: Float[np.ndarray, " recycles"]


def attention_probe(model: StructureModel, minisets: Minisets, node_budget: int = 1024) -> AttentionProbeOutput:
    r"""Measure where the attention of a model goes.

    With A_i the 30 candidates of i with the largest attention :math:`\alpha_{ij}`, :math:`j \ne i`, N_i all true neighbours
    (about 36 on published minisets) and B_i the 30 of them with the largest T_ref (all of fewer),

    .. math::
        \mathrm{recall}_{30} = |A_i \cap N_i| / 30, \quad
        \mathrm{strict\ recall}_{30} = |A_i \cap B_i| / |B_i|, \quad
        H_i = -\sum_j \alpha_{ij} \log \alpha_{ij}, \quad
        \rho_i = \mathrm{Spearman}_{j \ne i}(\alpha_{ij}, \mathrm{term}_{ij}).

    ``recall_30`` is the published figure (a precision of 30 places); a node with fewer than 30 true neighbours cannot reach 1
    in it. Recall, correlations and standard deviations leave the self-loop out; the entropy is that of the whole softmax. A
    node at which a term is constant is skipped for that term. Steps are plain differences: recycles of one pass share their
    frame, and every one is in the gauge.

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
            probe, start, steps = _BatchProbe(batch, output.edge_index), output.initial, []
            found: dict[str, list[Tensor]] = {}
            for terms, pos in zip(output.terms, output.trajectory, strict=True):
                for name, rows in probe.recycle(terms).items():
                    found.setdefault(name, []).append(rows)
                steps.append(_step(start, pos, batch))
                start = pos
            for name, recycles in found.items():
                table.add(name, ids, miniset_means(torch.stack(recycles, dim=1), batch))
            table.add("step", ids, torch.stack(steps, dim=1))
            for name, rows in probe.ceilings().items():
                table.add(name, ids, miniset_means(rows, batch))
    spread = ("recall_30", "strict_recall_30", "entropy", "step")
    return AttentionProbeOutput(
        minisets=len(minisets),
        **{name: table.mean(name) for name in (*spread, "relative_entropy")},
        **{name: table.mean(name) for name in ("candidate_recall_30", "strict_candidate_recall_30")},
        **{f"{name}_spread": table.spread(name) for name in spread},
        spearman={name: table.mean(f"spearman {name}") for name in TERMS},
        spearman_spread={name: table.spread(f"spearman {name}") for name in TERMS},
        logit_std={name: table.mean(f"std {name}") for name in (*TERMS, "total")},
        logit_std_spread={name: table.spread(f"std {name}") for name in (*TERMS, "total")},
    )


class _BatchProbe:
    """Every measure at every node of a batch, one recycle after the other."""

    def __init__(self, batch: Any, edges: Tensor) -> None:
        self.n, self.target = int(batch.num_nodes), edges[1]
        self.other = edges[0] != edges[1]
        self.true = true_neighbors(batch, edges[:, self.other], NEIGHBORS)
        self.best, self.mask = edge_rows(self.true.best, self.target[self.other], self.n)
        self.neighbor = edge_rows(self.true.transition > 0, self.target[self.other], self.n)[0]
        self.log_degree = self.target.bincount(minlength=self.n).double().log().clamp(min=1e-12)[:, None]
        self.ranked: dict[str, tuple[Tensor, Tensor]] = {}

    def ceilings(self) -> dict[str, Tensor]:
        """What the candidates allow at most, shape (n,) each."""
        return {
            "candidate_recall_30": self.neighbor.sum(dim=(1, 2)).clamp(max=NEIGHBORS) / NEIGHBORS,
            "strict_candidate_recall_30": self.best.sum(dim=(1, 2)) / self.true.wanted,
        }

    def recycle(self, terms: Any) -> dict[str, Tensor]:
        """Measures of one recycle, shape (n, h) each."""
        alpha, rows = terms.alpha.double(), self._rows(terms.alpha)
        chosen = row_best(rows, self.mask, NEIGHBORS)
        entropy = -alpha.new_zeros(self.n, alpha.size(1)).index_add(0, self.target, torch.xlogy(alpha, alpha))
        found = {
            "recall_30": (chosen & self.neighbor).sum(dim=1) / NEIGHBORS,
            "strict_recall_30": (chosen & self.best).sum(dim=1) / self.true.wanted[:, None],
            "entropy": entropy,
            "relative_entropy": entropy / self.log_degree,
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


def _tables(found: Found[AttentionProbeOutput]) -> Mapping[str, pd.DataFrame]:
    title = "Attention on {}: mean (lowest-highest head); rho: Spearman of attention with a term of its logits"
    return {title.format(slide.label): _slide_table(slide.members) for slide in found}


def _slide_table(members: Sequence[AttentionProbeOutput]) -> pd.DataFrame:
    """A row per recycle, heads and members pooled, and the ceiling of the recalls."""

    def pool(values: Sequence[np.ndarray], *, heads: bool = False) -> str:
        known = np.concatenate([np.ravel(value) for value in values])
        known = known[~np.isnan(known)]
        if not known.size:
            return "--"
        return number(known.mean()) + (f" ({known.min():.2f}-{known.max():.2f})" if heads else "")

    terms = [term for term in TERMS if not np.isnan(members[0].spearman[term]).all()]
    rows = {}
    for r in range(len(members[0].step)):
        rows[f"recycle {r + 1}"] = {
            "recall@30": pool([m.recall_30[r] for m in members], heads=True),
            "strict": pool([m.strict_recall_30[r] for m in members], heads=True),
            "entropy": pool([m.entropy[r] for m in members], heads=True),
            "of log k": pool([m.relative_entropy[r] for m in members]),
            "std of logits": pool([m.logit_std["total"][r] for m in members]),
            "|dx|/sqrt(n)": pool([m.step[r] for m in members]),
            **{f"rho {term}": pool([m.spearman[term][r] for m in members]) for term in terms},
        }
    ceilings = ([m.candidate_recall_30 for m in members], [m.strict_candidate_recall_30 for m in members])
    rows["ceiling"] = {"recall@30": pool([np.array(ceilings[0])]), "strict": pool([np.array(ceilings[1])])}
    return pd.DataFrame.from_dict(rows, orient="index")


def _draw(found: Found[AttentionProbeOutput], figure: Figure) -> None:
    """A row per slide; columns share their scale."""
    titles = (
        "recall@30 of true neighbours",
        "entropy (nats)",
        "movement |dx| / sqrt(n)",
        "std of the logits' terms",
        "Spearman of attention\nwith the terms",
    )
    figure.set_size_inches(15.0, 1.1 + 2.5 * len(found))
    panels = figure.subplots(len(found), len(titles), sharex=True, sharey="col", squeeze=False)
    for row, slide in zip(panels, found, strict=True):
        members = slide.members
        for axes, name in zip(row, ("recall_30", "entropy", "step"), strict=False):
            curve = pooled([getattr(m, name) for m in members], [getattr(m, f"{name}_spread") for m in members])
            draw_curve(axes, curve, PALETTE[0], "mean", each=name != "step")
        ceiling = float(np.mean([m.candidate_recall_30 for m in members]))
        row[0].axhline(ceiling, color=PALETTE[4], lw=1.2, ls=":", label="true neighbours that are candidates")
        for axes, name in zip((row[0], row[1], row[3]), PUBLISHED_RANGES, strict=True):
            _range(axes, *PUBLISHED_RANGES[name])
        for term, color in COLORS.items():
            scale = pooled([m.logit_std[term] for m in members], [m.logit_std_spread[term] for m in members])
            # A term that the model does not have is zero everywhere.
            if np.nanmax(scale.mean, initial=0.0) > 0:
                draw_curve(row[3], scale, color, "all terms" if term == "total" else term, each=False)
            if term in TERMS and not all(np.isnan(m.spearman[term]).all() for m in members):
                rank = pooled([m.spearman[term] for m in members], [m.spearman_spread[term] for m in members])
                draw_curve(row[4], rank, color, term, each=False)
        row[4].axhline(0.0, color="black", lw=0.8)
        row[0].set_ylabel(f"{slide.name}\n({slide.status})", fontsize=9)
        for axes in row:
            recycle_ticks(axes, len(members[0].step), last=slide is found[-1])
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title, fontsize=10)
    panels[0, 0].set_ylim(0, 1)
    # Only now: a limit ends the automatic scale, which takes all rows into account.
    for axes in panels[0, 1:4]:
        axes.set_ylim(bottom=0)
    legend_below(figure, panels[0], columns=5, order=("mean", "one head", BAND))


def _range(axes: Axes, low: float, high: float) -> None:
    axes.axhspan(low, high, color=PALETTE[2], alpha=0.12, lw=0, zorder=0, label="published models")


def _requirements(slide: OnSlide[AttentionProbeOutput]) -> list[Requirement]:
    mean = slide.mean()
    recall, std = mean.recall_30.mean(axis=1), mean.logit_std["total"]
    early, late = float(mean.spearman["qk"][0].mean()), float(mean.spearman["gate"][-1].mean())
    note = f"lowest head {mean.recall_30.min():.3f}, ceiling {mean.candidate_recall_30:.3f}"
    share = float(recall.min()) / mean.candidate_recall_30
    return [
        Requirement("lowest recall@30 of a recycle / its ceiling", share, RECALL_OF_CEILING, "at least"),
        Requirement("lowest entropy / log of candidates", float(mean.relative_entropy.min()), 0.05, "at least"),
        Requirement("highest entropy / log of candidates", float(mean.relative_entropy.max()), 0.99, "at most"),
        Requirement("lowest recall@30 of a recycle", float(recall.min()), 0.40, "at least", PUBLISHED, note=note),
        Requirement("lowest std of the logits", float(np.nanmin(std)), 2.0, "at least", PUBLISHED),
        Requirement("highest std of the logits", float(np.nanmax(std)), 10.0, "at most", PUBLISHED),
        Requirement("Spearman with qk, first recycle", early, 0.3, "at least", PUBLISHED),
        Requirement("Spearman with the gate, last recycle", late, 0.3, "at least", PUBLISHED),
    ]


PROBE = Probe(
    "attention",
    each_member(lambda model, slide, subject: attention_probe(model, slide.minisets, subject.node_budget), "attention"),
    _tables,
    _draw,
    slide_requirements(_requirements),
)
