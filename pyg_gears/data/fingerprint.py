"""A key for computed things: the same input under the same version gives the same key, anything else another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from pyg_gears.configuration import Configuration
from pyg_gears.data.slide import Slide
from pyg_gears.errors import InputError

VERSION = 1
"""Raised whenever the same input gives other minisets, targets or candidates than before: stored ones then never match."""


def fingerprint(*values: Any) -> str:
    """The SHA-256 of values: numbers, text, arrays, tensors, slides, configurations, PyG transforms and containers of them.

    A transform counts with its class and all its attributes (its ``repr`` may leave parameters out).

    Raises:
        InputError: for a value whose content cannot be told from its address, such as a function.
    """
    return hashlib.sha256(json.dumps([VERSION, _plain(values)], sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """The value as JSON can hold it; what JSON would make equal (1 and "1", a list and a tuple) carries its type."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiubU":
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"array": [value.dtype.str, list(value.shape), content]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_plain(item) for item in value]}
    if isinstance(value, Mapping):
        return {"mapping": {str(key): _plain(item) for key, item in value.items()}}
    if isinstance(value, Configuration):
        return {type(value).__name__: value.as_dict()}
    if isinstance(value, Slide):
        counts = value.counts
        return {"slide": _plain([value.name, value.genes, value.pos, counts.indptr, counts.indices, counts.data])}
    if isinstance(value, BaseTransform):
        return {type(value).__qualname__: _plain(vars(value))}
    raise InputError(
        f"expected numbers, text, tensors or transforms with such parameters in a cached recipe, found "
        f"{type(value).__name__}; write it as a BaseTransform with plain parameters, or do without the cache."
    )
