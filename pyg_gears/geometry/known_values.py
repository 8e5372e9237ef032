"""When a check may look at values, and when only plain operations may run."""

from __future__ import annotations

import torch
from torch import Tensor


def values_are_known(values: Tensor) -> bool:
    """Whether values can be read at no cost: on the CPU, and not :func:`is_transformed`.

    On a GPU reading them would wait for the device; under a transformation they are not known.
    """
    return values.device.type == "cpu" and not is_transformed()


def is_transformed() -> bool:
    """Whether torch rewrites the call: it is compiled, exported or traced, or runs under ``torch.func`` (grad, vmap, jvp).

    Only plain operations can be rewritten, so that gradients written out by hand give way to them.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return True
    return torch._C._are_functorch_transforms_active()  # what torch.autograd.Function itself asks
