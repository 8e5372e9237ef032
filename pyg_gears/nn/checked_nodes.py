"""The doors for what lies on nodes: values, and results that a float type cannot hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from pyg_gears.errors import InputError
from pyg_gears.geometry.known_values import values_are_known


def checked_nodes(values: Any, channels: int | None, weight: Tensor | None, name: str = "x") -> Tensor:
    """Node values (n, channels) in the float type of a layer's weights.

    Under autocast they may come in another float type and are converted; otherwise the types must agree.

    Args:
        values: What the caller gave.
        channels: Channels that it must have; any number if None.
        weight: A parameter of the layer; any float type if None.
        name: What the values are called in an error.

    Raises:
        InputError: for two node sets (a bipartite graph), another shape or another type.
    """
    if isinstance(values, (tuple, list, dict)):  # torch.compile of torch 2.6 takes no union of types
        raise InputError(
            f"expected {name} of one set of nodes, found a {type(values).__name__} of {len(values)}; bipartite and "
            "heterogeneous graphs are not supported, so join the node sets first (HeteroData.to_homogeneous)."
        )
    if not isinstance(values, Tensor):
        raise InputError(f"expected {name} as a tensor (n, channels), found {_kind(values)}; convert it.")
    if values.dim() != 2:
        raise InputError(f"expected {name} of shape (n, channels), found {tuple(values.shape)}; give every node a row.")
    if channels is not None and values.size(1) != channels:
        raise InputError(
            f"expected {channels} channels, found {values.size(1)} in {name}; build it for this embedding."
        )
    if not values.is_floating_point():
        raise InputError(f"expected {name} as floats, found {values.dtype}; call .float() on it.")
    if weight is None or values.dtype == weight.dtype:
        return values
    if torch.is_autocast_enabled(values.device.type):
        return values.to(weight.dtype)
    raise InputError(
        f"expected {name} in the layer's {weight.dtype}, found {values.dtype}; call .to({weight.dtype}) on it, or "
        "convert the layer."
    )


def checked_places(values: Any, channels: int, weight: Tensor | None, name: str = "x") -> Tensor:
    """Values (..., channels) of any number of dimensions, checked as :func:`checked_nodes` checks those of nodes.

    Raises:
        InputError: as :func:`checked_nodes`.
    """
    if not isinstance(values, Tensor) or values.dim() < 1:
        return checked_nodes(values, channels, weight, name)
    # Only channels and type are checked: values with an expanded axis would be copied by a change of shape.
    return values.to(checked_nodes(values.new_empty(0, values.size(-1)), channels, weight, name).dtype)


def checked_positions(pos: Any, state: Tensor, dims: int | None = None) -> Tensor:
    """Coordinates (n, d) in the float type of the states (n, c) beside them.

    Raises:
        InputError: as :func:`checked_nodes`, and when there is not one position per node.
    """
    pos = checked_nodes(pos, None, state, "pos")
    if pos.size(0) != state.size(0) or (dims is not None and pos.size(1) != dims):
        raise InputError(
            f"expected pos of shape ({state.size(0)}, {'d' if dims is None else dims}), found {tuple(pos.shape)}; "
            "give every node its position."
        )
    return pos


def checked_results(results: Iterable[Tensor], inputs: Iterable[Tensor | None], module: torch.nn.Module) -> None:
    """Refuse values that are finite, as the weights are, but whose results are not.

    Looked at on the CPU only. What was NaN or infinite already passes, so that training shows its divergence.

    Raises:
        InputError: when values or their products leave the float type.
    """
    results = list(results)
    if not all(values_are_known(part) for part in results) or all(all_finite(part) for part in results):
        return
    given = [part for part in inputs if part is not None and part.numel()]
    if all(all_finite(part) for part in given) and all(all_finite(part) for part in module.parameters()):
        largest = max((float(part.detach().abs().max()) for part in given), default=0.0)
        raise InputError(
            f"expected values whose products fit {results[0].dtype}, found up to {largest:.3g}; "
            "standardise them, or compute in a wider type."
        )


def all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    values = values.detach()
    # A finite sum has finite terms, and costs one pass; finite terms may still have an infinite sum.
    return bool(values.sum().isfinite()) or bool(values.isfinite().all())


def _kind(values: Any) -> str:
    return "none" if values is None else type(values).__name__
