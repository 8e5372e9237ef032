"""The context as the denoiser sees it."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

SHARE = 0.5
"""Root mean square of an element of the scaled context."""


def scaled_context(h: Float[Tensor, "b m c"], mask: Bool[Tensor, "b m"] | None) -> Float[Tensor, "b m c"]:
    r"""Every set's context at one size, :math:`0.5 H / \mathrm{rms}(H)`; the size has no gradient.

    Args:
        h: Context, shape (b, m, c).
        mask: Places that hold a node, shape (b, m).

    Source: published for training. There the sampler reads H unscaled, twice as large; here both read the same.
    """
    square = h.detach().square()
    if mask is None:
        mean = square.mean(dim=(1, 2))
    else:
        inside = mask[..., None].to(h.dtype)
        mean = (square * inside).sum(dim=(1, 2)) / (inside.sum(dim=(1, 2)) * h.size(2))
        h = h * inside
    return SHARE * h / mean.clamp(min=1e-12).sqrt()[:, None, None]
