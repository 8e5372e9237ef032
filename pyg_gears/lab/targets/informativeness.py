"""Diagnostic 3: what a target tells of a miniset beyond its size, density and share of boundary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.spatial import ConvexHull
from torch import Tensor

from pyg_gears.geometry import nearest_neighbors
from pyg_gears.lab.probe import NotMeasurable, Probe
from pyg_gears.lab.targets.families import SINGLE, target_data, target_matrix
from pyg_gears.lab.targets.subject import TargetsSubject
from pyg_gears.report.figure_style import OTHER, PALETTE
from pyg_gears.targets import neighbor_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
FOLDS = 5
LEAST = 20
ONE_SIDED = 0.4
"""Mean unit vector to the neighbours: a spot counts as boundary from this length on; 0 inside, 0.64 on a straight edge."""


class Informative(NamedTuple):
    """Signatures of one family over minisets.

    Attributes:
        diversity: Mean over the entries of a signature of their standard deviation over minisets, over their mean size.
        explained: Share of the variance of the signatures, each entry standardised, that size, density and boundary explain
            on minisets that the regression has not seen; below 0 where they explain nothing.
    """

    diversity: float
    explained: float


class InformativenessRecord(NamedTuple):
    """By family, over a number of minisets."""

    families: dict[str, Informative]
    minisets: int


def signature(matrix: Float[Tensor, "n n"]) -> Float[np.ndarray, " s"]:
    """A few numbers that any target gives: quantiles of its values, spread over a row, decay of its spectrum.

    Args:
        matrix: :func:`~pyg_gears.lab.targets.families.target_matrix`.
    """
    said = matrix[matrix != 0].numpy()
    rows = (matrix != 0).sum(dim=1).double()
    singular = torch.linalg.svdvals(matrix)
    share = (singular / singular.sum().clamp(min=1e-300))[:5]
    parts = [np.quantile(said, QUANTILES), [said.mean(), said.std()], [float(rows.std() / rows.mean())], share.numpy()]
    return np.concatenate(parts)


def plain_features(pos: Float[Tensor, "n 2"]) -> list[float]:
    """Log n, log density over the convex hull, and the share of spots with neighbours on one side only."""
    n = len(pos)
    index = nearest_neighbors(pos, min(neighbor_count(n), 12)).index
    step = pos[index] - pos[:, None]
    unit = step / step.norm(dim=2, keepdim=True).clamp(min=1e-12)
    boundary = float((unit.mean(dim=1).norm(dim=1) > ONE_SIDED).double().mean())
    return [float(np.log(n)), float(np.log(n / ConvexHull(pos.numpy()).volume)), boundary]


def explained_variance(features: Float[np.ndarray, "m f"], values: Float[np.ndarray, "m s"]) -> float:
    """Held-out share of variance that a linear regression with squares explains, mean over the standardised values.

    Args:
        features: Of m minisets.
        values: Signatures.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    kept = values.std(axis=0) > 1e-9 * np.abs(values).max(axis=0).clip(min=1e-300)
    if not kept.any():
        return 0.0
    target = StandardScaler().fit_transform(values[:, kept])
    model = make_pipeline(StandardScaler(), PolynomialFeatures(2), RidgeCV(np.logspace(-3, 3, 13)))
    found = cross_val_predict(model, features, target, cv=KFold(FOLDS, shuffle=True, random_state=0))
    return float(1 - ((found - target) ** 2).mean() / (target**2).mean())


def measure(subject: TargetsSubject) -> InformativenessRecord:
    """Every family over the minisets of mixed sizes.

    Raises:
        NotMeasurable: with fewer than 20 of them.
    """
    if len(subject.many) < LEAST:
        raise NotMeasurable(f"expected at least {LEAST} minisets of mixed sizes, found {len(subject.many)}; draw more.")
    features = np.array([plain_features(one.pos) for one in subject.many])
    values: dict[str, list[np.ndarray]] = {name: [] for name in SINGLE}
    for one in subject.many:
        data = target_data(one.pos, seed=subject.seed)
        for name in SINGLE:
            values[name].append(signature(target_matrix(data, name)))
    found = {}
    for name, signatures in values.items():
        table = np.array(signatures)
        size = np.abs(table).mean(axis=0)
        diversity = float((table.std(axis=0) / size.clip(min=1e-12))[size > 1e-9].mean())
        found[name] = Informative(diversity, explained_variance(features, table))
    return InformativenessRecord(found, len(subject.many))


def _tables(record: InformativenessRecord) -> Mapping[str, pd.DataFrame]:
    rows = {name: (one.diversity, one.explained) for name, one in record.families.items()}
    columns = ["diversity", "explained by size, density, boundary"]
    title = f"Informativeness: signatures of {record.minisets} minisets"
    return {title: pd.DataFrame.from_dict(rows, orient="index", columns=columns)}


def _draw(record: InformativenessRecord, figure: Figure) -> None:
    figure.set_size_inches(6.0, 3.4)
    axes = figure.subplots()
    names = list(record.families)
    explained = [max(one.explained, 0.0) for one in record.families.values()]
    axes.barh(names, explained, color=OTHER, label="explained by size, density, boundary")
    axes.barh(
        names, [1 - e for e in explained], left=explained, color=PALETTE[0], label="of the layout itself, or chance"
    )
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the variance of signatures over minisets")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)


PROBE = Probe("informativeness", measure, _tables, _draw)
