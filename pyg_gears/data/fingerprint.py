"""A key for computed things: the same recipe, input and code give the same key, anything else another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from pyg_gears.configuration import Configuration
from pyg_gears.errors import InputError

# The code between a slide and a stored miniset.
_ROOMS = ("geometry", "data", "graphs", "targets", "transforms.py")


def fingerprint(*values: Any) -> str:
    """The SHA-256 of values: numbers, text, arrays, tensors, dataclasses, PyG transforms and containers of them.

    A transform counts with its class and all its attributes (its ``repr`` may leave parameters out). The source of
    the package's own rooms up to the transforms counts too: targets computed by older code never match.

    Raises:
        InputError: for a value whose content cannot be told from its address, such as a function.
    """
    digest = hashlib.sha256(_code_digest().encode())
    for value in values:
        _add(digest, value)
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    value = value.item() if isinstance(value, np.generic) else value
    # Every entry carries its type and length, so that no two different values write the same bytes.
    digest.update(f"<{type(value).__module__}.{type(value).__qualname__}>".encode())
    if value is None or isinstance(value, bool | int | float | str | bytes):
        text = repr(value).encode()
        digest.update(f"{len(text)}:".encode() + text)
    elif isinstance(value, Tensor):
        _add(digest, value.detach().cpu().numpy())
    elif isinstance(value, np.ndarray) and value.dtype.kind in "fiubU":
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, list | tuple):
        digest.update(f"{len(value)}:".encode())
        for item in value:
            _add(digest, item)
    elif isinstance(value, Mapping):
        _add(digest, [[str(key), value[key]] for key in sorted(value, key=str)])
    elif is_dataclass(value) and not isinstance(value, type):
        _add(digest, {field.name: getattr(value, field.name) for field in fields(value)})
    elif isinstance(value, Configuration):
        _add(digest, value.as_dict())
    elif isinstance(value, BaseTransform):
        _add(digest, vars(value))
    else:
        raise InputError(
            f"Expected numbers, text, tensors or transforms with such parameters in a cached recipe, found "
            f"{type(value).__name__}; write it as a BaseTransform with plain parameters, or do without the cache."
        )


@cache
def _code_digest() -> str:
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for room in _ROOMS:
        place = root / room
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if file.is_file():
                digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
