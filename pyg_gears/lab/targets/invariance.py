"""Diagnostic 0: whether targets and losses stay the same when a slide is turned, mirrored, scaled and shifted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pyg_gears.lab.probe import Probe
from pyg_gears.lab.targets.families import FAMILIES, SINGLE, target_data, target_matrix
from pyg_gears.lab.targets.subject import TargetsSubject
from pyg_gears.seeds import torch_stream

MOTIONS = 5
LIMIT = 1e-5


class InvarianceRecord(NamedTuple):
    """Largest relative change over all minisets and motions, by family: of the target, and of the loss of a wrong layout."""

    target: dict[str, float]
    loss: dict[str, float]


def random_similarity(pos: Float[Tensor, "n 2"], generator: Generator) -> Float[Tensor, "n 2"]:
    """The points turned, mirrored every other time, scaled by 10^-3..10^3 and shifted."""
    angle, mirror, scale, *shift = torch.rand(5, generator=generator, dtype=torch.float64).tolist()
    turn = torch.tensor(2 * torch.pi * angle, dtype=torch.float64)
    rotation = torch.stack([torch.stack([turn.cos(), -turn.sin()]), torch.stack([turn.sin(), turn.cos()])])
    if mirror < 0.5:
        rotation = rotation * torch.tensor([1.0, -1.0], dtype=torch.float64)
    factor = 10.0 ** (6 * scale - 3)
    return factor * (pos @ rotation.T + torch.tensor(shift, dtype=torch.float64))


def measure(subject: TargetsSubject) -> InvarianceRecord:
    """Relative Frobenius change of every target, and relative change of every loss, in float64."""
    generator = torch_stream(subject.seed, "invariance")
    target, loss = dict.fromkeys(SINGLE, 0.0), dict.fromkeys(SINGLE, 0.0)
    for miniset in subject.minisets:
        data = target_data(miniset.pos, seed=subject.seed)
        # A wrong layout: at the truth itself most losses are 0, and 0 has no relative change.
        wrong = miniset.pos[torch.randperm(miniset.size, generator=generator)]
        for _ in range(MOTIONS):
            again = target_data(random_similarity(miniset.pos, generator), seed=subject.seed)
            moved = random_similarity(wrong, generator)
            for name in SINGLE:
                before, after = target_matrix(data, name), target_matrix(again, name)
                target[name] = max(target[name], float((after - before).norm() / before.norm().clamp(min=1e-300)))
                cost = float(FAMILIES[name](wrong, data))
                change = abs(float(FAMILIES[name](moved, again)) - cost) / max(abs(cost), 1e-300)
                loss[name] = max(loss[name], change)
    return InvarianceRecord(target, loss)


def _tables(record: InvarianceRecord) -> Mapping[str, pd.DataFrame]:
    rows = {
        name: (
            f"{record.target[name]:.1e}",
            f"{record.loss[name]:.1e}",
            "passed" if max(record.target[name], record.loss[name]) < LIMIT else "FAILED",
        )
        for name in record.target
    }
    columns = ["target", "loss", "verdict"]
    title = f"Invariance: largest relative change under random similarities (limit {LIMIT:g})"
    return {title: pd.DataFrame.from_dict(rows, orient="index", columns=columns)}


PROBE = Probe("invariance", measure, _tables)
