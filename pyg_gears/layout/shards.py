"""Shards: predictions of some patches on disk, from which a killed run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch_geometric.data import Data

from pyg_gears.data.packed import pack_data, read_packed, unpack_data, write_packed
from pyg_gears.layout.pair_certainty import PairCertainty
from pyg_gears.typing import FilePath


class Shard(NamedTuple):
    """``pos`` (voters, m, 2), coordinates of all voters; ``certainty`` of the models' distances, empty unless asked for."""

    pos: np.ndarray
    certainty: PairCertainty


def write_shard(folder: FilePath, number: int, identity: str, shard: Shard) -> None:
    """Store a shard, whole or not at all.

    Args:
        folder: Made if missing.
        number: Place of the shard.
        identity: Hexadecimal digest of everything that the shard depends on.
        shard: What to store.
    """
    path = _path(folder, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"pos": shard.pos, **{f"certainty_{name}": part for name, part in shard.certainty._asdict().items()}}
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    write_packed(path, pack_data(Data.from_dict({**tensors, "identity": _digest(identity)})))


def read_shard(folder: FilePath, number: int, identity: str) -> Shard | None:
    """What a shard holds, or None where there is none, a damaged one, or one of other inputs."""
    packed = read_packed(_path(folder, number))
    if packed is None:
        return None
    data = unpack_data(packed)
    parts = [f"certainty_{name}" for name in PairCertainty._fields]
    if not all(name in data for name in ("identity", "pos", *parts)):
        return None
    if not torch.equal(data.identity, _digest(identity)):
        return None
    return Shard(data.pos.numpy(), PairCertainty(*(data[name].numpy() for name in parts)))


def _path(folder: FilePath, number: int) -> Path:
    return Path(folder) / f"shard_{number:05d}.npz"


def _digest(identity: str) -> torch.Tensor:
    return torch.tensor(list(bytes.fromhex(identity)), dtype=torch.uint8)
