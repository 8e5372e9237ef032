"""When a check may look at values, and when only at shapes and types."""

from __future__ import annotations

import torch
from torch import Tensor


def values_are_known(values: Tensor) -> bool:
    """Whether values can be read at no cost: on the CPU, outside ``torch.compile`` and tracing.

    On a GPU reading them would wait for the device, and a compiler does not know them.
    """
    tracing = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]
    return values.device.type == "cpu" and not tracing
