"""Whether the true nearest neighbours are the near ones: neighbourhood component analysis."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.losses.latent.shape import shape_of
from pyg_gears.losses.latent.true_edges import TrueEdges
from pyg_gears.targets.near_in_set import near_in_set


def neighborhood_error(
    v: Float[Tensor, "b m d"],
    target: Float[Tensor, "b m e"],
    edges: TrueEdges,
    mask: Bool[Tensor, "b m"] | None = None,
) -> Float[Tensor, " b"]:
    r"""Mean negative log probability that a point picks one of its true neighbours among all others.

    .. math:: -\mathrm{mean}_i \, \mathrm{mean}_{j \in kNN(i)} \log \mathrm{softmax}_{j \neq i}(-|s_i - s_j|^2 / \tau)

    on shapes; the size of ``v`` has no gradient. The temperature is the square of the median distance to the true k-th neighbour,
    times how much longer (between 1/4 and 4 times) these squared distances are in ``v``; it has no gradient either.

    Args:
        v: Points of padded sets, shape (b, m, d).
        target: True factors, shape (b, m, e).
        edges: The true edges, k from each point.
        mask: Places that hold a point, shape (b, m); all if omitted.

    Source: Goldberger et al., Neighbourhood components analysis (2004). The published code has this mean of logarithms, its paper
        the logarithm of the summed probability. There the distance is measured once on whole slides, in their unit; here on
        every set's shape, the unit of what it is compared with.
    """
    s, t = shape_of(v, mask, fixed_size=True), shape_of(target, mask)
    k = edges.index.size(2)
    tau = _kth(t, mask, k)
    tau = tau * (_kth(s.detach(), mask, k) / tau).clamp(0.25, 4.0)
    own = s.square().sum(dim=2)
    square = own[:, :, None] + own[:, None, :] - 2 * s @ s.transpose(1, 2)
    apart = torch.eye(v.size(1), dtype=torch.bool, device=v.device)[None]
    if mask is not None:
        apart = apart | ~mask[:, None, :]
    # Finite: a point without any other would make NaN.
    log_probability = (-square / tau[:, None, None]).masked_fill(apart, -1e30).log_softmax(dim=2)
    return -edges.mean(log_probability.gather(2, edges.index).masked_fill(~edges.found, 0.0))


def _kth(x: Tensor, mask: Tensor | None, k: int) -> Float[Tensor, " b"]:
    """Median over the points of a set of the squared distance to the k-th neighbour, or to the last one there is."""
    near, _ = near_in_set(x, mask, k)
    if near.size(2) == 0:
        return x.new_ones(x.size(0))
    last = near.masked_fill(~near.isfinite(), -1.0).amax(dim=2)
    last = last.masked_fill(last < 0, torch.nan)
    if mask is not None:
        last = last.masked_fill(~mask, torch.nan)
    return last.square().nanmedian(dim=1).values.nan_to_num(1.0).clamp(min=1e-8)
