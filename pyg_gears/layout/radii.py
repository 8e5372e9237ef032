"""Sizes of predicted patches, where models have a unit of their own."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Batch

from pyg_gears.errors import expect


def radii(points: Float[Tensor, "n d"], group: Int[Tensor, " n"], groups: int) -> Float[Tensor, " g"]:
    """Root mean square radius of each group of points."""
    count = torch.bincount(group, minlength=groups).clamp(min=1)[:, None]
    mean = (
        torch.zeros(groups, points.size(1), dtype=points.dtype, device=points.device).index_add(0, group, points)
        / count
    )
    square = torch.zeros_like(mean).index_add(0, group, (points - mean[group]).square())
    return (square.sum(dim=1) / count[:, 0]).sqrt()


def latent_radii(outputs: list[Any], batch: Batch) -> Float[Tensor, " g"]:
    """The size that a model gave each patch, in the space where it has one."""
    latent = [output.latent for output in outputs if getattr(output, "latent", None) is not None]
    expect(
        len(latent) == len(outputs),
        "expected models with a unit of their own for scales=model, found one that gives shapes without size; set "
        "scales=reconciled, or fit model.kind=generator_diffusion.",
    )
    return radii(torch.cat(latent).double(), batch.batch, batch.num_graphs)
