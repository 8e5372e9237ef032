"""How sure the models are of the distances within each patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


class PairCertainty(NamedTuple):
    """Log-variances of pairs of cells, patch by patch.

    Attributes:
        size: Pairs of each patch, shape (patches,).
        pair: Number a m + b of each pair, a < b places in a patch of m cells; ascending within a patch.
        log_variance: Mean of what the models say, float32, of the length of ``pair``.
    """

    size: Int[np.ndarray, " p"]
    pair: Int[np.ndarray, " q"]
    log_variance: Float[np.ndarray, " q"]

    @classmethod
    def join(cls, parts: Sequence[PairCertainty]) -> PairCertainty:
        """Those of consecutive patches; none of no patch."""
        none = cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))
        return cls(*(np.concatenate(part) for part in zip(none, *parts, strict=True)))

    def weights(self) -> Float[np.ndarray, " q"]:
        """exp(-s), relative to the median pair, so that a pair of which no model speaks weighs 1."""
        typical = np.median(self.log_variance) if len(self.log_variance) else 0.0
        return np.exp(typical - self.log_variance.astype(np.float64))


def pair_certainty(outputs: Sequence[Any], ptr: Int[Tensor, " b1"]) -> PairCertainty:
    """Read the log-variances of some models' outputs for one batch.

    Args:
        outputs: Outputs of whole batches; those without ``log_variance`` say nothing.
        ptr: First node of each patch in the batch, and their number last, shape (b + 1,).

    Returns:
        The mean over the outputs and over the two directions of an edge, for pairs of unlike nodes that some output has.
    """
    first, size = ptr.cpu(), ptr.cpu().diff()
    keys, values = [torch.zeros(0, dtype=torch.long)], [torch.zeros(0)]
    # Pairs of earlier patches come first: their numbers are shifted by the squares of the sizes.
    shift = torch.cat([size.new_zeros(1), size.square().cumsum(0)])
    for output in outputs:
        if getattr(output, "log_variance", None) is None:
            continue
        edge = output.edge_index.cpu()
        patch = torch.bucketize(edge[0], first[1:], right=True)
        place = (edge - first[patch]).sort(dim=0).values
        apart = place[0] != place[1]
        keys.append((shift[patch] + place[0] * size[patch] + place[1])[apart])
        values.append(output.log_variance.detach().float().cpu()[apart])
    key, group = torch.unique(torch.cat(keys), return_inverse=True)
    value, count = torch.cat(values), torch.bincount(group, minlength=len(key))
    mean = torch.zeros(len(key)).index_add(0, group, value) / count
    patch = torch.bucketize(key, shift[1:], right=True)
    return PairCertainty(torch.bincount(patch, minlength=len(size)).numpy(), (key - shift[patch]).numpy(), mean.numpy())
