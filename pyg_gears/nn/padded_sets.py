"""The sets of a batch side by side in one padded tensor, with a mask that says which places hold a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.errors import InputError, described, expect
from pyg_gears.graphs.checked_batch import checked_batch
from pyg_gears.nn.checked_nodes import checked_nodes


@dataclass(frozen=True)
class PaddedSets:
    """Where the nodes of a batch lie in a padded (b, m) tensor. Built by :func:`pad_sets`.

    Attributes:
        num_sets: Sets b.
        size: Nodes m of the largest set.
        mask: Places that hold a node, shape (b, m); None where all do. A set without nodes counts as its first place, so that
            an attention over it stays finite.
        slot: Flat place of each node in (b, m), shape (n,); None where all places hold one.
    """

    num_sets: int
    size: int
    mask: Bool[Tensor, "b m"] | None
    slot: Int[Tensor, " n"] | None

    def pad(self, values: Tensor) -> Tensor:
        """Spread node values (n, ...) to (b, m, ...), zeros between."""
        if self.slot is None:
            return values.view(self.num_sets, self.size, *values.shape[1:])
        empty = values.new_zeros(self.num_sets * self.size, *values.shape[1:])
        return empty.index_copy(0, self.slot, values).view(self.num_sets, self.size, *values.shape[1:])

    def gather(self, values: Tensor) -> Tensor:
        """Read node values (n, ...) back from (b, m, ...)."""
        nodes = values.flatten(0, 1)
        return nodes if self.slot is None else nodes[self.slot]


def pad_sets(batch: Int[Tensor, " n"] | None, num_nodes: int, num_sets: int | None = None) -> PaddedSets:
    """Lay the sets of a batch side by side.

    Args:
        batch: Set of each node, shape (n,), ascending; one set if omitted.
        num_nodes: Number of nodes n.
        num_sets: Number of sets b; read from ``batch`` if omitted.

    Raises:
        InputError: when ``batch`` does not number the nodes in ascending order.
    """
    batch = checked_batch(batch, num_nodes)
    if batch is None:
        return PaddedSets(1, num_nodes, None, None)
    count = torch.bincount(batch, minlength=num_sets or 0)
    b, m = count.numel(), max(1, int(count.max())) if num_nodes else 1
    if b * m == num_nodes:
        return PaddedSets(b, m, None, None)
    place = torch.arange(m, device=batch.device)
    slot = batch * m + torch.arange(num_nodes, device=batch.device) - (count.cumsum(0) - count)[batch]
    return PaddedSets(b, m, place < count.clamp(min=1)[:, None], slot)


def check_mask(mask: Any, x: Float[Tensor, "b m c"]) -> None:
    """Raise unless the mask, where there is one, marks the places of these padded sets.

    Raises:
        InputError: when it does not; numbers in place of a boolean mask would be added to the logits.
    """
    if mask is not None and (not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != x.shape[:2]):
        raise InputError(
            f"expected a boolean mask of shape {tuple(x.shape[:2])}, found {described(mask)}; mark the nodes."
        )


def padded_door(
    x: Any, batch: Any, mask: Any, channels: int, weight: Tensor
) -> tuple[Float[Tensor, "b m c"], Bool[Tensor, "b m"] | None, PaddedSets | None]:
    """Sets as a layer takes them, padded: from nodes (n, c) with ``batch``, or from a padded tensor (b, m, c) with ``mask``.

    Returns:
        The padded values, the mask, and how to come back to nodes (None where the caller's values were padded).

    Raises:
        InputError: for other shapes or types, or a membership that does not go with the shape.
    """
    if isinstance(x, Tensor) and x.dim() == 3:
        expect(batch is None, "expected a mask beside padded sets (b, m, c), found a batch; pass mask (b, m) instead.")
        check_mask(mask, x)
        x = checked_nodes(x.flatten(0, 1), channels, weight).view(*x.shape[:2], channels)
        # Attention weighs empty places by zero, which NaN would survive.
        return x if mask is None else x.masked_fill(~mask[..., None], 0.0), mask, None
    expect(mask is None, "expected a batch beside nodes (n, c), found a mask; pass padded sets (b, m, c) with it.")
    x = checked_nodes(x, channels, weight)
    sets = pad_sets(batch, x.size(0))
    return sets.pad(x), sets.mask, sets
