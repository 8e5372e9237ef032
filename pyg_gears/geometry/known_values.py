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
    """Whether torch rewrites the call or runs it without values: plain operations can be rewritten, hand-written gradients not.

    It is compiled, exported or traced, runs under ``torch.func`` (grad, vmap, jvp) or in forward mode, where tensors
    carry tangents, or under ``FakeTensorMode``.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return True
    if torch._C._are_functorch_transforms_active():  # what torch.autograd.Function itself asks
        return True
    in_forward_mode = torch.autograd.forward_ad._current_level >= 0
    return in_forward_mode or torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None
