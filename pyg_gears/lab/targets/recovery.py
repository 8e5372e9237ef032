"""Diagnostic 2: what coordinates a family brings back, optimised directly from noise without any model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.geometry import gauge_fix, nearest_neighbors, similarity_procrustes
from pyg_gears.lab.probe import Probe
from pyg_gears.lab.progress_bar import progress_bar
from pyg_gears.lab.targets.families import FAMILIES, Family, target_data
from pyg_gears.lab.targets.subject import Miniset, TargetsSubject
from pyg_gears.metrics import collapse_statistics
from pyg_gears.report.figure_style import bare
from pyg_gears.seeds import torch_stream
from pyg_gears.targets import neighbor_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEARNING_RATE = 0.01
RECALL_AT = 15
FIXED_K = 20
FIXED = "F2+F4"
"""Family that is recovered with a fixed number of neighbours too."""
ACCEPTED = (0.25, 0.85)
"""Published limits of disparity and recall."""
COLLAPSE = 0.01


class Recovered(NamedTuple):
    """Direct optimisations of one family on one miniset.

    Attributes:
        slide: Name of the slide.
        size: Spots of the miniset.
        k: Spatial neighbours per node.
        adaptive: Whether k follows the size.
        family: Name of the family.
        disparity: What a similarity with reflection leaves of the truth's variance, of each start.
        recall: Share of the true 15 nearest neighbours that are among the 15 nearest, of each start.
        collapsed: Starts that ended on a line or a point, or not finite.
        layout: Layout of the first start, on the truth as well as it fits.
        truth: The true layout.
    """

    slide: str
    size: int
    k: int
    adaptive: bool
    family: str
    disparity: tuple[float, ...]
    recall: tuple[float, ...]
    collapsed: int
    layout: Float[np.ndarray, "n 2"]
    truth: Float[np.ndarray, "n 2"]


class RecoveryRecord(NamedTuple):
    """All optimisations, and how they were made."""

    runs: tuple[Recovered, ...]
    starts: int
    steps: int


def recover(
    data: Data, loss: Family, n: int, *, starts: int, steps: int, generator: torch.Generator
) -> Float[Tensor, "s n 2"]:
    """Coordinates that Adam (learning rate 0.01) finds from N(0, I), all starts at once, in the gauge.

    Args:
        data: Targets of one graph.
        loss: What is made small.
        n: Nodes of the graph.
        starts: Random starts.
        steps: Steps.
        generator: Draws the starts.
    """
    batch = Batch.from_data_list([data] * starts)
    pos = torch.randn(starts * n, 2, generator=generator).requires_grad_()
    adam = torch.optim.Adam([pos], lr=LEARNING_RATE)
    for _ in range(steps):
        adam.zero_grad()
        # The mean over the starts: Adam's steps do not depend on the factor.
        loss(pos, batch).backward()
        adam.step()
    return torch.stack([gauge_fix(one) for one in pos.detach().double().chunk(starts)])


def judge(found: Float[Tensor, "n 2"], truth: Float[Tensor, "n 2"]) -> tuple[float, float, bool, Tensor]:
    """Disparity, recall@15, whether the layout has collapsed, and the layout on the truth."""
    if not bool(found.isfinite().all()):
        return math.nan, 0.0, True, torch.zeros_like(truth)
    fit = similarity_procrustes(found, truth, allow_reflection=True)
    near = [nearest_neighbors(pos, RECALL_AT).index for pos in (found, truth)]
    recall = (near[0][:, :, None] == near[1][:, None, :]).any(dim=1).double().mean()
    shape = collapse_statistics(found)
    collapsed = shape.eigenvalue_ratio < COLLAPSE or shape.median_distance < COLLAPSE
    return float(fit.disparity), float(recall), collapsed, fit.aligned


def recover_miniset(miniset: Miniset, family: str, subject: TargetsSubject, k: int | None = None) -> Recovered:
    """Recover one miniset by one family, every family from the same starts."""
    n = miniset.size
    data = target_data(miniset.pos.float(), k, subject.seed)
    generator = torch_stream(subject.seed, "starts", miniset.slide, n)
    layouts = recover(data, FAMILIES[family], n, starts=subject.starts, steps=subject.steps, generator=generator)
    judged = [judge(layout, miniset.pos) for layout in layouts]
    return Recovered(
        miniset.slide,
        n,
        neighbor_count(n, k),
        k is None,
        family,
        tuple(one[0] for one in judged),
        tuple(one[1] for one in judged),
        sum(one[2] for one in judged),
        judged[0][3].numpy(),
        miniset.pos.numpy(),
    )


def measure(subject: TargetsSubject) -> RecoveryRecord:
    """Every family on every miniset, F2+F4 with a fixed k = 20 too where that is another number."""
    work: list[tuple[Miniset, str, int | None]] = [
        (one, name, None) for one in subject.minisets for name in subject.families
    ]
    if FIXED in subject.families:
        work += [(one, FIXED, FIXED_K) for one in subject.minisets if neighbor_count(one.size) != FIXED_K]
    runs = [recover_miniset(one, name, subject, k) for one, name, k in progress_bar(work, desc="recoverability")]
    return RecoveryRecord(tuple(runs), subject.starts, subject.steps)


def _rows(record: RecoveryRecord) -> pd.DataFrame:
    columns = ["k", "disparity", "std", "recall@15", "std ", "collapsed"]
    rows = {
        (one.slide, one.size, one.family + ("" if one.adaptive else ", fixed k")): (
            one.k,
            float(np.mean(one.disparity)),
            float(np.std(one.disparity)),
            float(np.mean(one.recall)),
            float(np.std(one.recall)),
            f"{one.collapsed} of {record.starts}",
        )
        for one in record.runs
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).set_axis(pd.MultiIndex.from_tuples(rows))


def published_rows(record: RecoveryRecord) -> pd.DataFrame:
    """Mean over all minisets beside the published means, both ranked by disparity among the families that have a figure."""
    names = [name for name in dict.fromkeys(one.family for one in record.runs) if FAMILIES[name].published is not None]
    ours = {
        name: [
            float(np.mean([np.mean(values) for values in found]))
            for found in zip(
                *((one.disparity, one.recall) for one in record.runs if one.family == name and one.adaptive),
                strict=True,
            )
        ]
        for name in names
    }
    theirs = {name: FAMILIES[name].published or (math.nan, math.nan) for name in names}
    order = [sorted(names, key=lambda name: values[name][0]) for values in (ours, theirs)]
    rows = {name: (*ours[name], *theirs[name], order[0].index(name) + 1, order[1].index(name) + 1) for name in names}
    columns = ["disparity", "recall@15", "published disparity", "published recall", "place", "published place"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def verdicts(record: RecoveryRecord) -> dict[str, str]:
    """The published claims against our figures, "passed", "FAILED" or "not measured"."""

    def verdict(known: bool, holds: bool) -> str:
        return "not measured" if not known else "passed" if holds else "FAILED"

    main = [one for one in record.runs if one.family == FIXED and one.adaptive]
    fixed = {(one.slide, one.size): one for one in record.runs if not one.adaptive}
    pairs = [(one, fixed[one.slide, one.size]) for one in main if (one.slide, one.size) in fixed]
    ranked = published_rows(record)
    ladder = [name for name in ("F2+F4", "F2", "F1", "LLE") if name in ranked.index]
    recalls, disparities = ranked["recall@15"][ladder], ranked["disparity"][ladder]
    every = len(main) > 0
    return {
        f"F2+F4: disparity below {ACCEPTED[0]} on every miniset": verdict(
            every, all(np.mean(one.disparity) < ACCEPTED[0] for one in main)
        ),
        f"F2+F4: recall@15 above {ACCEPTED[1]} on every miniset": verdict(
            every, all(np.mean(one.recall) > ACCEPTED[1] for one in main)
        ),
        "F2+F4: no collapse": verdict(every, all(one.collapsed == 0 for one in main)),
        "order by disparity F2+F4, F2, F1, LLE": verdict(len(ladder) == 4, bool(disparities.is_monotonic_increasing)),
        "order by recall F2+F4, F2, F1, LLE": verdict(len(ladder) == 4, bool(recalls.is_monotonic_decreasing)),
        "F2+F4: adaptive k recalls more than a fixed k = 20": verdict(
            len(pairs) > 0, all(np.mean(a.recall) > np.mean(b.recall) for a, b in pairs)
        ),
    }


def _tables(record: RecoveryRecord) -> Mapping[str, pd.DataFrame]:
    how = f"{record.steps} steps of Adam from {record.starts} starts"
    tables = {f"Recoverability: {how}": _rows(record)}
    compared = published_rows(record)
    if len(compared):
        tables["Recoverability beside the published figures (mouse liver, n = 128, 256, 384), places by disparity"] = (
            compared
        )
    tables["Published claims"] = pd.DataFrame({"verdict": verdicts(record)})
    return tables


def _draw(record: RecoveryRecord, figure: Figure) -> None:
    """Layouts of the first start on the largest miniset of the first slide, colours by the true place."""
    first = record.runs[0].slide
    size = max(one.size for one in record.runs if one.slide == first)
    chosen = [one for one in record.runs if (one.slide, one.size) == (first, size)]
    rows = -(-(len(chosen) + 1) // 4)
    figure.set_size_inches(9.0, 2.5 * rows)
    panels = list(figure.subplots(rows, 4, squeeze=False).flat)
    truth = chosen[0].truth
    shown = [("truth", truth)] + [
        (
            f"{one.family}{'' if one.adaptive else f', k = {one.k}'}\n{np.mean(one.disparity):.2f} / {np.mean(one.recall):.2f}",
            one.layout,
        )
        for one in chosen
    ]
    for axes, (title, pos) in zip(panels, shown, strict=False):
        axes.scatter(*pos.T, c=truth[:, 0] + 0.5 * truth[:, 1], s=9, lw=0, cmap="viridis")
        bare(axes, title)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    figure.suptitle(
        f"{first}, n = {size}: disparity / recall@15, mean of {record.starts} starts; the first is shown", fontsize=10
    )


def _numbers(record: RecoveryRecord) -> dict[str, Any]:
    runs = [
        {key: value for key, value in one._asdict().items() if key not in ("layout", "truth")} for one in record.runs
    ]
    return {"starts": record.starts, "steps": record.steps, "runs": runs, "verdicts": verdicts(record)}


PROBE = Probe("recoverability", measure, _tables, _draw, numbers=_numbers)
