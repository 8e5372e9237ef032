from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from pyg_gears.data import pack_data, read_packed, unpack_data, write_packed
from pyg_gears.errors import InputError


def example() -> Data:
    return Data(
        x=torch.tensor([[torch.nan, -0.0], [1e-40, torch.inf]]),
        half=torch.ones(3, dtype=torch.float16),
        edge_index=torch.tensor([[0, 383], [65535, 3]]),
        negative=torch.tensor([-1, 300]),
        wide=torch.tensor([-(2**62), 2**62]),
        mixed=torch.tensor([-1, 2**40]),
        empty_index=torch.zeros(2, 0, dtype=torch.long),
        small=torch.tensor([3], dtype=torch.int32),
        mask=torch.tensor([True, False]),
    )


def assert_same(one: Data, other: Data) -> None:
    assert set(one.keys()) == set(other.keys())
    for name, value in one.to_dict().items():
        assert value.dtype == other[name].dtype, name
        assert value.shape == other[name].shape, name
        assert value.numpy().tobytes() == other[name].numpy().tobytes(), name


def test_round_trip_is_bit_for_bit(tmp_path: Path) -> None:
    packed = pack_data(example())
    assert_same(unpack_data(packed), example())
    write_packed(tmp_path / "a.npz", packed)
    again = read_packed(tmp_path / "a.npz")
    assert again is not None
    assert_same(unpack_data(again), example())
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_indices_are_narrow_and_unpacked_data_is_its_own() -> None:
    packed = pack_data(example())
    assert packed["edge_index"].dtype == np.uint16
    assert packed["negative"].dtype == np.int16
    first = unpack_data(packed)
    first.edge_index[0, 0] = 99
    first.half[0] = 5
    assert_same(unpack_data(packed), example())


def test_every_damage_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert read_packed(path) is None
    write_packed(path, pack_data(example()))
    whole = path.read_bytes()
    for damaged in (b"", b"not a zip", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(damaged)
        assert read_packed(path) is None
    start = whole.index(np.float32(torch.inf).tobytes())
    path.write_bytes(whole[:start] + b"\x01" + whole[start + 1 :])  # one flipped byte of data
    assert read_packed(path) is None
    np.savez(path, x=np.ones(3))  # whole, but not ours
    assert read_packed(path) is None
    np.savez(path, x=np.array([{}], dtype=object))  # a pickle is not opened
    assert read_packed(path) is None


def test_no_flipped_bit_gives_an_error_or_other_values(tmp_path: Path) -> None:
    path, packed = tmp_path / "a.npz", pack_data(example())
    write_packed(path, packed)
    whole = path.read_bytes()
    for place in range(0, len(whole), 4):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place // 4 % 8)]) + whole[place + 1 :])
        found = read_packed(path)
        if found is not None:
            assert_same(unpack_data(found), example())


def test_errors_that_are_not_damage_are_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_packed(tmp_path / "a.npz", pack_data(example()))

    def fail(*_: object, **__: object) -> None:
        raise AttributeError("ours")

    monkeypatch.setattr(np, "load", fail)
    with pytest.raises(AttributeError, match="ours"):
        read_packed(tmp_path / "a.npz")


def test_only_tensors() -> None:
    with pytest.raises(
        InputError, match="expected dense tensors of a NumPy type in a stored miniset, found str in 'name'"
    ):
        pack_data(Data(x=torch.ones(2, 1), name="a"))
    with pytest.raises(InputError, match=r"found torch\.bfloat16 in 'x'; convert it"):
        pack_data(Data(x=torch.ones(2, 1, dtype=torch.bfloat16)))
    with pytest.raises(InputError, match=r"found torch\.sparse_coo in 'adj_t'"):
        pack_data(Data(adj_t=torch.eye(2).to_sparse()))
