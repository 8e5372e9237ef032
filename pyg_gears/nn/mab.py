"""Attention of one set to another, the block that set transformers are made of."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import LayerNorm, Linear
from torch.nn.functional import scaled_dot_product_attention

from pyg_gears.errors import InputError, described, expect
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.nn.checked_nodes import checked_places
from pyg_gears.nn.padded_graphs import mask_value
from pyg_gears.nn.padded_sets import check_mask


class MAB(torch.nn.Module):
    r"""Multihead attention block: the places of one set read another set.

    .. math::
        q = W_q x, \quad o = \mathrm{LN}\big(q + \mathrm{softmax}(q k^T / \sqrt{c_h} + b)\, v\big), \quad
        x' = \mathrm{LN}(o + \mathrm{ReLU}(W o))

    with :math:`k = W_k y`, :math:`v = W_v y` and c_h channels per head. The residual is on the *projected* query. Padded: see
    :class:`SAB` and :class:`ISAB` for the layers that take PyG batches. torch's fused attention has no second derivative;
    under ``torch.nn.attention.sdpa_kernel(SDPBackend.MATH)`` there is one.

    Args:
        channels: Channels c of both sets.
        heads: Attention heads; must divide the channels.

    Raises:
        InputError: for a size below 1, or for heads that do not divide the channels.

    Source: Lee et al., Set Transformer (2019), equation 6, with logits divided by the root of a head's channels instead of all.
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        check_sizes(channels=channels, heads=heads)
        expect(
            channels % heads == 0,
            f"expected heads that divide the channels, found {heads} heads of {channels} channels; change one.",
        )
        self.channels, self.heads = channels, heads
        self.query, self.key, self.value, self.update = (Linear(channels, channels) for _ in range(4))
        self.norm_attention, self.norm = LayerNorm(channels), LayerNorm(channels)

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        for child in self.children():
            child.reset_parameters()  # type: ignore[operator]

    def forward(
        self,
        x: Float[Tensor, "b q c"],
        y: Float[Tensor, "b k c"],
        mask: Bool[Tensor, "b k"] | None = None,
        bias: Float[Tensor, "b q k"] | None = None,
    ) -> Float[Tensor, "b q c"]:
        """Let every place of ``x`` read the places of ``y``.

        Args:
            x: Sets that read, shape (b, q, c).
            y: Sets that are read, shape (b, k, c).
            mask: Places of ``y`` that hold a node, shape (b, k), at least one in each set; all if omitted.
            bias: Added to the logits of all heads, shape (b, q, k).

        Returns:
            New values of ``x``, shape (b, q, c).

        Raises:
            InputError: for other shapes or types.
        """
        weight = self.query.weight
        x, y = checked_places(x, self.channels, weight), checked_places(y, self.channels, weight, "y")
        if x.dim() != 3 or y.dim() != 3 or x.size(0) != y.size(0):
            raise InputError(
                f"expected as many padded sets (b, m, c) in x and y, found {tuple(x.shape)} and {tuple(y.shape)}; "
                "use SAB or ISAB for nodes (n, c)."
            )
        check_mask(mask, y)
        if bias is not None and (not isinstance(bias, Tensor) or bias.shape != (*x.shape[:2], y.size(1))):
            raise InputError(
                f"expected a bias of shape {(*x.shape[:2], y.size(1))}, found {described(bias)}; give every pair one."
            )
        query = self.query(x)
        allowed = None if mask is None else mask[:, None, None, :]
        if bias is not None:
            logits = bias[:, None].to(query.dtype)
            allowed = logits if allowed is None else logits.masked_fill(~allowed, mask_value(logits.dtype))
        read = scaled_dot_product_attention(
            self._heads(query), self._heads(self.key(y)), self._heads(self.value(y)), attn_mask=allowed
        )
        out = self.norm_attention(query + read.transpose(1, 2).flatten(2))
        return self.norm(out + self.update(out).relu())

    def _heads(self, values: Tensor) -> Tensor:
        """(b, m, c) to (b, h, m, c / h)."""
        return values.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def __repr__(self) -> str:
        return f"MAB({self.channels}, heads={self.heads})"
