"""The float type that losses are computed in."""

from __future__ import annotations

import torch
from torch import Tensor


def wide(values: Tensor) -> Tensor:
    """Half precision as float32, in which the small numbers under a logarithm are not zero; other types as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
