"""Gradients that are written out by hand, under autocast."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch


def without_autocast(backward: Callable[..., Any]) -> Callable[..., Any]:
    """A hand-written backward in the types of its forward pass, also where ``loss.backward()`` is called under autocast.

    ``torch.amp.custom_bwd`` does the same for one kind of device.
    """

    @wraps(backward)
    def in_own_types(ctx: Any, *grad_outputs: Any) -> Any:
        kind = next((grad.device.type for grad in grad_outputs if grad is not None), "cpu")
        with torch.autocast(kind, enabled=False):
            return backward(ctx, *grad_outputs)

    return in_own_types
