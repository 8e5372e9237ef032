"""Graphs as small arrays, for memory and disk."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.data.whole_file import whole_file
from pyg_gears.errors import expect
from pyg_gears.typing import FilePath

Packed = dict[str, np.ndarray]
_META = "__meta__"
_DAMAGE = (OSError, EOFError, ValueError, KeyError, RuntimeError, BadZipFile, zlib.error)
"""What zip, zlib and NumPy raise for damaged files."""


def pack_data(data: Data) -> Packed:
    """The tensors of a ``Data`` as arrays, integers in the narrowest type that holds them (edges: 2 bytes, not 8).

    Raises:
        InputError: when the graph carries anything else than dense tensors, or bfloat16, which NumPy does not have.
    """
    packed, dtypes = {}, {}
    for name, value in data.to_dict().items():
        expect(
            isinstance(value, Tensor) and value.layout == torch.strided and value.dtype != torch.bfloat16,
            f"expected dense tensors of a NumPy type in a stored miniset, found {_kind(value)} in {name!r}; convert it.",
        )
        array = value.detach().cpu().numpy()
        dtypes[name] = array.dtype.str
        packed[name] = _narrow(array) if array.dtype.kind in "iu" else array
    packed[_META] = np.frombuffer(json.dumps(dtypes).encode(), dtype=np.uint8)
    return packed


def unpack_data(packed: Mapping[str, np.ndarray]) -> Data:
    """The ``Data`` that was packed, bit for bit, on memory of its own."""
    dtypes = json.loads(packed[_META].tobytes())
    return Data.from_dict({name: torch.from_numpy(packed[name].astype(dtype)) for name, dtype in dtypes.items()})


def write_packed(path: FilePath, packed: Packed) -> None:
    """Write arrays as ``.npz``, whole or not at all; other processes may write the same file."""
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **packed)  # type: ignore[arg-type]  # numpy types the keyword allow_pickle into **kwds


def read_packed(path: FilePath) -> Packed | None:
    """Read arrays back; ``None`` when the file is missing or damaged (each array is checked against its CRC)."""
    try:
        # Opened here, since np.load leaves a damaged file open.
        with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            packed = {name: file[name] for name in file.files}
        names = json.loads(packed[_META].tobytes())
    except _DAMAGE:
        return None
    return packed if set(names) | {_META} == set(packed) else None


def _kind(value: object) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return str(value.dtype if value.layout == torch.strided else value.layout)


def _narrow(array: np.ndarray) -> np.ndarray:
    if array.size == 0:
        return array.astype(np.uint8)
    low, high = int(array.min()), int(array.max())
    # A negative value asks for a signed type that holds the highest one too.
    return array.astype(np.min_scalar_type(high if low >= 0 else min(low, -high - 1)))
