"""Shards: predictions of some patches on disk, from which a killed run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch_geometric.data import Data

from pyg_gears.data.packed import pack_data, read_packed, unpack_data, write_packed
from pyg_gears.typing import FilePath


def write_shard(folder: FilePath, number: int, identity: str, pos: Float[np.ndarray, "v m 2"]) -> None:
    """Store a shard, whole or not at all.

    Args:
        folder: Made if missing.
        number: Place of the shard.
        identity: Hexadecimal digest of everything that the coordinates depend on.
        pos: Coordinates of all voters, shape (voters, m, 2).
    """
    path = _path(folder, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_packed(path, pack_data(Data(pos=torch.from_numpy(pos), identity=_digest(identity))))


def read_shard(folder: FilePath, number: int, identity: str) -> Float[np.ndarray, "v m 2"] | None:
    """The coordinates of a shard, or None where there is none, a damaged one, or one of other inputs."""
    packed = read_packed(_path(folder, number))
    if packed is None:
        return None
    data = unpack_data(packed)
    same = "identity" in data and "pos" in data and torch.equal(data.identity, _digest(identity))
    return data.pos.numpy() if same else None


def _path(folder: FilePath, number: int) -> Path:
    return Path(folder) / f"shard_{number:05d}.npz"


def _digest(identity: str) -> torch.Tensor:
    return torch.tensor(list(bytes.fromhex(identity)), dtype=torch.uint8)
