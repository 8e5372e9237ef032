"""Whether a layer that is faster without messages has to send them."""

from __future__ import annotations

from torch_geometric.nn import MessagePassing

from pyg_gears.geometry.known_values import is_transformed

HOOKS = (
    "_propagate_forward_pre_hooks",
    "_propagate_forward_hooks",
    "_message_forward_pre_hooks",
    "_message_forward_hooks",
    "_aggregate_forward_pre_hooks",
    "_aggregate_forward_hooks",
    "_edge_update_forward_pre_hooks",
    "_edge_update_forward_hooks",
)


def is_observed(layer: MessagePassing) -> bool:
    """Whether an edge mask is set (PyG's explainers and fidelity) or a hook on messages (``AttentionExplainer``)."""
    return layer.explain is True or any(getattr(layer, name) for name in HOOKS)


def sends_messages(layer: MessagePassing) -> bool:
    """Whether somebody watches the messages, or torch rewrites the call.

    The layer then takes the edge list in the order given, so that every edge has its message and its mask.
    """
    return is_transformed() or is_observed(layer)
