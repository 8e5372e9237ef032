"""Functions of the nodes that mean the same on any two graphs whose signals do."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from scipy.sparse import csr_array
from torch import Tensor

from pyg_gears.geometry.check_finite import check_finite
from pyg_gears.spectral.heat import heat

TIMES = (4.0, 16.0, 64.0, 256.0)
"""Diffusion times of the contours: 2 to 16 edges wide."""


def node_functions(
    signal: Float[Tensor, "n c"],
    boundary: Bool[Tensor, " n"],
    laplacian: csr_array,
    pos: Float[Tensor, "n 2"] | None = None,
) -> dict[str, Float[Tensor, " n"]]:
    r"""Named functions whose moments align two bases (:func:`align_bases`).

    ``one``; ``signal_a``, ``signal_a*signal_b``: the centred channels and their products; ``boundary``: the contours,
    ``boundary_t``: the same diffused for a time t; with positions ``radius_p``, powers p = 1, 2, 3 of the distance from the
    middle over its root mean square. None of them depends on the order of the nodes or on a rotation, shift or mirror of
    the positions.

    Args:
        signal: Signal of the nodes, shape (n, c).
        boundary: Contours: :func:`boundary_mask`, shape (n,).
        laplacian: Of the same graph, for the diffusion, shape (n, n).
        pos: Positions in the plane, shape (n, 2); without them the radii are left out.

    Returns:
        Functions by name, all but the first of mean 0, each of root mean square 1 (or zero where it vanishes), float64.

    Raises:
        InputError: for NaN or infinity in signal or positions.
    """
    check_finite(signal=signal, **({} if pos is None else {"pos": pos}))
    centred = signal.double() - signal.double().mean(dim=0)
    columns = {"one": torch.ones(len(signal), dtype=torch.float64)}
    channels = range(centred.size(1))
    columns |= {f"signal_{a}": centred[:, a] for a in channels}
    columns |= {f"signal_{a}*signal_{b}": centred[:, a] * centred[:, b] for a in channels for b in channels if a <= b}
    edge = boundary.double()
    columns["boundary"] = edge
    warm, before = edge[:, None], 0.0
    for time in TIMES:
        warm, before = heat(laplacian, warm, time - before), time
        columns[f"boundary_{time:g}"] = warm[:, 0]
    if pos is not None:
        radius = (pos.double() - pos.double().mean(dim=0)).norm(dim=1)
        radius = radius / radius.square().mean().sqrt().clamp(min=1e-300)
        columns |= {f"radius_{power}": radius**power for power in (1, 2, 3)}
    columns = {name: f if name == "one" else f - f.mean() for name, f in columns.items()}
    return {name: f / f.square().mean().sqrt().clamp(min=1e-12) for name, f in columns.items()}
