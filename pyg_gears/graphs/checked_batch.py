"""The one door for membership: which graph of a batch each node belongs to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyg_gears.errors import InputError, described
from pyg_gears.geometry.known_values import values_are_known


def checked_batch(batch: Any, num_nodes: int) -> Tensor | None:
    """Graph of each node, int64 (n,), or None.

    Raises:
        InputError: when there is not one number per node, or when they do not ascend from 0 or more. Values are looked
            at on the CPU only.
    """
    if batch is None:
        return None
    if not isinstance(batch, Tensor) or batch.dim() != 1 or batch.size(0) != num_nodes or not _counts(batch):
        raise InputError(
            f"expected batch to number the graph of each of {num_nodes} nodes, found {described(batch)}; pass (n,)."
        )
    batch = batch.long()
    if values_are_known(batch) and num_nodes and (int(batch[0]) < 0 or bool((batch.diff() < 0).any())):
        raise InputError(
            "expected a batch that ascends from 0, found negative numbers or another order; sort the nodes by graph."
        )
    return batch


def _counts(batch: Tensor) -> bool:
    """Whether its type is one of integers."""
    return not (batch.is_floating_point() or batch.is_complex() or batch.dtype == torch.bool)
