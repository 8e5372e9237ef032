"""The energy of a trained model against the weight of its gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from pyg_gears.lab.probe import Probe
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches
from pyg_gears.lab.probes.miniset_energies import miniset_energies
from pyg_gears.lab.probes.model_parts import require_gate
from pyg_gears.lab.probes.subject import Found, each_member, member_table
from pyg_gears.report.figure_style import PALETTE, legend_below
from pyg_gears.training.oracle import oracle_edges

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pyg_gears.models import StructureModel

BETAS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


class EnergyByBeta(NamedTuple):
    """Mean E_geo over minisets.

    Attributes:
        beta: Weight of the gate that the model was trained with.
        energy: Weight of the gate -> E_geo on the candidates.
        oracle: E_geo on the true graph without gate.
    """

    beta: float
    energy: dict[float, float]
    oracle: float


def energy_by_beta(
    model: StructureModel, minisets: Minisets, betas: Sequence[float] = BETAS, node_budget: int = 1024
) -> EnergyByBeta:
    """Mean E_geo when the gate enters the attention with another weight than in training.

    Args:
        model: Structure model with a gate.
        minisets: Minisets with targets and candidates.
        betas: Weights; 0 leaves the gate out.
        node_budget: Most nodes of a batch.

    Raises:
        InputError: when there is no miniset.
        NotMeasurable: when the model has no gate.
    """
    gated = require_gate(model)
    table = MinisetTable(len(minisets))
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            for beta in betas:
                table.add(f"{beta:g}", ids, miniset_energies(gated(batch, beta=beta).pos, batch).energy)
            oracle = gated(batch, edge_index=oracle_edges(batch), use_gate=False).pos
            table.add("oracle", ids, miniset_energies(oracle, batch).energy)
    energy = {beta: table.mean(f"{beta:g}") for beta in betas}
    return EnergyByBeta(float(gated.beta), energy, table.mean("oracle"))


def _tables(found: Found[EnergyByBeta]) -> Mapping[str, pd.DataFrame]:
    trained = found[0].members[0].beta
    title = f"E_geo by weight of the gate (trained at {trained:g})"
    return {title: member_table(found, lambda one: {f"beta {beta:g}": value for beta, value in one.energy.items()})}


def _draw(found: Found[EnergyByBeta], figure: Figure) -> None:
    figure.set_size_inches(6.0, 4.8)
    axes = figure.subplots()
    for number, slide in enumerate(found):
        color = PALETTE[number % len(PALETTE)]
        values = np.array([list(member.energy.values()) for member in slide.members])
        betas = list(slide.members[0].energy)
        for line in values if len(values) > 1 else ():
            axes.plot(betas, line, color=color, lw=0.8, alpha=0.5)
        axes.plot(betas, values.mean(axis=0), color=color, lw=2.2, marker="o", ms=5, label=slide.label)
        axes.axhline(float(np.mean([member.oracle for member in slide.members])), color=color, lw=1.2, ls="--")
    axes.plot([], [], color="black", lw=1.2, ls="--", label="on the true graph")
    axes.axvline(found[0].members[0].beta, color="black", lw=0.8, ls=":", label="weight in training")
    axes.set(xlabel="weight of the gate, beta", ylabel="E_geo", title="energy against the weight of the gate")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    legend_below(figure, [axes], columns=2)


PROBE = Probe(
    "energy_by_beta",
    each_member(
        lambda model, slide, subject: energy_by_beta(model, slide.minisets, node_budget=subject.node_budget), "beta"
    ),
    _tables,
    _draw,
)
