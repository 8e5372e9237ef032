"""Second derivatives of functions whose first one is written out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def second_order_backward(
    function: Callable[..., Any], inputs: Sequence[Tensor | None], grad_outputs: Sequence[Tensor]
) -> list[Tensor | None]:
    """The gradient of ``function`` as a graph of its own, for the backward of an ``autograd.Function``.

    A backward that writes into buffers is lean but cannot be differentiated. Where the caller asked for that
    (``create_graph=True``, which leaves gradients enabled inside a backward), it returns this instead.

    Args:
        function: The same function in plain operations.
        inputs: Its arguments, as saved by the forward pass.
        grad_outputs: Gradient of each of its results.

    Returns:
        Gradient of each input; None for one that is no tensor or needs none.
    """
    with torch.enable_grad():
        # Views, so that an input which was computed from another one does not pass its gradient on to it here.
        own = [part.view_as(part) if part is not None and part.requires_grad else part for part in inputs]
        outputs = function(*own)
    wanted = [part for part in own if part is not None and part.requires_grad]
    found = iter(torch.autograd.grad(outputs, wanted, grad_outputs, create_graph=True, allow_unused=True))
    return [next(found) if part is not None and part.requires_grad else None for part in own]
